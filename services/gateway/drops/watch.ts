import { setMaxListeners } from "node:events";
import type { BlobInfo, BlobStore } from "../../../lib/blob/blob-store.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { Contracts } from "../../../lib/contract/contract.ts";
import { codeOf, hasCode, isRetryable, messageOf } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { ThroughputMetrics } from "../../../lib/process/metrics.ts";
import type { Ingest } from "../ingest/ingest.ts";
import { readDropKey } from "./keys.ts";
import { fileOf, type DropFileEvent, type DropMemory } from "./memory.ts";
import { makeKeyedQueue, type KeyedQueue } from "./keyed-queue.ts";

export interface DropsOptions {
  /** Holds `<table>/<file>.csv`. */
  drops: BlobStore;
  log: EventLog;
  ingest: Pick<Ingest, "put" | "deleted">;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  metrics: { throughput: ThroughputMetrics };
  /** Time between two listings. Default: 5 s for object stores, 500 ms for a folder. */
  pollMs?: number;
  /** In a folder, a file that looked the same for so long is taken for whole. Default 1 s. */
  settleMs?: number;
  /** Tables that files are taken for at the same time; of one table, one file after the other. Default 8. */
  tablesAtOnce?: number;
}

/** A version of an object that is to be taken, or an object that is gone. */
interface Task {
  table: string;
  sourceFile: string;
  key: string;
  version: BlobInfo | "gone";
}

const POLL_MS_OBJECTS = 5_000;
const POLL_MS_FOLDER = 500;
const SETTLE_MS = 1_000;
const TABLES_AT_ONCE = 8;
/** Tasks that wait at most; what is found beyond is found again by a later listing. */
const TASKS_MAX = 10_000;
/** Named objects of one poke; more are looked for by listing. */
const POKED_KEYS_MAX = 1_000;
/** Unfit keys remembered, so that each is told once. */
const UNFIT_MAX = 10_000;
const BACKOFF_MS_MIN = 1_000;
const BACKOFF_MS_MAX = 60_000;

const backoffMs = (failures: number): number => Math.min(BACKOFF_MS_MIN * 2 ** (failures - 1), BACKOFF_MS_MAX);

/**
 * The watch over the drop store, from when this gateway gets it until `signal` aborts.
 *
 * A key goes: seen → (in a folder: seen the same again, `settleMs` later) → waiting in its table's lane → taken, which the memory
 * then knows. A version that could not be taken is tried again after a growing pause, or never if the failure is the file's own; a
 * new version starts afresh. A key that two complete listings lack is gone.
 */
export class DropWatch {
  readonly #options: DropsOptions;
  readonly #memory: DropMemory;
  readonly #signal: AbortSignal;
  readonly #lanes: KeyedQueue<Task>;
  readonly #settleMs: number;
  /** Keys in the lanes. */
  readonly #busy = new Set<string>();
  /** New versions in a folder, and since when they look like that. */
  readonly #unsettled = new Map<string, { version: BlobInfo; sinceMs: number; listing: number }>();
  /** Versions that could not be taken. */
  readonly #troubles = new Map<string, { version: BlobInfo; failures: number; retryAtMs: number; listing: number }>();
  /** Known keys that the last complete listing lacked, and since when. */
  #missing = new Map<string, number>();
  readonly #unfit = new Set<string>();
  /** Counts them: what a complete listing did not touch is forgotten. */
  #listing = 0;
  /** False while there may be file events that lack their drop event. */
  #recalled = false;
  #wake: () => void = () => undefined;
  #poked: Promise<void> = Promise.resolve();

