import { setMaxListeners } from "node:events";
import type { BlobInfo, BlobStore, SkippedCause } from "../../../lib/blob/blob-store.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { Contracts } from "../../../lib/contract/contract.ts";
import { codeOf, hasCode, isRetryable, messageOf } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { GatewayMetrics } from "../metrics.ts";
import { withCharset } from "../http/parameters.ts";
import type { Ingest } from "../ingest/ingest.ts";
import { readDropKey } from "./keys.ts";
import { derivedFileId } from "../../../lib/file-id.ts";
import { fileOf } from "../files/newest-versions.ts";
import { Deletions } from "./deletions.ts";
import type { DropFileEvent, DropMemory } from "./memory.ts";
import { makeKeyedQueue, type KeyedQueue } from "./keyed-queue.ts";
import { backoffMs, FailedVersions } from "./failures.ts";
import { byAge, isSame, type Task } from "./task.ts";
import { CAUSES, ON_PURPOSE, SkippedObjects, type SkippedObject } from "./skipped.ts";
import { readState, type DropState } from "./state.ts";

export interface DropsOptions {
  /** Store with objects `<table>/<file>.csv`. */
  drops: BlobStore;
  log: EventLog;
  ingest: Pick<Ingest, "put" | "deleted">;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  metrics: Pick<GatewayMetrics, "throughput" | "dropsHeld" | "dropsUnfit" | "dropsSkipped">;
  /** Time between two listings. Default: 5 s for object stores, 500 ms for a folder. */
  pollMs?: number;
  /** A file in a folder counts as complete after this long without a change. Default 1 s. */
  settleMs?: number;
  /** Tables whose files are ingested concurrently, those of one table in order. Default 8. */
  concurrentTablesMax?: number;
  /** Deletions of more than this share of a folder's objects at once are held; 100: none. Default 50. */
  deletionsPercentMax?: number;
}

const POLL_MS_OBJECTS = 5_000;
const POLL_MS_FOLDER = 500;
const SETTLE_MS = 1_000;
const CONCURRENT_TABLES_MAX = 8;
/** Queued tasks at most; a later listing finds the others again. */
const TASKS_MAX = 10_000;
/** Objects of triggers that wait to be checked by name; beyond, a trigger starts a listing. */
const TRIGGERED_KEYS_MAX = 1_000;
const DELETIONS_PERCENT_MAX = 50;
/** Objects of one listing whose revision is added to records of earlier versions, which have none. */
const RENEWED_MAX = 1_000;

/**
 * Watches the drop store from the assignment to this gateway until `signal` aborts.
 *
 * States of a key: seen → (in a folder: unchanged for `settleMs`) → queued for its table → ingested and
 * recorded in the memory. A failed version is retried with backoff, or never if the failure is not retryable.
 * A new version starts again. A key that is missing from two complete listings is deleted, unless too many
 * of its folder are (deletions.ts). If several keys mean the same file of the same table, the first one that
 * was ingested is the file and the others are unfit, until it is deleted.
 */
export class DropWatch {
  readonly #options: DropsOptions;
  readonly #memory: DropMemory;
  readonly #signal: AbortSignal;
  readonly #confirm: () => Promise<void>;
  readonly #queue: KeyedQueue<Task>;
  readonly #settleMs: number;
  /** Keys of queued and running tasks. */
  readonly #queued = new Set<string>();
  /** By `fileOf`: the key of the file's queued or running task. */
  readonly #claims = new Map<string, string>();
  /** New versions in a folder, and since when they are unchanged (monotonic). */
  readonly #unsettled = new Map<string, { version: BlobInfo; sinceMs: number; listing: number }>();
  readonly #failed = new FailedVersions();
  readonly #deletions: Deletions;
  readonly #skipped = new SkippedObjects();
  /** Files with a key in the current listing beside the ingested one. */
  #contested = new Set<string>();
  #renewed = 0;
  /** Number of the listing. State of keys that a complete listing lacks is dropped. */
  #listing = 0;
  /** False while file events without a drop event may exist. */
  #recalled = false;
  #wake: () => void = () => undefined;
  /** Keys of triggers that are not checked yet. */
  readonly #triggered = new Set<string>();
  #checking: Promise<void> | undefined;

