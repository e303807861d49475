import { isDeepStrictEqual } from "node:util";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { HashedBytes } from "../../lib/blob/hashed-bytes.ts";
import type { FileEvent } from "../../lib/messages/generated.ts";
import type { ParseJob, ParseOutput } from "../../lib/parsing/parse-file.ts";
import type { WorkerPool } from "../../lib/parsing/workers/worker-pool.ts";
import type { ParserMetrics } from "./metrics.ts";

/** A file that is being parsed. */
export interface FileReading {
  outputs: AsyncIterable<ParseOutput>;
  /** Of the stored bytes, in hex; undefined until all have been read. */
  sha256(): string | undefined;
  /** Stored bytes that have been read. */
  bytesRead(): number;
  /** Ends the reading. Idempotent. */
  close(): void;
}

export interface ReadingDeps {
  blob: BlobStore;
  pool: WorkerPool;
  metrics: ParserMetrics;
  places: AheadPlaces;
}

/** Stored bytes of a file that is parsed before its turn, at most. */
const STORED_BYTES_MAX = 8 * 1024 * 1024;
/** Bytes of a file's outputs that wait for its turn; above, its parse ahead is given up. */
export const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** Files of a table that are not parsed ahead after one whose parse ahead was of no use. */
const PAUSE_FILES = 4;

/**
 * How many files may be parsed before their turn, over all partitions of a parser. One worker stays free for
 * files whose turn it is. What waits for its turn takes at most OUTPUT_BYTES_MAX for each worker.
 */
export class AheadPlaces {
  readonly #workers: number;
  /** Files that occupy a worker, or soon will. */
  #parsing = 0;
  #waiting = 0;

  constructor(workers: number) {
    this.#workers = workers;
  }

  get isFree(): boolean {
    return this.#parsing < this.#workers - 1 && this.#waiting < this.#workers;
  }

  /** Counts one more; the function that it returns takes it back, once. */
  parsing(): () => void {
    this.#parsing++;
    return once(() => this.#parsing--);
  }

  waiting(): () => void {
    this.#waiting++;
    return once(() => this.#waiting--);
  }
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    run();
  };
}

/** Starts to parse a file. @throws what the blob store throws */
export async function openReading(
  { blob, pool, places }: ReadingDeps,
  { blobKey }: FileEvent,
  job: ParseJob,
  signal: AbortSignal,
): Promise<FileReading> {
  const leave = places.parsing();
  try {
    const { body } = await blob.get(blobKey, { signal });
    const read = new HashedBytes(body);
    return {
      outputs: pool.parse(job, read, signal),
      sha256: () => read.sha256,
      bytesRead: () => read.bytesRead,
      close() {
        leave();
        body.destroy();
      },
    };
  } catch (thrown) {
    leave();
    throw thrown;
  }
}

/** A file whose turn has not come. */
export interface NextFile {
  event: FileEvent;
  sourceOffset: number;
  /** What it would be parsed with if its turn were now; undefined: that is not known yet. */
  job: () => ParseJob | undefined;
}

/**
 * Parses files of one partition before their turn; their outputs wait, and are published in order. The result
 * is the same as without: a file whose job is another one when its turn comes (its table has other columns by
 * then, or another contract) is parsed again.
 */
export class ReadAhead {
  readonly #deps: ReadingDeps;
  readonly #signal: AbortSignal;
  readonly #runs = new Map<number, AheadRun>();
  /** By table: its files that are still not parsed ahead. */
  readonly #paused = new Map<string, number>();

