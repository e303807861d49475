/**
 * A worker thread: parses or previews one file at a time. Each job brings a port for the file's bytes and the
 * outputs.
 */
import { parentPort, type MessagePort } from "node:worker_threads";
import { messageOf } from "../../errors.ts";
import { parseFile, type ParseJob, type ParseOutput } from "../parse-file.ts";
import { previewFile, type Preview, type PreviewOptions } from "../preview.ts";

/** What a worker does with a file. */
export type WorkerJob = { kind: "parse"; job: ParseJob } | { kind: "preview"; options: PreviewOptions };
export type WorkerOutput = ParseOutput | { kind: "preview"; preview: Preview };

/** From pool to worker. `null` ends the file; closing the port abandons the job. */
export type ToWorker = { kind: "bytes"; bytes: Uint8Array | null } | { kind: "taken" };
/** From worker to pool. `fed`: one piece of bytes was used. */
export type FromWorker =
  { kind: "fed" } | { kind: "output"; output: WorkerOutput } | { kind: "crash"; message: string };

/** Outputs sent but not yet taken, at most; each holds at most one batch. */
const OUTPUTS_AHEAD_MAX = 4;

parentPort!.on("message", ({ job, port }: { job: WorkerJob; port: MessagePort }) => {
  serve(job, port).catch((thrown: unknown) => port.postMessage({ kind: "crash", message: messageOf(thrown) }));
});

async function serve(job: WorkerJob, port: MessagePort): Promise<void> {
  const bytes: (Uint8Array | null)[] = [];
  let credit = OUTPUTS_AHEAD_MAX;
  let closed = false;
  let wake: () => void = () => undefined;
  const changed = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  port.on("message", (message: ToWorker) => {
    if (message.kind === "taken") credit++;
    else bytes.push(message.bytes);
    wake();
  });
  port.on("close", () => {
    closed = true;
    wake();
  });

  async function* source(): AsyncGenerator<Uint8Array> {
    for (;;) {
      while (bytes.length === 0 && !closed) await changed();
      const next = closed ? null : bytes.shift();
      if (next === null || next === undefined) return;
      port.postMessage({ kind: "fed" } satisfies FromWorker);
      yield next;
    }
  }

  for await (const output of outputsOf(job, source())) {
    while (credit === 0 && !closed) await changed();
    if (closed) return;
    credit--;
    const transfer = output.kind === "rows" ? [output.batch.rows.buffer as ArrayBuffer] : [];
    port.postMessage({ kind: "output", output } satisfies FromWorker, transfer);
  }
}

async function* outputsOf(job: WorkerJob, source: AsyncIterable<Uint8Array>): AsyncGenerator<WorkerOutput> {
  if (job.kind === "parse") yield* parseFile(source, job.job);
  else yield { kind: "preview", preview: await previewFile(source, job.options) };
}
