import { noFileFacts, receivedAtMsOf, fileStateOf, statusOf, tableOfFile, type FileFacts } from "./status.ts";
import { isFinal, type FileState, type FileStatus } from "../http/schemas.ts";

export interface FileFilter {
  table?: string | undefined;
  status?: FileState | undefined;
  /** Only files older than this one (a fileId). */
  before?: string | undefined;
  limit: number;
}

/** How far over its bound the view may grow before it forgets; forgetting in bulk makes it cheap. */
const SLACK = 1.1;

const isNamed = (facts: FileFacts): boolean => (facts.arrival ?? facts.ending) !== undefined;

/**
 * The newest files in memory, by what the events say of them. File ids are UUIDs v7, so their order is the order of arrival. Bounded: beyond
 * `filesMax` (and a tenth) the oldest are forgotten, for ever: late events do not bring them back.
 */
export class FileView {
  readonly #filesMax: number;
  readonly #known = new Map<string, FileFacts>();
  /** Of each table the files that have arrived and not ended, with the time they arrived. */
  readonly #waiting = new Map<string, Map<string, number>>();
  readonly #commits = new Map<string, number>();
  readonly #listeners = new Set<(status: FileStatus) => void>();
  /** Ascending once `#sorted`; events come nearly in order, so that sorting is cheap and rare. */
  #ids: string[] = [];
  #sorted = true;
  #forgottenUpTo = "";

  constructor(filesMax: number) {
    this.#filesMax = filesMax;
  }

  /** Adds what an event says of a file. Listeners hear of it at once when it changes the file's state. */
  apply(fileId: string, change: (facts: FileFacts) => FileFacts): void {
    const before = this.#known.get(fileId);
    if (!before && fileId <= this.#forgottenUpTo) return;
    const after = change(before ?? noFileFacts);
    if (after === before) return;
    this.#known.set(fileId, after);
    this.#trackWaiting(fileId, after, after.arrival !== undefined && !isFinal(fileStateOf(after)));
    if (!before) this.#remember(fileId);
    const moved = !before || isNamed(before) !== isNamed(after) || fileStateOf(before) !== fileStateOf(after);
    if (this.#listeners.size === 0 || !moved) return;
    const status = statusOf(fileId, after);
    if (status) for (const listener of this.#listeners) listener(status);
  }

  get(fileId: string): FileStatus | undefined {
    const facts = this.#known.get(fileId);
    return facts && statusOf(fileId, facts);
  }

  /** Newest first. `exhausted`: there are no more, here or among the forgotten. */
  list({ table, status, before, limit }: FileFilter): { files: FileStatus[]; exhausted: boolean } {
    const files: FileStatus[] = [];
    const ids = this.#ascending();
    for (let index = ids.length - 1; index >= 0; index--) {
      const fileId = ids[index]!;
      if (before !== undefined && fileId >= before) continue;
      const facts = this.#known.get(fileId)!;
      if (table !== undefined && tableOfFile(facts) !== table) continue;
      if (status !== undefined && fileStateOf(facts) !== status) continue;
      if (!isNamed(facts)) continue;
      if (files.length === limit) return { files, exhausted: false };
      files.push(statusOf(fileId, facts)!);
    }
    return { files, exhausted: this.#forgottenUpTo === "" };
  }

  /** Files of a table that have arrived and not ended. */
  lag(table: string): { files: number; oldestReceivedAtMs: number | null } {
    const arrivals = this.#waiting.get(table);
    if (!arrivals) return { files: 0, oldestReceivedAtMs: null };
    let oldestReceivedAtMs = Infinity;
    for (const receivedAtMs of arrivals.values()) oldestReceivedAtMs = Math.min(oldestReceivedAtMs, receivedAtMs);
    return { files: arrivals.size, oldestReceivedAtMs };
  }

  /** Tables that files are on their way to. */
  waitingTables(): string[] {
    return [...this.#waiting.keys()];
  }

  /** Notes that a table commit happened. */
  noteCommit(table: string, atMs: number): void {
    this.#commits.set(table, Math.max(atMs, this.#commits.get(table) ?? 0));
  }

  /** Epoch milliseconds of the newest commit, or null if none is known. */
  lastCommitAtMs(table: string): number | null {
    return this.#commits.get(table) ?? null;
  }

  /** Resolves with the file's status once it has ended, or with undefined when the signal aborts first. */
  ended(fileId: string, signal: AbortSignal): Promise<FileStatus | undefined> {
    const { promise, resolve } = withResolvers<FileStatus | undefined>();
    const stop = this.subscribe((status) => {
      if (status.fileId === fileId && isFinal(status.status)) settle(status);
    });
    const settle = (status: FileStatus | undefined): void => {
      stop();
      signal.removeEventListener("abort", giveUp);
      resolve(status);
    };
    const giveUp = (): void => settle(undefined);
    signal.addEventListener("abort", giveUp);
    const now = this.get(fileId);
    if (now && isFinal(now.status)) settle(now);
    else if (signal.aborted) giveUp();
    return promise;
  }

  /** Calls back at every change of a file's state, until the returned function is called. */
  subscribe(listener: (status: FileStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #remember(fileId: string): void {
    this.#sorted &&= this.#ids.length === 0 || this.#ids.at(-1)! < fileId;
    this.#ids.push(fileId);
    if (this.#ids.length > this.#filesMax * SLACK) this.#forget(this.#ids.length - this.#filesMax);
  }

  #forget(count: number): void {
    const oldest = this.#ascending().splice(0, count);
    for (const fileId of oldest) {
      this.#trackWaiting(fileId, this.#known.get(fileId)!, false);
      this.#known.delete(fileId);
    }
    this.#forgottenUpTo = oldest.at(-1)!;
  }

  #ascending(): string[] {
    if (!this.#sorted) this.#ids.sort();
    this.#sorted = true;
    return this.#ids;
  }

  #trackWaiting(fileId: string, facts: FileFacts, isWaiting: boolean): void {
    const table = tableOfFile(facts);
    if (table === undefined) return;
    const arrivals = this.#waiting.get(table) ?? new Map<string, number>();
    if (isWaiting) arrivals.set(fileId, receivedAtMsOf(facts)!);
    else arrivals.delete(fileId);
    if (arrivals.size > 0) this.#waiting.set(table, arrivals);
    else this.#waiting.delete(table);
  }
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
