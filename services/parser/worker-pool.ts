import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import type { ParseJob, ParseOutput } from "../../lib/parsing/parse-file.ts";
import type { FromWorker, ToWorker } from "./parse-worker.ts";

/** A worker died over a file: out of memory, or a fault of ours. Not the file system's or the network's doing. */
export class WorkerCrash extends Error {
  override readonly name = "WorkerCrash";
}

export interface WorkerPoolOptions {
  /** Files parsed at a time. */
  size: number;
  /** A worker's heap, in MiB; beyond, it dies alone. */
  heapMibMax: number;
  onCrash?: (thrown: Error) => void;
}

export interface WorkerPool {
  /**
   * Parses a file in a worker, waiting for a free one. The consumer's pace is the worker's pace; leaving the loop or aborting the
   * signal abandons the file (then the loop just ends). Throws what `source` throws, or WorkerCrash.
   */
  parse(job: ParseJob, source: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<ParseOutput>;
  /** Ends all workers at once. */
  close(): Promise<void>;
}

/** Bytes sent to the worker in one message. */
const PIECE_BYTES = 256 * 1024;
/** Pieces on their way at a time. */
const PIECES_AHEAD_MAX = 4;

/** Compiled, the worker is a .js file like this one. As .ts it needs tsx, which a worker thread does not inherit on every Node. */
function startWorker(heapMibMax: number): Worker {
  const resourceLimits = { maxOldGenerationSizeMb: heapMibMax };
  if (!import.meta.url.endsWith(".ts")) {
    return new Worker(new URL("./parse-worker.js", import.meta.url), { resourceLimits });
  }
  const [tsx, worker] = [import.meta.resolve("tsx/esm/api"), new URL("./parse-worker.ts", import.meta.url).href];
  const start = `import("${tsx}").then(({ register }) => { register(); return import("${worker}"); })`;
  return new Worker(start, { eval: true, resourceLimits });
}

export function workerPool(options: WorkerPoolOptions): WorkerPool {
  const idle: Worker[] = [];
  const all = new Set<Worker>();
  const waiting: ((worker: Worker | undefined) => void)[] = [];
  let closed = false;

  function start(): Worker {
    const worker = startWorker(options.heapMibMax);
    all.add(worker);
    const forget = (): void => {
      all.delete(worker);
      const index = idle.indexOf(worker);
      if (index >= 0) idle.splice(index, 1);
    };
    worker.once("error", (thrown) => {
      forget();
      options.onCrash?.(thrown);
    });
    worker.once("exit", forget);
    worker.unref();
    return worker;
  }

  async function acquire(): Promise<Worker | undefined> {
    const worker = idle.pop() ?? (all.size < options.size && !closed ? start() : undefined);
    return worker ?? (closed ? undefined : new Promise((resolve) => waiting.push(resolve)));
  }

  function release(worker: Worker): void {
    const next = waiting.shift();
    // A dead worker's place goes to a fresh one.
    const usable = all.has(worker) ? worker : next && !closed ? start() : undefined;
    if (next) next(usable);
    else if (usable) idle.push(usable);
  }

  return {
    async *parse(job, source, signal) {
      const worker = await acquire();
      if (!worker) return;
      worker.ref();
      try {
        yield* parseOn(worker, job, source, signal);
      } finally {
        worker.unref();
        release(worker);
      }
    },
    async close() {
      closed = true;
      for (const resolve of waiting.splice(0)) resolve(undefined);
      await Promise.all([...all].map((worker) => worker.terminate()));
    },
  };
}

async function* parseOn(
  worker: Worker,
  job: ParseJob,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<ParseOutput> {
  const channel = new MessageChannel();
  const exchange = new Exchange(channel.port1);
  const onError = (thrown: Error): void => exchange.fail(new WorkerCrash(thrown.message, { cause: thrown }));
  const onExit = (code: number): void => exchange.fail(new WorkerCrash(`the worker ended with code ${code}`));
  const onAbort = (): void => exchange.stop();
  worker.once("error", onError);
  worker.once("exit", onExit);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) return;
    worker.postMessage({ job, port: channel.port2 }, [channel.port2]);
    const feeding = exchange.feed(source);
    yield* exchange.outputs();
    exchange.stop();
    await feeding;
  } finally {
    exchange.stop();
    signal.removeEventListener("abort", onAbort);
    worker.off("error", onError);
    worker.off("exit", onExit);
  }
}

/** This side of a job's port. */
class Exchange {
  readonly #port: MessagePort;
  readonly #outputs: ParseOutput[] = [];
  #piecesAhead = 0;
  #stopped = false;
  #failure: Error | undefined;
  #wakers: (() => void)[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (message: FromWorker) => {
      if (message.kind === "fed") this.#piecesAhead--;
      else if (message.kind === "output") this.#outputs.push(message.output);
      else this.#failure ??= new WorkerCrash(message.message);
      this.#wake();
    });
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** Closes the port, which makes the worker let go of the job. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#port.close();
    this.#wake();
  }

  /** Sends the source's bytes in pieces of even size, no faster than the worker uses them. A failing source fails the exchange. */
  async feed(source: AsyncIterable<Uint8Array>): Promise<void> {
    let piece = new Uint8Array(PIECE_BYTES);
    let length = 0;
    try {
      for await (const chunk of source) {
        for (let at = 0; at < chunk.length;) {
          const part = chunk.subarray(at, at + PIECE_BYTES - length);
          piece.set(part, length);
          length += part.length;
          at += part.length;
          if (length < PIECE_BYTES) continue;
          await this.#send(piece);
          piece = new Uint8Array(PIECE_BYTES);
          length = 0;
        }
        if (this.#stopped) return;
      }
      if (length > 0) await this.#send(piece.slice(0, length));
      await this.#send(null);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  async #send(bytes: Uint8Array<ArrayBuffer> | null): Promise<void> {
    while (this.#piecesAhead >= PIECES_AHEAD_MAX && !this.#stopped && !this.#failure) await this.#changed();
    if (this.#stopped || this.#failure) return;
    this.#piecesAhead++;
    this.#port.postMessage({ kind: "bytes", bytes } satisfies ToWorker, bytes ? [bytes.buffer] : []);
  }

  /** What the worker says, until it says `end` or `retype`, or the exchange is stopped. */
  async *outputs(): AsyncGenerator<ParseOutput> {
    for (;;) {
      while (this.#outputs.length === 0 && !this.#stopped && !this.#failure) await this.#changed();
      if (this.#failure) throw this.#failure;
      if (this.#stopped) return;
      const output = this.#outputs.shift()!;
      yield output;
      if (output.kind === "end" || output.kind === "retype") return;
      this.#port.postMessage({ kind: "taken" } satisfies ToWorker);
    }
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }
}
