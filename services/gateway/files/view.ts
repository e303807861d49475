import type { TableBlock } from "../../../lib/messages/generated.ts";
import { Blocks } from "./blocks.ts";
import { noFileFacts, receivedAtMsOf, fileStateOf, statusOf, tableOfFile, type FileFacts } from "./status.ts";
import { isFinal, type BlockStatus, type FileState, type FileStatus } from "../http/schemas.ts";
import { isDerivedFileId } from "../../../lib/file-id.ts";
import { NewestVersions, type NewestVersion } from "./newest-versions.ts";

export interface FileFilter {
  table?: string | undefined;
  status?: FileState | undefined;
  /** Only files older than this place. */
  before?: FilePlace | undefined;
  limit: number;
}

/** A place in the order of files: by arrival, then by id. */
export interface FilePlace {
  receivedAtMs: number;
  fileId: string;
}

/** Files beyond this factor of `filesMax` start a bulk eviction; bulk eviction is cheap. */
const SLACK = 1.1;

/** Files whose change is announced when their table becomes blocked, or is free again. */
const ANNOUNCED_MAX = 1_000;

const isNamed = (facts: FileFacts): boolean => (facts.arrival ?? facts.ending) !== undefined;

const isBefore = (a: FilePlace, b: FilePlace): boolean =>
  a.receivedAtMs === b.receivedAtMs ? a.fileId < b.fileId : a.receivedAtMs < b.receivedAtMs;

/**
 * The status of the newest files, in memory. Beyond `filesMax` and a tenth, the oldest files are evicted:
 * late events of their parse or commit do not restore them. A file event always adds its file, whatever its
 * time: after the clock was set back, new files have old times.
 */
export class FileView {
  readonly #filesMax: number;
  readonly #nowMs: () => number;
  readonly #blocks = new Blocks();
  readonly #known = new Map<string, FileFacts>();
  /** By table: files not yet in a final state, with the time of their arrival. */
  readonly #waiting = new Map<string, Map<string, number>>();
  /** Files that wait for a decision. */
  readonly #held = new Set<string>();
  readonly #commits = new Map<string, number>();
  /** By table: the file whose outcome came last. */
  readonly #lastEnded = new Map<string, string>();
  readonly #listeners = new Set<(status: FileStatus) => void>();
  readonly #versions = new NewestVersions();
  /** Ascending if `#sorted`. Events arrive nearly in order, so sorting is cheap and rare. */
  #places: FilePlace[] = [];
  #sorted = true;
  /** The newest evicted file. */
  #evictedUpTo: FilePlace | undefined;

  constructor(filesMax: number, nowMs: () => number = Date.now) {
    this.#filesMax = filesMax;
    this.#nowMs = nowMs;
  }

