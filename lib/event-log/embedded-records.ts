import type { Place } from "./assignment.ts";
import type { LogRecord } from "./event-log.ts";

const HEADER_BYTES = 12;

/** Partition, then offset, both big-endian: LMDB keeps a partition together and in order. */
export function recordKey(partitionId: number, offset: number): Buffer {
  const key = Buffer.allocUnsafe(12);
  key.writeUInt32BE(partitionId, 0);
  key.writeBigUInt64BE(BigInt(offset), 4);
  return key;
}

/** What a record takes on disk, LMDB's own pages not counted. */
export function storedBytes(key: string | null, value: Buffer): number {
  return HEADER_BYTES + (key === null ? 0 : Buffer.byteLength(key)) + value.length;
}

/** timestamp f64 · key length i32 (−1: null) · key · value */
export function encodeRecord(key: string | null, value: Buffer, timestampMs: number): Buffer {
  const keyBytes = key === null ? 0 : Buffer.byteLength(key);
  const stored = Buffer.allocUnsafe(HEADER_BYTES + keyBytes + value.length);
  stored.writeDoubleBE(timestampMs, 0);
  stored.writeInt32BE(key === null ? -1 : keyBytes, 8);
  if (key !== null) stored.write(key, HEADER_BYTES);
  value.copy(stored, HEADER_BYTES + keyBytes);
  return stored;
}

export const offsetOfKey = (key: Buffer): number => Number(key.readBigUInt64BE(4));

export function decodeRecord({ topic, partition }: Place, offset: number, stored: Buffer): LogRecord {
  const keyBytes = stored.readInt32BE(8);
  const valueStart = HEADER_BYTES + Math.max(0, keyBytes);
  return {
    topic,
    partition,
    offset,
    key: keyBytes < 0 ? null : stored.toString("utf8", HEADER_BYTES, valueStart),
    value: stored.subarray(valueStart),
    timestampMs: stored.readDoubleBE(0),
  };
}