  constructor(options: DropsOptions, memory: DropMemory, signal: AbortSignal) {
    this.#options = options;
    this.#memory = memory;
    this.#signal = signal;
    this.#settleMs = options.drops.supports.atomicForeignWrites ? 0 : (options.settleMs ?? SETTLE_MS);
    this.#lanes = makeKeyedQueue(options.tablesAtOnce ?? TABLES_AT_ONCE, (task) => this.#take(task));
    // Every object that is being read listens too.
    setMaxListeners(0, signal);
    signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  /** Polls until the signal aborts, then waits for what runs. */
  async run(): Promise<void> {
    const { drops, clock, logger, metrics } = this.#options;
    const pollMs = this.#options.pollMs ?? (drops.supports.atomicForeignWrites ? POLL_MS_OBJECTS : POLL_MS_FOLDER);
    for (let failures = 0; !this.#signal.aborted;) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      const startMs = clock.monotonicMs();
      try {
        await this.#list();
        if (failures > 0) logger.info("the drops can be listed again");
        failures = 0;
      } catch (error) {
        if (this.#signal.aborted) break;
        if (failures++ === 0) logger.warn({ detail: messageOf(error) }, "the drops cannot be listed; trying again");
        metrics.throughput.error(codeOf(error));
      }
      // Listing, however long it takes, is not to be all that is done.
      const pauseMs = failures === 0 ? clock.monotonicMs() - startMs : backoffMs(failures);
      await clock.sleep(Math.max(pollMs, pauseMs), woken.signal);
    }
    await Promise.all([this.#poked, this.#lanes.stop()]);
  }

  /** See DropPoller. */
  trigger(keys?: readonly string[]): void {
    const named = keys !== undefined && keys.length <= POKED_KEYS_MAX && this.#settleMs === 0 && this.#recalled;
    if (!named) return this.#wake();
    this.#poked = this.#poked.then(() => this.#lookAt(keys));
  }

  async #lookAt(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      if (this.#signal.aborted) return;
      if (readDropKey(key, this.#options.contracts).kind !== "file") continue;
      try {
        const version = await this.#options.drops.head(key);
        const task = version && (await this.#examine(version));
        if (task) this.#enqueue(task);
        if (!version) this.#wake();
      } catch (error) {
        if (!hasCode(error, "BLOB_KEY_INVALID")) this.#wake();
      }
    }
  }

  async #list(): Promise<void> {
    const { drops } = this.#options;
    if (!this.#recalled) await this.#memory.recall();
    this.#recalled = true;
    this.#listing++;
    const seen = new Set<string>();
    const found: Task[] = [];
    const room = TASKS_MAX - this.#lanes.size;
    const unlisted = new Map(this.#memory.fileEvents);
    for await (const version of drops.list("", { signal: this.#signal })) {
      if (unlisted.size > 0) this.#strike(unlisted, version.key);
      if (this.#memory.taken.has(version.key)) seen.add(version.key);
      const task = await this.#examine(version);
      if (task && found.length < room) found.push(task);
    }
    await this.#recordUnlisted(unlisted);
    this.#memory.fileEvents.clear();
    for (const trace of [this.#unsettled, this.#troubles]) {
      for (const [key, { listing }] of trace) if (listing !== this.#listing && !this.#busy.has(key)) trace.delete(key);
    }
    found.push(...this.#gone(seen));
    for (const task of found.sort(byAge)) this.#enqueue(task);
  }

  /** What there is to do about a version: nothing, if it was taken, waits, has to settle or pauses after a failure. */
  async #examine(version: BlobInfo): Promise<Task | undefined> {
    const { key } = version;
    const taken = this.#memory.taken.get(key);
    if ((taken && isSame(taken, version)) || this.#busy.has(key)) return undefined;
    const target = readDropKey(key, this.#options.contracts);
    if (target.kind === "unfit") this.#tellUnfit(key, target.reason);
    if (target.kind !== "file") return undefined;
    const event = this.#memory.fileEvents.get(fileOf(target.table, target.sourceFile));
    if (event?.kind === "put" && event.etag === version.etag && event.fileId > (taken?.fileId ?? "")) {
      await this.#record(version, event.fileId);
      return undefined;
    }
    if (!this.#isSettled(version) || this.#isPausing(version)) return undefined;
    return { table: target.table, sourceFile: target.sourceFile, key, version };
  }

  #strike(files: Map<string, DropFileEvent>, key: string): void {
    const target = readDropKey(key, this.#options.contracts);
    if (target.kind === "file") files.delete(fileOf(target.table, target.sourceFile));
  }

  /** Makes up for the drop events of versions that were taken without one and whose objects are gone: else nobody would miss them. */
  async #recordUnlisted(files: ReadonlyMap<string, DropFileEvent>): Promise<void> {
    if (files.size === 0) return;
    const recorded = new Set([...this.#memory.taken.values()].map(({ fileId }) => fileId));
    for (const [file, { kind, etag, sizeBytes, fileId }] of files) {
      if (kind !== "put" || etag === null || recorded.has(fileId)) continue;
      await this.#record({ key: file, etag, sizeBytes }, fileId);
    }
  }

  #tellUnfit(key: string, reason: string): void {
    if (this.#unfit.has(key)) return;
    if (this.#unfit.size >= UNFIT_MAX) this.#unfit.clear();
    this.#unfit.add(key);
    this.#options.metrics.throughput.dropped("drop_unfit");
    this.#options.logger.warn({ key, reason }, "a dropped object is left alone");
  }

  #isSettled(version: BlobInfo): boolean {
    if (this.#settleMs === 0) return true;
    const nowMs = this.#options.clock.monotonicMs();
    const before = this.#unsettled.get(version.key);
    const sinceMs = before && isSame(before.version, version) ? before.sinceMs : nowMs;
    this.#unsettled.set(version.key, { version, sinceMs, listing: this.#listing });
    return sinceMs < nowMs && nowMs - sinceMs >= this.#settleMs;
  }

  #isPausing(version: BlobInfo): boolean {
    const trouble = this.#troubles.get(version.key);
    if (!trouble) return false;
    trouble.listing = this.#listing;
    return isSame(trouble.version, version) && this.#options.clock.monotonicMs() < trouble.retryAtMs;
  }

  /** Known objects that this complete listing and the one before lacked (in a folder: for the time to settle). */
  #gone(seen: ReadonlySet<string>): Task[] {
    const nowMs = this.#options.clock.monotonicMs();
    const missing = new Map<string, number>();
    const gone: Task[] = [];
    for (const key of this.#memory.taken.keys()) {
      if (seen.has(key) || this.#busy.has(key)) continue;
      const sinceMs = this.#missing.get(key);
      missing.set(key, sinceMs ?? nowMs);
      if (sinceMs === undefined || nowMs - sinceMs < this.#settleMs) continue;
      const target = readDropKey(key, this.#options.contracts);
      if (target.kind === "file")
        gone.push({ table: target.table, sourceFile: target.sourceFile, key, version: "gone" });
    }
    this.#missing = missing;
    return gone;
  }

  #enqueue(task: Task): void {
    const taken = this.#memory.taken.get(task.key);
    // A poke may have brought it in while the listing went on.
    const done = task.version !== "gone" && taken !== undefined && isSame(taken, task.version);
    if (done || this.#busy.has(task.key) || this.#signal.aborted) return;
    this.#busy.add(task.key);
    this.#lanes.add(task.table, task);
  }

  async #take(task: Task): Promise<void> {
    const { key, version } = task;
    try {
      await (version === "gone" ? this.#takeGone(task) : this.#takeVersion(task, version));
      this.#troubles.delete(key);
    } catch (error) {
      if (!this.#signal.aborted) this.#noteTrouble(task, error);
    } finally {
      this.#busy.delete(key);
      this.#unsettled.delete(key);
    }
  }

  async #takeVersion({ table, sourceFile, key }: Task, { etag }: BlobInfo): Promise<void> {
    const { drops, ingest } = this.#options;
    const { body, info } = await drops.get(key, { ifMatch: etag, signal: this.#signal });
    const { sizeBytes } = info;
    try {
      const { fileId } = await ingest.put({ table, sourceFile, origin: "drop", body, sizeBytes, etag });
      await this.#record(info, fileId);
    } finally {
      // It may have been refused before it was read.
      body.destroy();
    }
  }

  async #takeGone({ table, sourceFile, key }: Task): Promise<void> {
    const { drops, ingest } = this.#options;
    const taken = this.#memory.taken.get(key);
    if (!taken || (await drops.head(key))) return;
    const { etag, sizeBytes } = taken;
    const { fileId } = await ingest.deleted({ table, sourceFile, origin: "drop", etag });
    await this.#memory.record({ objectKey: key, etag, sizeBytes, fileId, deleted: true });
  }

  async #record({ key, etag, sizeBytes }: Pick<BlobInfo, "key" | "etag" | "sizeBytes">, fileId: string): Promise<void> {
    await this.#memory.record({ objectKey: key, etag, sizeBytes, fileId, deleted: false });
  }

  #noteTrouble({ key, version }: Task, error: unknown): void {
    const { clock, logger, metrics } = this.#options;
    const code = codeOf(error);
    // Its file event may be in the log by now, and its drop event not.
    this.#recalled = false;
    if (version === "gone" || ["BLOB_NOT_FOUND", "BLOB_CHANGED"].includes(code)) {
      logger.debug({ key, detail: messageOf(error) }, "a dropped object changed while it was taken; looking again");
      return;
    }
    metrics.throughput.error(code);
    const before = this.#troubles.get(key);
    const failures = before && isSame(before.version, version) ? before.failures + 1 : 1;
    const retryAtMs = isRetryable(error) ? clock.monotonicMs() + backoffMs(failures) : Infinity;
    this.#troubles.set(key, { version, failures, retryAtMs, listing: this.#listing });
    const next = retryAtMs === Infinity ? "it is left alone until it changes" : "it is tried again";
    if (failures === 1) logger.warn({ key, code, detail: messageOf(error) }, `a dropped object was not taken; ${next}`);
  }
}

const isSame = (a: Pick<BlobInfo, "etag" | "sizeBytes">, b: Pick<BlobInfo, "etag" | "sizeBytes">): boolean =>
  a.etag === b.etag && a.sizeBytes === b.sizeBytes;

/** Oldest first, so that of several files with one key the newest wins; equally old ones by name; gone ones last. */
function byAge(a: Task, b: Task): number {
  const ageOf = ({ version }: Task): number => (version === "gone" ? Infinity : version.modifiedAtMs);
  if (ageOf(a) !== ageOf(b)) return ageOf(a) < ageOf(b) ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}
