import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import type { ParseJob, ParseOutput } from "../parse-file.ts";
import type { Preview, PreviewOptions } from "../preview.ts";
import type { FromWorker, ToWorker, WorkerJob, WorkerOutput } from "./parse-worker.ts";

/** A worker crashed while parsing a file: out of memory, or a bug. Never an I/O error. */
export class WorkerCrash extends Error {
  override readonly name = "WorkerCrash";
}

export interface WorkerPoolOptions {
  /** Files parsed at a time, and one short file more while large ones occupy all workers. */
  size: number;
  /** A worker's heap in MiB. Beyond it the worker crashes, and the process survives. */
  heapMibMax: number;
  onCrash?: (thrown: Error) => void;
  /** Starts the first worker at once: the first file does not wait for it. Default: no. */
  startsAhead?: boolean;
}

export interface WorkerPool {
  /**
   * Parses a file in a worker; waits for a free one. Back pressure in both directions: the worker runs no
   * faster than the consumer. Leaving the loop, or aborting the signal (which ends the loop), abandons the
   * file. See decision 26.
   * @throws what `source` throws; WorkerCrash
   */
  parse(job: ParseJob, source: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<ParseOutput>;
  /** Terminates all workers. */
  close(): Promise<void>;
}

export interface PreviewPool {
  /**
   * Previews a file in a worker, see `previewFile`. May leave the rest of `source` unread. Undefined if the
   * pool was closed.
   * @throws what `source` throws; WorkerCrash
   */
  preview(options: PreviewOptions, source: AsyncIterable<Uint8Array>): Promise<Preview | undefined>;
  /** Terminates all workers. */
  close(): Promise<void>;
}

/** Stored bytes of a short file, at most: it does not wait until a large one is parsed. */
const SHORT_BYTES_MAX = 1024 * 1024;

/** Bytes sent to the worker in one message. */
const PIECE_BYTES = 256 * 1024;
/** Pieces sent but not yet used by the worker, at most. */
const PIECES_AHEAD_MAX = 4;

/**
 * Starts the compiled worker (.js). From source (.ts) it loads tsx, which worker threads do not inherit on
 * every Node.
 */
function startWorker(heapMibMax: number): Worker {
  const resourceLimits = { maxOldGenerationSizeMb: heapMibMax };
  if (!import.meta.url.endsWith(".ts")) {
    return new Worker(new URL("./parse-worker.js", import.meta.url), { resourceLimits });
  }
  const [tsx, worker] = [import.meta.resolve("tsx/esm/api"), new URL("./parse-worker.ts", import.meta.url).href];
  const start = `import("${tsx}").then(({ register }) => { register(); return import("${worker}"); })`;
  return new Worker(start, { eval: true, resourceLimits });
}

/** How many files are parsed at a time; one short file more while large ones occupy all workers. */
class Turns {
  readonly #size: number;
  #short = 0;
  #large = 0;

  constructor(size: number) {
    this.#size = size;
  }

  isFree(isShort: boolean): boolean {
    return this.#short + this.#large < this.#size || (isShort && this.#short === 0 && this.#large >= this.#size);
  }

  begin(isShort: boolean): void {
    if (isShort) this.#short++;
    else this.#large++;
  }

  end(wasShort: boolean): void {
    if (wasShort) this.#short--;
    else this.#large--;
  }
}

/** Starts a worker, which is in `all` as long as it runs. */
function addWorker({ heapMibMax, onCrash }: WorkerPoolOptions, all: Set<Worker>, idle: Worker[]): Worker {
  const worker = startWorker(heapMibMax);
  all.add(worker);
  const forget = (): void => {
    all.delete(worker);
    const index = idle.indexOf(worker);
    if (index >= 0) idle.splice(index, 1);
  };
  worker.once("error", (thrown) => {
    forget();
    onCrash?.(thrown);
  });
  worker.once("exit", forget);
  worker.unref();
  return worker;
}

export function workerPool(options: WorkerPoolOptions): WorkerPool & PreviewPool {
  const idle: Worker[] = [];
  const all = new Set<Worker>();
  const waiting: { isShort: boolean; resolve: (worker: Worker | undefined) => void }[] = [];
  const turns = new Turns(options.size);
  let closed = false;
  if (options.startsAhead) idle.push(addWorker(options, all, idle));

  function take(isShort: boolean): Worker {
    turns.begin(isShort);
    const worker = idle.pop() ?? addWorker(options, all, idle);
    // The short file that may pass large ones must not wait until a worker has started.
    if (idle.length === 0 && turns.isFree(true) && !turns.isFree(false)) idle.push(addWorker(options, all, idle));
    return worker;
  }

  async function acquire(isShort: boolean): Promise<Worker | undefined> {
    if (closed) return undefined;
    return turns.isFree(isShort) ? take(isShort) : new Promise((resolve) => waiting.push({ isShort, resolve }));
  }

  function release(worker: Worker, wasShort: boolean): void {
    turns.end(wasShort);
    // A crashed worker is replaced by a new one.
    if (all.has(worker)) idle.push(worker);
    const at = closed ? -1 : waiting.findIndex(({ isShort }) => turns.isFree(isShort));
    for (const { isShort, resolve } of at < 0 ? [] : waiting.splice(at, 1)) resolve(take(isShort));
  }

  type Source = AsyncIterable<Uint8Array>;
  async function* run(job: WorkerJob, source: Source, signal: AbortSignal): AsyncGenerator<WorkerOutput> {
    const isShort = job.kind === "parse" && (job.job.storedBytes ?? Infinity) <= SHORT_BYTES_MAX;
    const worker = await acquire(isShort);
    if (!worker) return;
    worker.ref();
    try {
      yield* runOn(worker, job, source, signal);
    } finally {
      worker.unref();
      release(worker, isShort);
    }
  }

  return {
    async *parse(job, source, signal) {
      for await (const output of run({ kind: "parse", job }, source, signal)) {
        if (output.kind !== "preview") yield output;
      }
    },
    async preview(options, source) {
      for await (const output of run({ kind: "preview", options }, source, new AbortController().signal)) {
        if (output.kind === "preview") return output.preview;
      }
      return undefined;
    },
    async close() {
      closed = true;
      for (const { resolve } of waiting.splice(0)) resolve(undefined);
      await Promise.all([...all].map((worker) => worker.terminate()));
    },
  };
}

async function* runOn(
  worker: Worker,
  job: WorkerJob,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<WorkerOutput> {
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

/** After every other output a reading has ended. */
const CONTINUES: ReadonlySet<WorkerOutput["kind"]> = new Set(["rows", "rejects", "plan", "progress"]);

/** The pool's side of a job's port. */
class Exchange {
  readonly #port: MessagePort;
  readonly #outputs: WorkerOutput[] = [];
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

  /** Closes the port, which makes the worker abandon the job. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#port.close();
    this.#wake();
  }

  /**
   * Sends the source's bytes in pieces of equal size, no faster than the worker uses them. A source error
   * fails the job.
   */
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

  /** The worker's outputs up to the last one, or until the exchange is stopped. */
  async *outputs(): AsyncGenerator<WorkerOutput> {
    for (;;) {
      while (this.#outputs.length === 0 && !this.#stopped && !this.#failure) await this.#changed();
      if (this.#failure) throw this.#failure;
      if (this.#stopped) return;
      const output = this.#outputs.shift()!;
      yield output;
      if (!CONTINUES.has(output.kind)) return;
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
