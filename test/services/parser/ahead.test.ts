import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import { fileEvents, rowMessages } from "../../../lib/messages/avro.ts";
import type { FileEvent, RowMessage } from "../../../lib/messages/generated.ts";
import { GROUPS, rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";
import type { ParseJob, ParseOutput } from "../../../lib/parsing/parse-file.ts";
import { makeRegistry } from "../../../lib/process/metrics.ts";
import { AheadPlaces, OUTPUT_BYTES_MAX, ReadAhead, type NextFile } from "../../../services/parser/ahead.ts";
import { parserMetrics } from "../../../services/parser/metrics.ts";
import { seriesOf } from "../../support/counted.ts";
import { seededRandom } from "../../support/random.ts";
import { until } from "../../support/until.ts";
import { RECEIVED_AT_MS, startHarness, type Harness, type HarnessOptions } from "./harness.ts";

interface Sent {
  table: string;
  sourceFile: string;
  content: Buffer;
  more?: Partial<FileEvent>;
}

/** Publishes all files at once, so that each has others behind it, and waits for the ends of all. */
async function sendAll(harness: Harness, files: readonly Sent[]): Promise<void> {
  const records = [];
  for (const { table, sourceFile, content, more } of files) {
    const contentHash = createHash("sha256").update(content).digest("hex");
    await harness.blob.put(`raw/${contentHash}`, content);
    const event: FileEvent = {
      ...{ fileId: randomUUID(), table, sourceFile, kind: "put", origin: "upload", blobKey: `raw/${contentHash}` },
      ...{ sizeBytes: content.length, contentHash, etag: null, receivedAtMs: RECEIVED_AT_MS, dialectJson: null },
      ...{ replayOf: null, versionOffset: null, ...more },
    };
    records.push({ key: table, value: fileEvents.encode(event) });
  }
  await harness.log.publish(TOPICS.fileEvents.name, records);
  const tables = [...new Set(files.map(({ table }) => table))];
  await until("the ends of all files", async () => (await endsOf(harness, tables)).length >= files.length, 60_000);
}

async function messagesOf(harness: Harness, tables: readonly string[]): Promise<RowMessage[]> {
  const existing = await harness.log.topics();
  const topics = tables.map((table) => rowsTopic(table).name).filter((name) => existing.includes(name));
  return (await Promise.all(topics.map((name) => harness.all(name, rowMessages)))).flat();
}

const endsOf = async (harness: Harness, tables: readonly string[]): Promise<RowMessage[]> =>
  (await messagesOf(harness, tables)).filter(({ body }) => "tributary.EndOfFile" in body);

/** What a committer makes of the messages: all but ids and times. */
const comparable = (messages: readonly RowMessage[]): unknown[] =>
  messages.map(({ runId: _, fileId: __, body, ...message }) => {
    if (!("tributary.EndOfFile" in body)) return { ...message, body };
    const { parsedAtMs: ___, parseMs: ____, ...end } = body["tributary.EndOfFile"];
    return { ...message, end };
  });

/** Files of two tables of one partition, many of which bring columns, widen types, fail or remove rows. */
function hostileFiles(seed: number): Sent[] {
  const random = seededRandom(seed);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  const names = ["id", "amount", "day", "note", "more"];
  const valueOf = (kind: string, n: number): string =>
    ({ number: `${n}`, decimal: `${n}.5`, text: `text ${n}`, date: "2024-01-02", none: "" })[kind] ?? "";
  return Array.from({ length: 24 }, (_, n): Sent => {
    const file = { table: pick(["orders", "orders", "parts"]), sourceFile: `f${n % 17}.csv` };
    if (random() < 0.08) {
      return { ...file, content: Buffer.alloc(0), more: { kind: "deleted", blobKey: "", contentHash: "" } };
    }
    if (random() < 0.08) return { ...file, content: Buffer.alloc(0) };
    // Most files are like the ones before them, as in practice.
    const columns = random() < 0.7 ? names.slice(0, 2) : names.filter(() => random() < 0.6);
    const kinds = columns.map(() => (random() < 0.8 ? "number" : pick(["decimal", "text", "date", "none"])));
    const rows = Array.from({ length: 40 }, (_, row) => kinds.map((kind) => valueOf(kind, row)).join(","));
    if (random() < 0.2) rows.push("too,many,fields,for,any,header,here");
    const text = Buffer.from([columns.join(","), ...rows, ""].join("\n"));
    return { ...file, content: random() < 0.2 ? gzipSync(text) : text };
  });
}

test("files parsed before their turn give the same messages in the same order as one after the other", async (t) => {
  const counts = { used: 0, repeated: 0 };
  const read = async (files: readonly Sent[], options: HarnessOptions) => {
    const harness = await startHarness(options);
    try {
      await sendAll(harness, files);
      for (const outcome of ["used", "repeated"] as const) {
        counts[outcome] += (await seriesOf(
          harness.registry,
          `tributary_parser_read_ahead_total{outcome="${outcome}"}`,
        ))!;
      }
      return comparable(await messagesOf(harness, ["orders", "parts"]));
    } finally {
      await harness.close();
    }
  };
  for (let seed = 1; seed <= 4; seed++) {
    const files = hostileFiles(seed);
    const before = { ...counts };
    const one = await read(files, { settings: { workers: 1 } });
    assert.deepEqual(counts, before, "a single worker parses nothing ahead");
    const many = await read(files, { settings: { workers: 4 } });
    assert.deepEqual(many, one, `seed ${seed}`);
  }
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.used > 5 && counts.repeated > 0, JSON.stringify(counts));
});

