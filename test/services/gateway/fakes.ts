/** Minimal in-memory ports for the gateway's tests; contract suites test the real ones. */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import { TributaryError } from "../../../lib/errors.ts";
import type { EventLog, LogRecord } from "../../../lib/event-log/event-log.ts";
import { duckdb } from "../../../lib/warehouse/duckdb-engine/dialect.ts";
import type { SqlReader } from "../../../lib/warehouse/reads/sql-reader.ts";
import { sqlReads } from "../../../lib/warehouse/reads/sql-reads.ts";
import type { QueryResult, TableDescription, Warehouse } from "../../../lib/warehouse/warehouse.ts";

const unused = (): never => {
  throw new Error("the fake does not support this");
};

export interface FakeBlobStore extends BlobStore {
  objects: Map<string, Buffer>;
  freeBytes: number;
  /** Called with every chunk of a streamed body, before it is stored. */
  onChunk: () => Promise<void> | void;
}

export function fakeBlobStore(): FakeBlobStore {
  const objects = new Map<string, Buffer>();
  const infoOf = (key: string) => {
    const bytes = objects.get(key);
    if (!bytes) return undefined;
    const etag = createHash("md5").update(bytes).digest("hex");
    return { key, sizeBytes: bytes.length, etag, modifiedAtMs: 0 };
  };
  const store: FakeBlobStore = {
    url: "memory:",
    supports: { atomicForeignWrites: true },
    objects,
    freeBytes: Number.MAX_SAFE_INTEGER,
    onChunk: () => undefined,
    async put(key, body, options = {}) {
      if (options.ifAbsent && objects.has(key)) throw new TributaryError("BLOB_EXISTS", key);
      const bytes = Buffer.isBuffer(body) ? body : await readAll(body, store);
      if (options.sizeBytes !== undefined && options.sizeBytes !== bytes.length) {
        throw new TributaryError("UPLOAD_INCOMPLETE", `${bytes.length} of ${options.sizeBytes} bytes`);
      }
      objects.set(key, bytes);
      return infoOf(key)!;
    },
    get: unused,
    head: async (key) => infoOf(key),
    async *list(prefix) {
      for (const key of [...objects.keys()].sort()) if (key.startsWith(prefix)) yield infoOf(key)!;
    },
    delete: async (key) => void objects.delete(key),
    async move(from, to) {
      objects.set(to, objects.get(from)!);
      objects.delete(from);
    },
    space: async () => ({ freeBytes: store.freeBytes, totalBytes: Number.MAX_SAFE_INTEGER }),
    ready: async () => undefined,
    close: async () => undefined,
  };
  return store;
}

async function readAll(body: Readable, store: FakeBlobStore): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) {
    await store.onChunk();
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

export interface FakeEventLog extends EventLog {
  records: LogRecord[];
  /** Undefined: not known. */
  bytesLeft: number | undefined;
  /** Set to make publish fail. */
  fault: Error | undefined;
}

/** One partition per topic. */
export function fakeEventLog(): FakeEventLog {
  const records: LogRecord[] = [];
  const tails = new Set<{ topics: readonly string[]; onRecord: (record: LogRecord) => void }>();
  const log: FakeEventLog = {
    url: "memory:",
    recordBytesMax: 1_000_000,
    records,
    fault: undefined,
    bytesLeft: undefined,
    freeBytes: async () => log.bytesLeft,
    createTopics: async () => undefined,
    partitionCounts: () => Promise.resolve(new Map()),
    topics: async () => [...new Set(records.map(({ topic }) => topic))],
    async publish(topic, added) {
      if (log.fault) throw log.fault;
      return added.map((added) => {
        const offset = records.filter((record) => record.topic === topic).length;
        const record = { ...added, topic, partition: 0, offset, timestampMs: 0 };
        records.push(record);
        for (const { topics, onRecord } of tails) if (topics.includes(topic)) onRecord(record);
        return { partition: 0, offset };
      });
    },
    consume: unused,
    async tail(topics, onRecord) {
      const tail = { topics, onRecord };
      for (const record of records) if (topics.includes(record.topic)) onRecord(record);
      tails.add(tail);
      return { caughtUp: async () => undefined, close: async () => void tails.delete(tail) };
    },
    async *read(topic, _partition, from, to = Infinity) {
      yield* records.filter(({ topic: of, offset }) => of === topic && offset >= from && offset < to);
    },
    async offsets(topic) {
      return [{ partition: 0, earliest: 0, next: records.filter((record) => record.topic === topic).length }];
    },
    groupOffsets: unused,
    groupMembers: unused,
    resetGroup: unused,
    ready: async () => {
      if (log.fault) throw log.fault;
    },
    close: async () => undefined,
  };
  return log;
}

export interface FakeWarehouse extends Warehouse {
  described: Map<string, TableDescription>;
  queries: string[];
  /** The result of a query. */
  answer: (sql: string, signal: AbortSignal | undefined) => Promise<QueryResult> | QueryResult;
}

export function fakeWarehouse(): FakeWarehouse {
  const reader: SqlReader = {
    dialect: duckdb,
    query: (sql, options) => warehouse.query(sql, options),
    describe: (table) => warehouse.describe(table),
  };
  const warehouse: FakeWarehouse = {
    url: "memory:",
    supports: { partitioning: false, snapshots: false },
    described: new Map(),
    queries: [],
    answer: () => ({ columns: [], rows: [], truncated: false }),
    recover: async () => undefined,
    describe: async (table) => warehouse.described.get(table),
    tables: async () => [...warehouse.described.keys()],
    async query(sql, { signal }) {
      warehouse.queries.push(sql);
      return warehouse.answer(sql, signal);
    },
    reads: sqlReads(reader),
    measure: unused,
    ensureTable: unused,
    stage: unused,
    commit: unused,
    record: unused,
    recordedContents: async () => [],
    recordedVersions: unused,
    drop: unused,
    replaceWith: unused,
    watermark: unused,
    watermarks: unused,
    health: unused,
    maintain: unused,
    appendLog: unused,
    version: unused,
    publish: unused,
    hold: unused,
    withdraw: unused,
    published: unused,
    ready: async () => undefined,
    close: async () => undefined,
  };
  return warehouse;
}
