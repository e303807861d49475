import { noFileFacts, receivedAtMsOf, fileStateOf, statusOf, tableOfFile, type FileFacts } from "./status.ts";
import { isFinal, type FileState, type FileStatus } from "../http/schemas.ts";

export interface FileFilter {
  table?: string | undefined;
  status?: FileState | undefined;
  /** Only files older than this one (a fileId). */
  before?: string | undefined;
  limit: number;
}

/** Files beyond this factor of `filesMax` start a bulk eviction; bulk eviction is cheap. */
const SLACK = 1.1;

const isNamed = (facts: FileFacts): boolean => (facts.arrival ?? facts.ending) !== undefined;

/**
 * The status of the newest files, in memory. File ids are UUIDs v7, so they sort by arrival. Beyond
 * `filesMax` and a tenth, the oldest files are evicted for good: late events do not restore them.
 */
export class FileView {
  readonly #filesMax: number;
  readonly #known = new Map<string, FileFacts>();
  /** By table: files not yet in a final state, with the time of their arrival. */
  readonly #waiting = new Map<string, Map<string, number>>();
  readonly #commits = new Map<string, number>();
  readonly #listeners = new Set<(status: FileStatus) => void>();
  /** Ascending if `#sorted`. Events arrive nearly in order, so sorting is cheap and rare. */
  #ids: string[] = [];
  #sorted = true;
  #evictedUpTo = "";

  constructor(filesMax: number) {
    this.#filesMax = filesMax;
  }

  /** Applies an event to a file. Calls the listeners synchronously if the file's state changes. */
  apply(fileId: string, change: (facts: FileFacts) => FileFacts): void {
    const before = this.#known.get(fileId);
    if (!before && fileId <= this.#evictedUpTo) return;
    const after = change(before ?? noFileFacts);
    if (after === before) return;
    this.#known.set(fileId, after);
    this.#trackWaiting(fileId, after, after.arrival !== undefined && !isFinal(fileStateOf(after)));
    if (!before) this.#add(fileId);
    const moved = !before || isNamed(before) !== isNamed(after) || fileStateOf(before) !== fileStateOf(after);
    if (this.#listeners.size === 0 || !moved) return;
    const status = statusOf(fileId, after);
    if (status) for (const listener of this.#listeners) listener(status);
  }

  get(fileId: string): FileStatus | undefined {
    const facts = this.#known.get(fileId);
    return facts && statusOf(fileId, facts);
  }

  /** Newest first. `exhausted`: no further files exist, in memory or evicted. */
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
    return { files, exhausted: this.#evictedUpTo === "" };
  }

  /** The files of a table that are not yet in a final state. */
  lag(table: string): { files: number; oldestReceivedAtMs: number | null } {
    const arrivals = this.#waiting.get(table);
    if (!arrivals) return { files: 0, oldestReceivedAtMs: null };
    let oldestReceivedAtMs = Infinity;
    for (const receivedAtMs of arrivals.values()) oldestReceivedAtMs = Math.min(oldestReceivedAtMs, receivedAtMs);
    return { files: arrivals.size, oldestReceivedAtMs };
  }

  /** Tables with files not yet in a final state. */
  waitingTables(): string[] {
    return [...this.#waiting.keys()];
  }

  noteCommit(table: string, atMs: number): void {
    this.#commits.set(table, Math.max(atMs, this.#commits.get(table) ?? 0));
  }

  /** Time of the newest commit, epoch milliseconds; null if none is known. */
  lastCommitAtMs(table: string): number | null {
    return this.#commits.get(table) ?? null;
  }

  /** Resolves with the file's final status, or with undefined if the signal aborts first. */
  ended(fileId: string, signal: AbortSignal): Promise<FileStatus | undefined> {
    const { promise, resolve } = withResolvers<FileStatus | undefined>();
    const stop = this.subscribe((status) => {
      if (status.fileId === fileId && isFinal(status.status)) settle(status);
    });
    const settle = (status: FileStatus | undefined): void => {
      stop();
      signal.removeEventListener("abort", cancel);
      resolve(status);
    };
    const cancel = (): void => settle(undefined);
    signal.addEventListener("abort", cancel);
    const now = this.get(fileId);
    if (now && isFinal(now.status)) settle(now);
    else if (signal.aborted) cancel();
    return promise;
  }

  /** Calls the listener at every change of a file's state, until the returned function is called. */
  subscribe(listener: (status: FileStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #add(fileId: string): void {
    this.#sorted &&= this.#ids.length === 0 || this.#ids.at(-1)! < fileId;
    this.#ids.push(fileId);
    if (this.#ids.length > this.#filesMax * SLACK) this.#evict(this.#ids.length - this.#filesMax);
  }

  #evict(count: number): void {
    const oldest = this.#ascending().splice(0, count);
    for (const fileId of oldest) {
      this.#trackWaiting(fileId, this.#known.get(fileId)!, false);
      this.#known.delete(fileId);
    }
    this.#evictedUpTo = oldest.at(-1)!;
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