  /** Applies an event to a file. Calls the listeners synchronously if the file's state changes. */
  apply(fileId: string, change: (facts: FileFacts) => FileFacts): void {
    const before = this.#known.get(fileId);
    const after = change(before ?? noFileFacts);
    if (after === before || (!before && this.#isEvicted(fileId, after))) return;
    this.#known.set(fileId, after);
    if (fileStateOf(after) === "held") this.#held.add(fileId);
    else this.#held.delete(fileId);
    this.#trackWaiting(fileId, after, after.arrival !== undefined && !isFinal(fileStateOf(after)));
    if (after.arrival && !before?.arrival) this.#versions.note(fileId, after.arrival);
    if (after.ending && !before?.ending) this.#lastEnded.set(after.ending.commit.table, fileId);
    if (!before) this.#add(placeOf(fileId, after));
    else if (placeOf(fileId, before).receivedAtMs !== placeOf(fileId, after).receivedAtMs) this.#sorted = false;
    const moved =
      !before ||
      isNamed(before) !== isNamed(after) ||
      fileStateOf(before) !== fileStateOf(after) ||
      before.attempt?.errorCode !== after.attempt?.errorCode ||
      before.recount !== after.recount ||
      (before.progress !== after.progress && !after.ending);
    if (this.#listeners.size === 0 || !moved) return;
    const status = this.#statusOf(fileId, after);
    if (status) for (const listener of this.#listeners) listener(status);
  }

  /** Notes that a table's commits keep failing, or succeed again. */
  noteBlock(block: TableBlock): void {
    const before = this.blockOf(block.table) !== null;
    // The topics are read independently: the commit that ended the block may have been read before it.
    const isOver = block.atMs < (this.#commits.get(block.table) ?? 0);
    this.#blocks.note(isOver ? { ...block, blocked: false } : block);
    if (before === (this.blockOf(block.table) !== null) || this.#listeners.size === 0) return;
    for (const fileId of [...(this.#waiting.get(block.table)?.keys() ?? [])].slice(0, ANNOUNCED_MAX)) {
      const status = this.get(fileId);
      if (status) for (const listener of this.#listeners) listener(status);
    }
  }

  /** Why the table takes no rows; null: nothing is known to keep it from them. */
  blockOf(table: string): BlockStatus | null {
    return this.#blocks.of(table, this.#nowMs());
  }

  get(fileId: string): FileStatus | undefined {
    const facts = this.#known.get(fileId);
    return facts && this.#statusOf(fileId, facts);
  }

  /** What is known of a file version. */
  facts(fileId: string): FileFacts | undefined {
    return this.#known.get(fileId);
  }

  /** The newest version of a file, as far as the view remembers it. */
  newest(table: string, sourceFile: string): NewestVersion | undefined {
    return this.#versions.of(table, sourceFile);
  }

  /** The table was dropped at this offset: no later file repeats one that was sent before. */
  noteDrop(table: string, offset: number): void {
    this.#versions.drop(table, offset);
  }

  /** The newest version, replay or correction of its file that came after a version and did not fail. */
  newerThan(fileId: string): FileStatus | undefined {
    const arrival = this.#known.get(fileId)?.arrival;
    const newest = arrival && this.newest(arrival.table, arrival.sourceFile);
    if (!newest) return undefined;
    const { offset, repeatedAt, repetition } = newest;
    const repeated = repeatedAt > Math.max(offset, arrival.offset) ? this.get(repetition) : undefined;
    if (repeated && repeated.status !== "failed") return repeated;
    return offset > arrival.offset ? this.get(newest.fileId) : undefined;
  }

  /** The file of the table whose outcome came last. */
  lastEnded(table: string): string | undefined {
    return this.#lastEnded.get(table);
  }

  /** The file's place in the list; undefined if it is not in memory. */
  place(fileId: string): FilePlace | undefined {
    const facts = this.#known.get(fileId);
    return facts && placeOf(fileId, facts);
  }

  /** Newest first. `exhausted`: no further files exist, in memory or evicted. */
  list({ table, status, before, limit }: FileFilter): { files: FileStatus[]; exhausted: boolean } {
    const files: FileStatus[] = [];
    const places = this.#ascending();
    for (let index = places.length - 1; index >= 0; index--) {
      const { fileId } = places[index]!;
      if (before !== undefined && !isBefore(places[index]!, before)) continue;
      const facts = this.#known.get(fileId)!;
      if (table !== undefined && tableOfFile(facts) !== table) continue;
      if (status !== undefined && this.#stateOf(facts) !== status) continue;
      if (!isNamed(facts)) continue;
      if (files.length === limit) return { files, exhausted: false };
      files.push(this.#statusOf(fileId, facts)!);
    }
    return { files, exhausted: this.#evictedUpTo === undefined };
  }

  /** The files of a table that are not yet in a final state. */
  lag(table: string): { files: number; oldestReceivedAtMs: number | null } {
    const arrivals = this.#waiting.get(table);
    if (!arrivals) return { files: 0, oldestReceivedAtMs: null };
    let oldestReceivedAtMs = Infinity;
    for (const receivedAtMs of arrivals.values()) oldestReceivedAtMs = Math.min(oldestReceivedAtMs, receivedAtMs);
    return { files: arrivals.size, oldestReceivedAtMs };
  }

  /** The oldest operation of a kind on the table that is not in a final state. */
  waitingFor(table: string, operation: NonNullable<FileStatus["operation"]>): FileStatus | undefined {
    for (const fileId of this.#waiting.get(table)?.keys() ?? []) {
      if (this.#known.get(fileId)?.arrival?.operation === operation) return this.get(fileId);
    }
    return undefined;
  }

  /** By table: held files, without those that a newer committed version of the file has overtaken. */
  heldFiles(): Map<string, number> {
    const held = new Map<string, number>();
    for (const fileId of this.#held) {
      const { arrival, ending } = this.#known.get(fileId)!;
      const table = arrival?.table ?? ending?.commit.table;
      const sourceFile = arrival?.sourceFile ?? ending?.outcome.sourceFile;
      if (table === undefined || sourceFile === undefined) continue;
      const newest = this.newest(table, sourceFile);
      const later = newest && newest.fileId !== fileId ? this.#known.get(newest.fileId) : undefined;
      if (later && fileStateOf(later) === "committed") continue;
      held.set(table, (held.get(table) ?? 0) + 1);
    }
    return held;
  }

  /** Tables with files not yet in a final state. */
  waitingTables(): string[] {
    return [...this.#waiting.keys()];
  }

  noteCommit(table: string, atMs: number): void {
    this.#commits.set(table, Math.max(atMs, this.#commits.get(table) ?? 0));
    this.#blocks.noteCommit(table, atMs);
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

  #stateOf(facts: FileFacts): FileState {
    const state = fileStateOf(facts);
    const table = tableOfFile(facts);
    return state === "parsed" && table !== undefined && this.blockOf(table) ? "blocked" : state;
  }

  #statusOf(fileId: string, facts: FileFacts): FileStatus | undefined {
    const status = statusOf(fileId, facts);
    const blocked = status?.status === "parsed" ? this.blockOf(status.table) : null;
    if (status && blocked) return { ...status, status: "blocked", blocked };
    return status && { ...status, waitsFor: this.#waitedFor(status) };
  }

  /** The table's oldest file that has not ended, if it says how far it is and this one waits behind it. */
  #waitedFor({ fileId, table, status, sourceOffset }: FileStatus): FileStatus["waitsFor"] {
    if (status !== "received" && status !== "parsed") return null;
    const [oldest] = this.#waiting.get(table)?.keys() ?? [];
    const facts = oldest === undefined || oldest === fileId ? undefined : this.#known.get(oldest);
    const head = facts?.arrival && facts.arrival.offset < (sourceOffset ?? 0) ? statusOf(oldest!, facts) : undefined;
    if (!head?.progress) return null;
    return { fileId: head.fileId, sourceFile: head.sourceFile, progress: head.progress };
  }

  /** Whether an event concerns an evicted file. A file event is read once, so its file is new. */
  #isEvicted(fileId: string, facts: FileFacts): boolean {
    if (!this.#evictedUpTo || facts.arrival) return false;
    return !isBefore(this.#evictedUpTo, { ...placeOf(fileId, facts), fileId });
  }

  #add(place: FilePlace): void {
    this.#sorted &&= this.#places.length === 0 || isBefore(this.#places.at(-1)!, place);
    this.#places.push(place);
    if (this.#places.length > this.#filesMax * SLACK) this.#evict(this.#places.length - this.#filesMax);
  }

  #evict(count: number): void {
    const oldest = this.#ascending().splice(0, count);
    for (const { fileId } of oldest) {
      const facts = this.#known.get(fileId)!;
      this.#trackWaiting(fileId, facts, false);
      if (facts.arrival) this.#versions.forget(fileId, facts.arrival);
      this.#known.delete(fileId);
      this.#held.delete(fileId);
    }
    const newest = oldest.at(-1)!;
    if (!this.#evictedUpTo || isBefore(this.#evictedUpTo, newest)) this.#evictedUpTo = newest;
  }

  #ascending(): FilePlace[] {
    if (!this.#sorted) {
      for (const place of this.#places) {
        place.receivedAtMs = placeOf(place.fileId, this.#known.get(place.fileId)!).receivedAtMs;
      }
      this.#places.sort((a, b) => (isBefore(a, b) ? -1 : 1));
    }
    this.#sorted = true;
    return this.#places;
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

/** The time of arrival; until it is known, the time in the id, or that of the first event. */
function placeOf(fileId: string, facts: FileFacts): FilePlace {
  const receivedAtMs = receivedAtMsOf(facts) ?? timeInId(fileId) ?? facts.startedAtMs ?? facts.parse?.atMs ?? 0;
  return { receivedAtMs, fileId };
}

/** A UUID v7 begins with its time in milliseconds. */
const timeInId = (fileId: string): number | undefined =>
  isDerivedFileId(fileId) ? undefined : parseInt(fileId.slice(0, 8) + fileId.slice(9, 13), 16);

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
