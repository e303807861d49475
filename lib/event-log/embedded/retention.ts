import { setImmediate as nextTurn } from "node:timers/promises";
import { readersOf } from "../../messages/topics.ts";
import { storedBytes } from "./records.ts";
import type { EmbeddedStore, StoredPartition, StoredTopic } from "./store.ts";
import type { LogRecord } from "../event-log.ts";

/**
 * How long a tombstone (an empty value) stays visible, so that slow tails see the deletion. Kafka's default.
 */
export const TOMBSTONE_MS = 24 * 60 * 60 * 1000;

const CHUNK_BYTES = 1024 * 1024;

/** Deletes old records of one topic as its specification requires. `next` never changes. */
export async function applyTopicRetention(store: EmbeddedStore, topic: StoredTopic, nowMs: number): Promise<void> {
  for (const partition of topic.partitions) {
    if (topic.spec.cleanup === "compact") await compact(store, partition, nowMs);
    else await deleteOld(store, topic, partition, nowMs);
  }
}

/** Removes records beyond the topic's age or size that each of its readers has acked. */
async function deleteOld(store: EmbeddedStore, { spec }: StoredTopic, partition: StoredPartition, nowMs: number) {
  const { retentionMs = Infinity, retentionBytes = Infinity } = spec;
  const unread = Math.min(...readersOf(spec.name).map((group) => store.acked(group, partition) ?? 0), Infinity);
  for (;;) {
    const { earliest, next, bytes } = partition.durable;
    const { records } = store.scan(partition, earliest, next, CHUNK_BYTES);
    let kept = bytes;
    const isOld = (record: LogRecord): boolean => {
      if (record.offset >= unread) return false;
      if (record.timestampMs >= nowMs - retentionMs && kept <= retentionBytes) return false;
      kept -= storedBytes(record);
      return true;
    };
    const firstKept = records.findIndex((record) => !isOld(record));
    const old = firstKept < 0 ? records : records.slice(0, firstKept);
    if (old.length === 0) return;
    await store.remove(partition, old, old.at(-1)!.offset + 1);
    await nextTurn();
  }
}

/** The result of a partition's last compaction, from which `isWorthwhile` decides about the next one. */
interface Compacted {
  next: number;
  kept: number;
  oldestTombstoneMs: number;
}

const compacted = new WeakMap<StoredPartition, Compacted>();

function isWorthwhile(last: Compacted | undefined, next: number, nowMs: number): boolean {
  if (!last) return true;
  const grown = next - last.next;
  return (grown > 0 && grown >= last.kept / 2) || last.oldestTombstoneMs < nowMs - TOMBSTONE_MS;
}

/**
 * Keeps the newest record of each key, deletes tombstones after TOMBSTONE_MS and keeps records without a key.
 */
async function compact(store: EmbeddedStore, partition: StoredPartition, nowMs: number): Promise<void> {
  const { earliest, next } = partition.durable;
  if (!isWorthwhile(compacted.get(partition), next, nowMs)) return;
  const newest = new Map<string, number>();
  await scanAll(store, partition, earliest, next, (records) => {
    for (const { key, offset } of records) if (key !== null) newest.set(key, offset);
  });
  const isTombstone = ({ key, value }: LogRecord): boolean => key !== null && value.length === 0;
  const isDeletable = (record: LogRecord): boolean =>
    (record.key !== null && newest.get(record.key)! > record.offset) ||
    (isTombstone(record) && record.timestampMs < nowMs - TOMBSTONE_MS);
  const left: Compacted = { next, kept: 0, oldestTombstoneMs: Infinity };
  await scanAll(store, partition, earliest, next, async (records) => {
    const deleted = records.filter(isDeletable);
    const kept = records.filter((record) => !isDeletable(record));
    left.kept += kept.length;
    for (const record of kept.filter(isTombstone)) {
      left.oldestTombstoneMs = Math.min(left.oldestTombstoneMs, record.timestampMs);
    }
    if (deleted.length > 0) await store.remove(partition, deleted, earliest);
  });
  compacted.set(partition, left);
}

async function scanAll(
  store: EmbeddedStore,
  partition: StoredPartition,
  from: number,
  to: number,
  each: (records: LogRecord[]) => void | Promise<void>,
): Promise<void> {
  for (let at = from; at < to;) {
    const { records, nextOffset } = store.scan(partition, at, to, CHUNK_BYTES);
    await each(records);
    at = nextOffset;
    await nextTurn();
  }
}
