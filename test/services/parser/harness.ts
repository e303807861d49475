import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID, createHash } from "node:crypto";
import avsc from "avsc";
import { openBlobStore } from "../../../lib/blob/open.ts";
import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import { systemClock, type Clock } from "../../../lib/clock.ts";
import { contractSchema } from "../../../lib/contract/contract.ts";
import { contractsOf } from "../../../lib/contract/load.ts";
import { DEFAULT_LIMITS, type ParseLimits } from "../../../lib/parsing/limits.ts";
import {
  deadLetters,
  fileEvents,
  parseEvents,
  rowMessages,
  tableSchemas,
  type Codec,
} from "../../../lib/messages/avro.ts";
import type { EndOfFile, FileEvent, Reject, RowBatch, RowMessage } from "../../../lib/messages/generated.ts";
import { rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";
import { silentLogger } from "../../../lib/process/logger.ts";
import { makeRegistry, type Registry } from "../../../lib/process/metrics.ts";
import type { Service } from "../../../lib/process/service.ts";
import type { ParserSettings } from "../../../services/parser/config.ts";
import { startParser } from "../../../services/parser/service.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";
import { until } from "../../support/until.ts";

export const RECEIVED_AT_MS = 1_700_000_000_000;

export interface ParsedFile {
  end: EndOfFile;
  /** Rows of the run that reached the end, decoded; c0, c1 … renamed to the columns' names. */
  rows: Record<string, unknown>[];
  rejects: Reject[];
  messages: RowMessage[];
  /** Runs seen, in order. */
  runIds: string[];
}

export interface Harness {
  log: FakeEventLog;
  blob: BlobStore;
  registry: Registry;
  /** Stores the content, publishes its event and waits for its end. */
  send(table: string, sourceFile: string, content: string | Buffer, more?: Partial<FileEvent>): Promise<ParsedFile>;
  publish(event: FileEvent): Promise<ParsedFile>;
  restart(): Promise<void>;
  ready(): Promise<void>;
  drain(): Promise<void>;
  all<T>(topic: string, codec: Codec<T>): Promise<T[]>;
  close(): Promise<void>;
}

export interface HarnessOptions {
  contracts?: object[];
  settings?: Partial<ParserSettings>;
  limits?: Partial<ParseLimits>;
  /** What the parser sees instead of the blob store. */
  wrapBlob?: (blob: BlobStore) => BlobStore;
  clock?: Clock;
}

/** A parser on a log in memory and a blob store in a folder. */
export async function startHarness({
  contracts = [],
  settings = {},
  limits = {},
  wrapBlob = (blob) => blob,
  clock = systemClock,
}: HarnessOptions = {}): Promise<Harness> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-parser-"));
  const log = new FakeEventLog();
  const blob = await openBlobStore(`file:${folder}`);
  let registry = makeRegistry("test");
  const start = (): Promise<Service> =>
    startParser({
      log,
      blob: wrapBlob(blob),
      contracts: contractsOf(contracts.map((contract) => contractSchema.parse(contract))),
      clock,
      logger: silentLogger(),
      registry,
      settings: {
        workers: 1,
        workerHeapMib: 256,
        crashesMax: 2,
        attemptsMax: 3,
        backoffMsMin: 1,
        backoffMsMax: 5,
        ...settings,
        limits: { ...DEFAULT_LIMITS, planBytesMin: Infinity, ...limits },
      },
    });
  let parser = await start();
  const all = async <T>(topic: string, codec: Codec<T>): Promise<T[]> => {
    const values: T[] = [];
    for (const { partition } of await log.offsets(topic)) {
      for await (const record of log.read(topic, partition, 0)) values.push(codec.decode(record.value));
    }
    return values;
  };
  const parsed = async (event: FileEvent): Promise<ParsedFile> => {
    const topic = rowsTopic(event.table).name;
    return until(
      `the end of ${event.sourceFile}`,
      async () => {
        if (!(await log.topics()).includes(topic)) return undefined;
        const messages = (await all(topic, rowMessages)).filter(({ fileId }) => fileId === event.fileId);
        const parsed = messages.some(({ body }) => "tributary.EndOfFile" in body);
        return parsed && (await ended(event)) ? parsedFile(messages) : undefined;
      },
      20_000,
    );
  };
  const ended = async (event: FileEvent): Promise<boolean> =>
    (await all(TOPICS.parseEvents.name, parseEvents)).some(
      ({ fileId, phase }) => fileId === event.fileId && phase !== "started",
    );
  const harness: Harness = {
    log,
    blob,
    get registry() {
      return registry;
    },
    async send(table, sourceFile, content, more = {}) {
      const bytes = Buffer.from(content);
      const contentHash = createHash("sha256").update(bytes).digest("hex");
      await blob.put(`raw/${contentHash}`, bytes);
      return harness.publish({
        fileId: randomUUID(),
        table,
        sourceFile,
        kind: "put",
        origin: "upload",
        blobKey: `raw/${contentHash}`,
        sizeBytes: bytes.length,
        contentHash,
        etag: null,
        receivedAtMs: RECEIVED_AT_MS,
        dialectJson: null,
        replayOf: null,
        versionOffset: null,
        ...more,
      });
    },
    async publish(event) {
      await log.publish(TOPICS.fileEvents.name, [{ key: event.table, value: fileEvents.encode(event) }]);
      return parsed(event);
    },
    async restart() {
      await parser.drain();
      registry = makeRegistry("test");
      parser = await start();
    },
    ready: () => parser.ready(),
    drain: () => parser.drain(),
    all,
    async close() {
      await parser.drain();
      await log.close();
      await blob.close();
      await rm(folder, { recursive: true });
    },
  };
  return harness;
}

function parsedFile(messages: RowMessage[]): ParsedFile {
  const last = messages.find(({ body }) => "tributary.EndOfFile" in body)!;
  const ofRun = messages.filter(({ runId }) => runId === last.runId);
  const end = (last.body as { "tributary.EndOfFile": EndOfFile })["tributary.EndOfFile"];
  return {
    end,
    messages,
    runIds: [...new Set(messages.map(({ runId }) => runId))],
    rows: ofRun.flatMap(({ body }) => ("tributary.RowBatch" in body ? decodeRows(body["tributary.RowBatch"]) : [])),
    rejects: ofRun.flatMap(({ body }) =>
      "tributary.RejectBatch" in body ? body["tributary.RejectBatch"].rejects : [],
    ),
  };
}

export function decodeRows({ writerSchema, rows, rowCount }: RowBatch): Record<string, unknown>[] {
  const schema = JSON.parse(writerSchema) as { fields: { name: string; column: string }[] };
  const type = avsc.Type.forSchema(schema as unknown as avsc.Schema, { wrapUnions: "never" as never });
  const decoded: Record<string, unknown>[] = [];
  let at = 0;
  while (at < rows.length) {
    const next: { value: Record<string, unknown>; offset: number } = type.decode(rows, at);
    decoded.push(Object.fromEntries(schema.fields.map((field) => [field.column, next.value[field.name]])));
    at = next.offset;
  }
  if (decoded.length !== rowCount) throw new Error(`${decoded.length} rows, but the batch says ${rowCount}`);
  return decoded;
}

export { deadLetters, parseEvents, tableSchemas };
