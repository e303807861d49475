import type { TopicPartition } from "../groups/assignment.ts";
import type { LogRecord, NewRecord, RecordHeaders } from "../event-log.ts";

const HEADER_BYTES = 12;

/**
 * Partition id, then offset, both big-endian: LMDB then stores a partition's records together and in order.
 */
export function recordKey(partitionId: number, offset: number): Buffer {
  const key = Buffer.allocUnsafe(12);
  key.writeUInt32BE(partitionId, 0);
  key.writeBigUInt64BE(BigInt(offset), 4);
  return key;
}

/** Added to the key length if headers precede the key. Larger than any key length. */
const HAS_HEADERS = 0x4000_0000;
const HEADERS_LENGTH_BYTES = 4;

/** Bytes of a record on disk, without LMDB's page overhead. */
export function storedBytes({ key, value, headers }: NewRecord): number {
  const headersBytes = headers ? HEADERS_LENGTH_BYTES + Buffer.byteLength(JSON.stringify(headers)) : 0;
  return HEADER_BYTES + headersBytes + (key === null ? 0 : Buffer.byteLength(key)) + value.length;
}

/**
 * timestamp f64 · key length i32 (−1: null; plus HAS_HEADERS) · [headers length i32 · headers as JSON] · key
 * · value
 */
export function encodeRecord(record: NewRecord, timestampMs: number): Buffer {
  const { key, value, headers } = record;
  const stored = Buffer.allocUnsafe(storedBytes(record));
  const keyLength = key === null ? -1 : Buffer.byteLength(key);
  let at = stored.writeDoubleBE(timestampMs, 0);
  at = stored.writeInt32BE(headers ? keyLength + HAS_HEADERS : keyLength, at);
  if (headers) {
    const text = Buffer.from(JSON.stringify(headers));
    at = stored.writeInt32BE(text.length, at);
    at += text.copy(stored, at);
  }
  if (key !== null) at += stored.write(key, at);
  value.copy(stored, at);
  return stored;
}

export const offsetOfKey = (key: Buffer): number => Number(key.readBigUInt64BE(4));

export function decodeRecord({ topic, partition }: TopicPartition, offset: number, stored: Buffer): LogRecord {
  const marked = stored.readInt32BE(8);
  const hasHeaders = marked >= HAS_HEADERS - 1;
  const keyBytes = hasHeaders ? marked - HAS_HEADERS : marked;
  const headersEnd = HEADER_BYTES + (hasHeaders ? HEADERS_LENGTH_BYTES + stored.readInt32BE(HEADER_BYTES) : 0);
  const valueStart = headersEnd + Math.max(0, keyBytes);
  const record: LogRecord = {
    topic,
    partition,
    offset,
    key: keyBytes < 0 ? null : stored.toString("utf8", headersEnd, valueStart),
    value: stored.subarray(valueStart),
    timestampMs: stored.readDoubleBE(0),
  };
  if (hasHeaders) {
    const text = stored.toString("utf8", HEADER_BYTES + HEADERS_LENGTH_BYTES, headersEnd);
    record.headers = JSON.parse(text) as RecordHeaders;
  }
  return record;
}