  constructor(deps: ReadingDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Begins with the files, in their order, for which there are places. */
  begin(files: readonly NextFile[]): void {
    for (const { event, sourceOffset, job } of files) {
      if (!this.#deps.places.isFree) return;
      if (this.#runs.has(sourceOffset) || !isFit(event) || (this.#paused.get(event.table) ?? 0) > 0) continue;
      const given = job();
      if (given) this.#runs.set(sourceOffset, new AheadRun(this.#deps, event, given, this.#signal));
    }
  }

  /** The file's reading, if it was begun with this job and has not failed. */
  take(table: string, sourceOffset: number, job: ParseJob): FileReading | undefined {
    const run = this.#runs.get(sourceOffset);
    const paused = this.#paused.get(table) ?? 0;
    if (paused > 1) this.#paused.set(table, paused - 1);
    else this.#paused.delete(table);
    if (!run) return undefined;
    this.#runs.delete(sourceOffset);
    const isOfUse = !run.failed && isDeepStrictEqual(run.job, job);
    this.#deps.metrics.readAhead.inc({ outcome: isOfUse ? "used" : "repeated" });
    if (isOfUse) return run.taken();
    run.close();
    this.#paused.set(table, PAUSE_FILES);
    return undefined;
  }

  /** Gives up all files whose turn has not come. */
  abandon(): void {
    for (const run of this.#runs.values()) run.close();
    this.#runs.clear();
  }
}

const isFit = ({ kind, decision, operationJson, sizeBytes }: FileEvent): boolean =>
  kind === "put" && !decision && !operationJson && sizeBytes <= STORED_BYTES_MAX;

/** Parses a file and keeps its outputs until they are taken. */
class AheadRun implements FileReading {
  readonly job: ParseJob;
  readonly #stopping = new AbortController();
  readonly #leave: () => void;
  #reading: FileReading | undefined;
  #outputs: ParseOutput[] = [];
  #bytes = 0;
  #isTaken = false;
  #isDone = false;
  #failure: Error | undefined;
  #wakers: (() => void)[] = [];

  constructor(deps: ReadingDeps, event: FileEvent, job: ParseJob, signal: AbortSignal) {
    this.job = job;
    this.#leave = deps.places.waiting();
    void this.#run(deps, event, AbortSignal.any([signal, this.#stopping.signal]));
  }

  /** True if its outputs are not those of the file: it ended with an error, or was given up. */
  get failed(): boolean {
    return this.#failure !== undefined || this.#stopping.signal.aborted;
  }

  get outputs(): AsyncGenerator<ParseOutput> {
    return this.#drain();
  }

  sha256(): string | undefined {
    return this.#reading?.sha256();
  }

  bytesRead(): number {
    return this.#reading?.bytesRead() ?? 0;
  }

  /** From now on the parse is no faster than its consumer. */
  taken(): FileReading {
    this.#isTaken = true;
    this.#leave();
    return this;
  }

  close(): void {
    this.#leave();
    this.#stopping.abort();
    this.#outputs = [];
    this.#reading?.close();
    this.#wake();
  }

  async #run(deps: ReadingDeps, event: FileEvent, signal: AbortSignal): Promise<void> {
    try {
      this.#reading = await openReading(deps, event, this.job, signal);
      for await (const output of this.#reading.outputs) {
        this.#outputs.push(output);
        this.#bytes += bytesOf(output);
        this.#wake();
        while (this.#isTaken && this.#bytes > OUTPUT_BYTES_MAX && !signal.aborted) await this.#changed();
        if (!this.#isTaken && this.#bytes > OUTPUT_BYTES_MAX) return this.close();
      }
    } catch (thrown) {
      this.#failure = thrown as Error;
    } finally {
      this.#isDone = true;
      this.#reading?.close();
      this.#wake();
    }
  }

  async *#drain(): AsyncGenerator<ParseOutput> {
    for (;;) {
      while (this.#outputs.length === 0 && !this.#isDone && !this.failed) await this.#changed();
      const output = this.#outputs.shift();
      if (!output && this.#failure) throw this.#failure;
      if (!output) return;
      this.#bytes -= bytesOf(output);
      this.#wake();
      yield output;
    }
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve));
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }
}

/** What an output takes while it waits, roughly. */
function bytesOf(output: ParseOutput): number {
  if (output.kind === "rows") return output.batch.rows.length;
  if (output.kind !== "rejects") return 0;
  const { rejects, text } = output;
  return rejects.reduce((sum, { raw }) => sum + 200 + 2 * raw.length, 0) + 2 * (text?.text.length ?? 0);
}