  /** `confirm` throws if another gateway owns the watch now. */
  constructor(options: DropsOptions, memory: DropMemory, signal: AbortSignal, confirm: () => Promise<void>) {
    this.#options = options;
    this.#memory = memory;
    this.#signal = signal;
    this.#confirm = confirm;
    this.#settleMs = options.drops.supports.atomicForeignWrites ? 0 : (options.settleMs ?? SETTLE_MS);
    const percentMax = options.deletionsPercentMax ?? DELETIONS_PERCENT_MAX;
    this.#deletions = new Deletions({ percentMax, settleMs: this.#settleMs });
    this.#queue = makeKeyedQueue(options.concurrentTablesMax ?? CONCURRENT_TABLES_MAX, (task) => this.#process(task));
    // Each running read adds a listener.
    setMaxListeners(0, signal);
    signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  /** Polls until the signal aborts, then waits for running tasks. */
  async run(): Promise<void> {
    const { drops, clock, logger, metrics } = this.#options;
    const pollMs = this.#options.pollMs ?? (drops.supports.atomicForeignWrites ? POLL_MS_OBJECTS : POLL_MS_FOLDER);
    for (let failures = 0; !this.#signal.aborted;) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      const startMs = clock.monotonicMs();
      try {
        await this.#list();
        if (failures > 0) logger.info("drop store can be listed again");
        failures = 0;
      } catch (error) {
        if (this.#signal.aborted) break;
        if (failures++ === 0) {
          logger.warn({ detail: messageOf(error) }, "cannot list the drop store, retrying");
          await this.#publishFault(messageOf(error));
        }
        metrics.throughput.error(codeOf(error));
      }
      // Pause at least as long as the listing took, so that ingesting gets half of the time.
      const pauseMs = failures === 0 ? clock.monotonicMs() - startMs : backoffMs(failures);
      await clock.sleep(Math.max(pollMs, pauseMs), woken.signal);
    }
    await Promise.all([this.#checking, this.#queue.stop()]);
  }

  /** See DropPoller. */
  trigger(keys?: readonly string[]): void {
    const room = TRIGGERED_KEYS_MAX - this.#triggered.size;
    const named = keys !== undefined && keys.length <= room && this.#settleMs === 0 && this.#recalled;
    if (!named) return this.#wake();
    for (const key of keys) this.#triggered.add(key);
    this.#check();
  }

  #check(): void {
    this.#checking ??= this.#checkTriggered().finally(() => {
      this.#checking = undefined;
      if (this.#triggered.size > 0 && !this.#signal.aborted) this.#check();
    });
  }

  async #checkTriggered(): Promise<void> {
    for (const key of this.#triggered) {
      if (this.#signal.aborted) return;
      this.#triggered.delete(key);
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
    await this.#memory.recall();
    this.#recalled = true;
    this.#listing++;
    this.#contested = new Set();
    this.#skipped.begin();
    this.#renewed = 0;
    const seen = new Set<string>();
    const found: Task[] = [];
    const room = TASKS_MAX - this.#queue.size;
    const unlisted = new Map(this.#memory.fileEvents);
    const onSkipped = (key: string, kind: SkippedCause): void => this.#skip({ key, kind, reason: CAUSES[kind] });
    for await (const version of drops.list("", { signal: this.#signal, onSkipped })) {
      if (unlisted.size > 0) this.#removeListed(unlisted, version.key);
      if (this.#memory.taken.has(version.key)) seen.add(version.key);
      const task = await this.#examine(version);
      if (task && found.length < room) found.push(task);
    }
    await this.#recordUnlisted(unlisted);
    this.#memory.fileEvents.clear();
    for (const [key, { listing }] of this.#unsettled)
      if (listing !== this.#listing && !this.#queued.has(key)) this.#unsettled.delete(key);
    this.#failed.keepSince(this.#listing, this.#queued);
    found.push(...(await this.#findDeletions(seen)));
    for (const task of found.sort(byAge)) this.#enqueue(task);
    await this.#publishState();
    await this.#memory.forget();
  }

  /** The task for a version; undefined if it is ingested, queued, unsettled or waiting for a retry. */
  async #examine(version: BlobInfo): Promise<Task | undefined> {
    const { key } = version;
    if (this.#queued.has(key)) return undefined;
    const target = readDropKey(key, this.#options.contracts);
    if (target.kind === "skipped") this.#skip({ key, kind: target.why, reason: target.reason });
    if (target.kind !== "file") return undefined;
    const { table, sourceFile } = target;
    const file = fileOf(table, sourceFile);
    if (this.#isContested(file, key)) return undefined;
    const taken = this.#memory.taken.get(key);
    const event = this.#memory.fileEvents.get(file);
    const isForeign = event !== undefined && event.fileId !== taken?.fileId;
    if (isForeign && event.kind === "put" && event.etag === version.etag) {
      await this.#record(version, event.fileId);
      return undefined;
    }
    const isTaken = taken !== undefined && isSame(taken, version) && this.#memory.owners.get(file) === key;
    if (isTaken && version.revision && !taken.revision && this.#renewed++ < RENEWED_MAX) {
      await this.#record(version, taken.fileId);
    }
    // A gateway that had lost the watch published an older version, or a deletion, over this one.
    const isCovered = isForeign && this.#options.contracts.of(table).writeMode !== "append";
    if (isTaken && !isCovered) return undefined;
    if (!this.#isSettled(version)) return undefined;
    const failure = this.#failed.pending(version, this.#options.clock.monotonicMs(), this.#listing);
    if (failure) {
      this.#skipped.note({ key, kind: "failed", reason: failure.reason }, this.#listing);
      return undefined;
    }
    const predecessor = isTaken && isForeign ? event.fileId : this.#memory.predecessor(key);
    const fileId = derivedFileId("drop", file, key, version.etag, predecessor);
    return { table, sourceFile, key, version, fileId, before: taken?.fileId };
  }

  /** Whether another key is the file's object. Reports this key as unfit then. */
  #isContested(file: string, key: string): boolean {
    const owner = this.#memory.owners.get(file) ?? this.#claims.get(file);
    if (owner === undefined || owner === key) return false;
    this.#contested.add(file);
    const reason = `'${owner}' is the same file of the same table: rename one of them, or delete it`;
    this.#skip({ key, kind: "duplicate", reason });
    return true;
  }

  #removeListed(files: Map<string, DropFileEvent>, key: string): void {
    const target = readDropKey(key, this.#options.contracts);
    if (target.kind === "file") files.delete(fileOf(target.table, target.sourceFile));
  }

  /**
   * Records ingested versions without a drop event whose objects are missing, so that their deletion is
   * detected.
   */
  async #recordUnlisted(files: ReadonlyMap<string, DropFileEvent>): Promise<void> {
    if (files.size === 0) return;
    const recorded = new Set([...this.#memory.taken.values()].map(({ fileId }) => fileId));
    for (const [file, { kind, etag, sizeBytes, fileId }] of files) {
      if (kind !== "put" || etag === null || recorded.has(fileId)) continue;
      await this.#record({ key: file, etag, sizeBytes }, fileId);
    }
  }

  #skip(object: SkippedObject): void {
    if (!this.#skipped.note(object, this.#listing)) return;
    const { logger, metrics } = this.#options;
    if (ON_PURPOSE.has(object.kind)) return logger.info({ ...object }, "skipping hidden or unfinished object");
    metrics.throughput.dropped("drop_unfit");
    logger.warn({ ...object }, "skipping unfit object: rename or move it");
  }

  #isSettled(version: BlobInfo): boolean {
    if (this.#settleMs === 0) return true;
    const nowMs = this.#options.clock.monotonicMs();
    const before = this.#unsettled.get(version.key);
    const sinceMs = before && isSame(before.version, version) ? before.sinceMs : nowMs;
    this.#unsettled.set(version.key, { version, sinceMs, listing: this.#listing });
    return sinceMs < nowMs && nowMs - sinceMs >= this.#settleMs;
  }

  /** Deletions of known objects. Of a file with another key in the store, only the key is forgotten. */
  async #findDeletions(seen: ReadonlySet<string>): Promise<Task[]> {
    const deletions: Task[] = [];
    for (const key of this.#deletions.after(this.#memory.taken, seen, this.#options.clock.monotonicMs())) {
      if (this.#queued.has(key)) continue;
      const target = readDropKey(key, this.#options.contracts);
      if (target.kind !== "file") continue;
      const { table, sourceFile } = target;
      const file = fileOf(table, sourceFile);
      const { etag, sizeBytes, fileId } = this.#memory.taken.get(key)!;
      if (this.#contested.has(file) || this.#memory.owners.get(file) !== key) {
        await this.#memory.record({ objectKey: key, etag, sizeBytes, fileId, deleted: true });
        continue;
      }
      const id = derivedFileId("gone", file, key, fileId);
      deletions.push({ table, sourceFile, key, version: "gone", fileId: id, before: fileId });
    }
    return deletions;
  }

  /** Tells all gateways what is held and what is unfit, if that has changed; applies their confirmations. */
  async #publishState(): Promise<void> {
    const { metrics, logger } = this.#options;
    const before = readState(this.#memory.state);
    const { confirmation } = this.#memory;
    let { confirmedUpTo } = before;
    if (confirmation && confirmation.offset > confirmedUpTo) {
      confirmedUpTo = confirmation.offset;
      const { folder, missing } = confirmation;
      const done = this.#deletions.confirm(folder, missing);
      logger.warn({ folder, missing, done }, "confirmation of deletions received");
      if (done) this.#wake();
    }
    const held = this.#deletions.held.map((one) => ({ ...one }));
    this.#skipped.keepSince(this.#listing);
    const state: DropState = { held, ...this.#skipped.summary(), fault: null, confirmedUpTo };
    metrics.dropsHeld.set(held.reduce((sum, { missing }) => sum + missing, 0));
    metrics.dropsUnfit.set(state.unfitCount);
    for (const [reason, count] of this.#skipped.counts()) metrics.dropsSkipped.set({ reason }, count);
    for (const { folder, missing, known } of held) {
      if (before.held.some((one) => one.folder === folder)) continue;
      logger.error(
        { folder, missing, known },
        "many dropped objects are missing at once, deleting nothing: confirm the deletion, or bring them back",
      );
    }
    const json = JSON.stringify(state);
    if (json !== JSON.stringify(before)) await this.#memory.publishState(json);
  }

  /** Tells all gateways why the store cannot be listed; without the log, too, the log line has to do. */
  async #publishFault(fault: string): Promise<void> {
    const json = JSON.stringify({ ...readState(this.#memory.state), fault });
    await this.#memory.publishState(json).catch(() => undefined);
  }

  #enqueue(task: Task): void {
    const file = fileOf(task.table, task.sourceFile);
    // A trigger may have ingested a version during the listing.
    const isOutdated = this.#memory.taken.get(task.key)?.fileId !== task.before;
    if (isOutdated || this.#queued.has(task.key) || this.#claims.has(file) || this.#signal.aborted) return;
    this.#queued.add(task.key);
    this.#claims.set(file, task.key);
    this.#queue.add(task.table, task);
  }

  async #process(task: Task): Promise<void> {
    const { key, version } = task;
    try {
      await (version === "gone" ? this.#ingestDeletion(task) : this.#ingestVersion(task, version));
      this.#failed.delete(key);
    } catch (error) {
      if (!this.#signal.aborted) this.#recordFailure(task, error);
    } finally {
      this.#queued.delete(key);
      this.#claims.delete(fileOf(task.table, task.sourceFile));
      this.#unsettled.delete(key);
    }
  }

  async #ingestVersion({ table, sourceFile, key, fileId: id }: Task, { etag }: BlobInfo): Promise<void> {
    const { drops, ingest, logger } = this.#options;
    if (!key.startsWith(`${table}/`)) logger.info({ key, table }, "folder is no table name, using the nearest");
    const { body, info } = await drops.get(key, { ifMatch: etag, signal: this.#signal });
    try {
      const about = { table, sourceFile, etag, dialect: withCharset({}, info.charset), fileId: id };
      const sent = { origin: "drop", body, sizeBytes: info.sizeBytes, confirm: this.#confirm } as const;
      await this.#record(info, (await ingest.put({ ...about, ...sent })).fileId);
    } finally {
      // The ingest may have refused the file before reading its body.
      body.destroy();
    }
  }

  async #ingestDeletion({ table, sourceFile, key, fileId: id }: Task): Promise<void> {
    const { drops, ingest } = this.#options;
    const taken = this.#memory.taken.get(key);
    if (!taken || (await drops.head(key))) return;
    const { etag, sizeBytes } = taken;
    const deletion = { table, sourceFile, origin: "drop", etag, fileId: id } as const;
    const { fileId } = await ingest.deleted({ ...deletion, confirm: this.#confirm });
    await this.#memory.record({ objectKey: key, etag, sizeBytes, fileId, deleted: true });
  }

  async #record({ key, etag, sizeBytes, revision }: Omit<BlobInfo, "modifiedAtMs">, fileId: string): Promise<void> {
    await this.#memory.record({ objectKey: key, etag, sizeBytes, revision, fileId, deleted: false });
  }

  #recordFailure({ key, version }: Task, error: unknown): void {
    const { clock, logger, metrics } = this.#options;
    const code = codeOf(error);
    // The log may contain the file event without its drop event.
    this.#recalled = false;
    if (version === "gone" || ["BLOB_NOT_FOUND", "BLOB_CHANGED"].includes(code)) {
      logger.debug({ key, detail: messageOf(error) }, "object changed during its ingest, checking it again");
      return;
    }
    metrics.throughput.error(code);
    const retries = isRetryable(error);
    const next = retries ? "retrying" : "skipping it until it changes";
    const reason = `${code}: ${messageOf(error)} (${next})`;
    const why = { reason, retries, nowMs: clock.monotonicMs(), listing: this.#listing };
    const failures = this.#failed.add(version, why);
    if (failures === 1) logger.warn({ key, code, detail: messageOf(error) }, `cannot ingest dropped object, ${next}`);
  }
}