test("a partition that moves while files are parsed ahead: each file ends, in order and whole", async (t) => {
  const harness = await startHarness({ settings: { workers: 4 }, limits: { batchBytesMax: 4096 } });
  t.after(() => harness.close());
  const rows = Array.from({ length: 5_000 }, (_, n) => `${n},text of row ${n}`);
  const files = Array.from({ length: 12 }, (_, n) => ({
    table: "orders",
    sourceFile: `f${n}.csv`,
    content: Buffer.from(`id,text\n${n},first\n${rows.join("\n")}\n`),
  }));
  const sent = sendAll(harness, files);
  for (const files of [2, 5, 8]) {
    await until("some files have ended", async () => (await endsOf(harness, ["orders"])).length >= files, 60_000);
    harness.log.rebalance(GROUPS.parser);
  }
  await sent;
  const messages = await messagesOf(harness, ["orders"]);
  const ends = messages.filter(({ body }) => "tributary.EndOfFile" in body);
  const offsets = ends.map(({ sourceOffset }) => sourceOffset);
  assert.deepEqual(
    offsets,
    [...offsets].sort((a, b) => a - b),
  );
  for (const { runId, body } of ends) {
    const rowsOfRun = messages.flatMap((one) =>
      one.runId === runId && "tributary.RowBatch" in one.body ? [one.body["tributary.RowBatch"].rowCount] : [],
    );
    const { rowsAccepted } = (body as { "tributary.EndOfFile": { rowsAccepted: number } })["tributary.EndOfFile"];
    assert.equal(rowsAccepted, 5_001);
    assert.equal(
      rowsOfRun.reduce((sum, n) => sum + n, 0),
      5_001,
    );
  }
});

/** A read-ahead whose pool gives out what the test says. */
function readAhead(workers: number, outputsOf: (fileName: string) => AsyncGenerator<ParseOutput>) {
  const blob = { get: async () => ({ body: Readable.from([]) }) } as unknown as BlobStore;
  const begun: string[] = [];
  const pool = {
    async *parse({ fileName }: ParseJob): AsyncGenerator<ParseOutput> {
      begun.push(fileName);
      yield* outputsOf(fileName);
    },
    close: async () => undefined,
  };
  const metrics = parserMetrics(makeRegistry("test"));
  const places = new AheadPlaces(workers);
  const ahead = new ReadAhead({ blob, pool, metrics, places }, new AbortController().signal);
  return { ahead, begun, places };
}

const jobNamed = (fileName: string): ParseJob => ({ fileName }) as ParseJob;
const fileAt = (sourceOffset: number, more: Partial<FileEvent> = {}): NextFile => ({
  event: { kind: "put", table: "t", sizeBytes: 1, blobKey: "raw/x", ...more } as FileEvent,
  sourceOffset,
  job: () => jobNamed(`f${sourceOffset}`),
});
const FILES = Array.from({ length: 20 }, (_, n) => fileAt(n));

test("one worker stays free, and what waits is limited in files", async () => {
  const end: ParseOutput = { kind: "end" } as ParseOutput;
  const forever = readAhead(4, async function* () {
    await new Promise(() => undefined);
    yield end;
  });
  forever.ahead.begin(FILES);
  await until("the files are begun", () => forever.begun.length === 3);
  assert.ok(!forever.places.isFree);

  const quick = readAhead(4, async function* () {
    yield end;
  });
  for (let n = 1; n <= 10; n++) {
    quick.ahead.begin(FILES);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(quick.begun, ["f0", "f1", "f2", "f3"]);
  assert.ok(quick.ahead.take("t", 0, jobNamed("f0")));
  quick.ahead.begin(FILES.slice(1));
  await until("a place is free again", () => quick.begun.length === 5);

  for (const workers of [1, 0]) {
    const none = readAhead(workers, async function* () {
      yield end;
    });
    none.ahead.begin(FILES);
    assert.ok(!none.places.isFree && none.begun.length === 0);
  }
});

test("a file whose outputs are too large is given up: it waits neither in memory nor in a worker", async () => {
  let bytes = 0;
  let isEnded = false;
  const rows = Buffer.alloc(512 * 1024);
  const { ahead, places } = readAhead(2, async function* (): AsyncGenerator<ParseOutput> {
    try {
      while (bytes < 100 * OUTPUT_BYTES_MAX) {
        bytes += rows.length;
        yield { kind: "rows", batch: { firstRow: 0, rowCount: 1, writerSchema: "", rows } };
      }
    } finally {
      isEnded = true;
    }
  });
  ahead.begin([fileAt(0)]);
  await until("it is given up", () => isEnded);
  assert.ok(bytes <= OUTPUT_BYTES_MAX + 2 * rows.length, `${bytes}`);
  assert.equal(ahead.take("t", 0, jobNamed("f0")), undefined);
  assert.ok(places.isFree);
  ahead.begin([fileAt(1, { sizeBytes: 10 * OUTPUT_BYTES_MAX })]);
  assert.ok(places.isFree, "nor is a file begun that is large itself");
});
