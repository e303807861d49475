import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { hasCode, TributaryError } from "../../../lib/errors.ts";
import { INCOMPATIBLE, rowMessages } from "../../../lib/messages/avro.ts";
import { GROUPS, rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";
import { withFaults } from "../../support/faults.ts";
import { until } from "../../support/until.ts";
import {
  deadLetters,
  parseEvents,
  RECEIVED_AT_MS,
  startHarness,
  tableSchemas,
  type Harness,
  type ParsedFile,
} from "./harness.ts";

test("a file becomes row batches and one end-of-file with exact totals; it publishes no schema", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  const { end, rows, rejects } = await harness.send(
    "orders",
    "a.csv",
    "Id,Amount,Day\n1,2.50,2024-01-31\n2,,\n3,x,y,z\n",
  );
  assert.equal(end.outcome, "complete");
  assert.deepEqual(
    end.columns.map(({ name, type, header }) => [name, type, header]),
    [
      ["id", "INTEGER", "Id"],
      ["amount", "DECIMAL(18,2)", "Amount"],
      ["day", "DATE", "Day"],
    ],
  );
  assert.deepEqual([end.rowsRead, end.rowsAccepted, end.rowsRejected], [3, 2, 1]);
  assert.deepEqual(
    rows.map((row) => row["_source_row"]),
    [1, 2],
  );
  assert.equal(rows[0]!["_ingested_at"], RECEIVED_AT_MS * 1000);
  assert.equal(rows[0]!["_source_file"], "a.csv");
  assert.deepEqual(
    rejects.map((reject) => ({ ...reject })),
    [{ row: 3, line: 4, column: null, reason: "too_many_fields", message: "4 fields instead of 3", raw: "3,x,y,z" }],
  );
  assert.deepEqual(await harness.all(TOPICS.tableSchemas.name, tableSchemas), [], "only the committer knows the table");
  const events = await harness.all(TOPICS.parseEvents.name, parseEvents);
  // On a busy machine it takes long enough to report how far it is.
  const phases = events.filter(({ progressJson }) => progressJson === null).map(({ phase }) => phase);
  assert.deepEqual(phases, ["started", "finished"]);
});

test("later files are mapped by name, widen, and bring new columns", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  await harness.send("orders", "a.csv", "id,amount\n1,2.50\n");
  const { end, rows, rejects } = await harness.send(
    "orders",
    "b.csv",
    "note,amount,id\nhello,1.25,3000000000\nbad,1.255,4\n",
  );
  assert.deepEqual(
    end.columns.map(({ name, type }) => `${name} ${type}`),
    ["id BIGINT", "amount DECIMAL(18,2)", "note VARCHAR"],
  );
  assert.equal(rows[0]!["id"], 3_000_000_000);
  assert.equal(rows[0]!["note"], "hello");
  assert.deepEqual([rejects[0]!.reason, rejects[0]!.column, rejects[0]!.line], ["out_of_range", "amount", 3]);
});

test("a type that does not hold is found in one more run, whose types hold everything", async (t) => {
  const harness = await startHarness({ limits: { inferenceBytes: 1024, detectionBytes: 1024, batchBytesMax: 2048 } });
  t.after(() => harness.close());
  // Longer than what the reader holds back for the end of the table: rows have been sent before the values
  // come.
  const lines = Array.from({ length: 60_000 }, (_, i) =>
    i === 50_000 ? "1.5,a" : i === 55_000 ? "2.125,b" : `${i},7`,
  );
  const { end, rows, runIds } = await harness.send("numbers", "a.csv", ["n,m", ...lines].join("\n"));
  assert.deepEqual(
    end.columns.map(({ type }) => type),
    ["DECIMAL(18,3)", "VARCHAR"],
  );
  assert.equal(rows.length, 60_000);
  assert.equal(runIds.length, 2);
});

test("deleted files, unreadable files and missing blobs end with a word of it", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  const gone = await harness.send("orders", "a.csv", "id\n1\n", { kind: "deleted" });
  assert.equal(gone.end.outcome, "deleted");
  const zip = await harness.send("orders", "a.xlsx", Buffer.from("PK\x03\x04rubbish"));
  assert.deepEqual([zip.end.outcome, zip.end.errorCode], ["failed", "FILE_NOT_CSV"]);
  const missing = await harness.send("orders", "b.csv", "id\n1\n", { blobKey: "raw/none" });
  assert.deepEqual([missing.end.outcome, missing.end.errorCode], ["failed", "BLOB_MISSING"]);
  const letters = await harness.all(TOPICS.deadLetters.name, deadLetters);
  assert.deepEqual(
    letters.map(({ errorCode }) => errorCode),
    ["FILE_NOT_CSV", "BLOB_MISSING"],
  );
});

test("gzip is unpacked", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  const { end } = await harness.send("orders", "a.csv.gz", gzipSync("id\n1\n2\n"));
  assert.deepEqual([end.outcome, end.rowsAccepted], ["complete", 2]);
});

test("a blob store that does not answer is asked again; each try is a run of its own", async (t) => {
  let calls = 0;
  const harness = await startHarness({
    wrapBlob: (blob) =>
      withFaults(blob, (method, moment) => {
        if (method === "get" && moment === "before" && ++calls < 3) {
          throw new TributaryError("BLOB_UNAVAILABLE", "no answer");
        }
      }),
  });
  t.after(() => harness.close());
  const { end, rows } = await harness.send("orders", "a.csv", "id\n1\n");
  assert.deepEqual([end.outcome, rows.length, calls], ["complete", 1, 3]);
});

test("a blob store that keeps failing leaves the file to the log, which hands it over again", async (t) => {
  let calls = 0;
  const harness = await startHarness({
    settings: { attemptsMax: 2 },
    wrapBlob: (blob) =>
      withFaults(blob, (method, moment) => {
        if (method === "get" && moment === "before" && ++calls < 6) {
          throw new TributaryError("BLOB_UNAVAILABLE", "no answer");
        }
      }),
  });
  t.after(() => harness.close());
  const { end, rows } = await harness.send("orders", "a.csv", "id\n1\n");
  assert.deepEqual([end.outcome, rows.length, calls], ["complete", 1, 6]);
});

test("a stream that breaks in the middle of the file voids its run", async (t) => {
  let broken = false;
  const harness = await startHarness({
    limits: { batchBytesMax: 4096 },
    wrapBlob: (blob) =>
      new Proxy(blob, {
        get(store, name) {
          if (name !== "get") return Reflect.get(store, name, store) as unknown;
          return async (...args: Parameters<typeof blob.get>) => {
            const found = await store.get(...args);
            if (!broken) {
              broken = true;
              found.body.once("data", () => {
                found.body.pause();
                found.body.destroy(new TributaryError("BLOB_UNAVAILABLE", "the connection broke"));
              });
            }
            return found;
          };
        },
      }),
  });
  t.after(() => harness.close());
  const { end, rows } = await harness.send("orders", "a.csv", `id\n${"1\n".repeat(200_000)}`);
  assert.deepEqual([end.outcome, rows.length, end.rowsAccepted], ["complete", 200_000, 200_000]);
});

test("a file that kills its worker becomes a dead letter, and the next file is parsed", async (t) => {
  const harness = await startHarness({ settings: { workerHeapMib: 1 } });
  t.after(() => harness.close());
  const { end } = await harness.send("orders", "a.csv", "id\n1\n");
  assert.deepEqual([end.outcome, end.errorCode], ["failed", "FILE_POISON"]);
  const [letter] = await harness.all(TOPICS.deadLetters.name, deadLetters);
  assert.equal(letter!.sourceFile, "a.csv");
  const next = await harness.send("orders", "b.csv", "id\n1\n");
  assert.equal(next.end.errorCode, "FILE_POISON", "it got its own tries on a fresh worker");
});

test("a partition that moves in the middle of a file: the new owner parses it whole", async (t) => {
  const harness = await startHarness({ limits: { batchBytesMax: 4096 } });
  t.after(() => harness.close());
  const lines = Array.from({ length: 100_000 }, (_, i) => `${i},text of row ${i}`);
  const sent = harness.send("orders", "a.csv", ["id,text", ...lines].join("\n"));
  await until("some rows are out", async () => {
    if (!(await harness.log.topics()).includes("rows.orders")) return false;
    return (await harness.log.offsets("rows.orders"))[0]!.next > 3;
  });
  harness.log.rebalance(GROUPS.parser);
  const { end, rows, runIds } = await sent;
  assert.deepEqual([end.outcome, end.rowsAccepted, rows.length], ["complete", 100_000, 100_000]);
  assert.deepEqual([rows[0]!["id"], rows.at(-1)!["_source_row"]], [0, 100_000]);
  assert.ok(runIds.length >= 2);
});

test("a restarted parser knows what uncommitted files bring, and how the first was written", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  await harness.send("orders", "a.csv", "id;text\n1;x\n");
  await harness.restart();
  const { end } = await harness.send("orders", "b.csv", "text;more\nx;1,5\n");
  assert.deepEqual(
    end.columns.map(({ name }) => name),
    ["id", "text", "more"],
  );
  assert.equal(end.delimiter, ";");
});

test("what a file brings is forgotten when the committer decides otherwise", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  const namesOf = ({ end }: ParsedFile): string[] => end.columns.map(({ name, type }) => `${name} ${type}`);
  await harness.send("orders", "a.csv", "id,code\n1,A\n");
  assert.deepEqual(namesOf(await harness.send("orders", "b.csv", "id,code,more\n2,7,x\n")), [
    "id INTEGER",
    "code VARCHAR",
    "more VARCHAR",
  ]);
  const rejected = await harness.send("orders", "c.csv", "id,wrong\nx,1\n");
  assert.equal(rejected.end.rowsAccepted, 0);
  assert.deepEqual(namesOf(await harness.send("orders", "d.csv", "id,code\n3,8\n")).slice(2), ["more VARCHAR"]);
  // The committer took a.csv, and b.csv failed.
  const columns = [
    { name: "id", type: "INTEGER", header: "id" },
    { name: "code", type: "VARCHAR", header: "code" },
  ];
  const value = tableSchemas.encode({ table: "orders", sourceOffset: 1, columns, dialectJson: "{}" });
  await harness.log.publish(TOPICS.tableSchemas.name, [{ key: "orders", value }]);
  const after = namesOf(await harness.send("orders", "e.csv", "id,code,more\n4,9,5\n"));
  // d.csv is not decided yet, and has the column as text.
  assert.deepEqual(after, ["id INTEGER", "code VARCHAR", "more VARCHAR"]);
  const decided = tableSchemas.encode({ table: "orders", sourceOffset: 4, columns, dialectJson: "{}" });
  await harness.log.publish(TOPICS.tableSchemas.name, [{ key: "orders", value: decided }]);
  assert.deepEqual(namesOf(await harness.send("orders", "f.csv", "id,code,more\n4,9,5\n")).slice(2), ["more INTEGER"]);
});

test("the sender's dialect goes before everything", async (t) => {
  const harness = await startHarness({ contracts: [{ table: "orders", dialect: { delimiter: "," } }] });
  t.after(() => harness.close());
  const sent = await harness.send("orders", "a.csv", "a|b,c\n1|2,3\n", { dialectJson: '{"delimiter":"|"}' });
  const { end } = sent;
  assert.deepEqual([end.delimiter, end.columns.length], ["|", 2]);
});

test("replayed rows keep the offset of their first version, in every write mode", async (t) => {
  const harness = await startHarness({ contracts: [{ table: "events", writeMode: "append" }, { table: "orders" }] });
  t.after(() => harness.close());
  const appended = await harness.send("events", "a.csv", "id\n1\n", { origin: "replay", versionOffset: 4711 });
  assert.equal(appended.rows[0]!["_source_offset"], 4711);
  const replaced = await harness.send("orders", "a.csv", "id\n1\n", { origin: "replay", versionOffset: 4711 });
  assert.equal(replaced.rows[0]!["_source_offset"], 4711);
});

test("files of one table keep their order; tables go side by side", async (t) => {
  const harness = await startHarness({ settings: { workers: 2 } });
  t.after(() => harness.close());
  const content = `id\n${"1\n".repeat(1000)}`;
  const names = Array.from({ length: 12 }, (_, i) => `f${i}.csv`);
  await Promise.all(names.map((name, i) => harness.send(`t${i % 3}`, name, content)));
  for (const table of ["t0", "t1", "t2"]) {
    const messages = await harness.all(rowsTopic(table).name, rowMessages);
    const ends = messages.filter(({ body }) => "tributary.EndOfFile" in body).map(({ sourceOffset }) => sourceOffset);
    assert.deepEqual(
      ends,
      [...ends].sort((a, b) => a - b),
    );
    assert.equal(ends.length, 4);
  }
});

test("events that make no sense do not stand in the way of others", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  await harness.log.publish(TOPICS.fileEvents.name, [{ key: "orders", value: Buffer.from("no Avro at all") }]);
  const odd = await harness.send("orders", "a.csv", "id\n1\n", { dialectJson: "{" });
  assert.equal(odd.end.errorCode, "FILE_POISON");
  const escaping = await harness.send("orders", "a.csv", "id\n1\n", { blobKey: "../a" });
  assert.equal(escaping.end.outcome, "failed");
  const { end } = await harness.send("orders", "b.csv", "id\n1\n");
  assert.equal(end.outcome, "complete");
  const letters = await harness.all(TOPICS.deadLetters.name, deadLetters);
  assert.deepEqual(
    letters.map(({ event, sourceFile }) => [sourceFile, event.length > 0]),
    [
      ["", true],
      ["a.csv", true],
      ["a.csv", true],
    ],
  );
});

test("the file of a damaged event ends as failed; other keys than tables get a dead letter only", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  const value = Buffer.from("no Avro at all");
  await harness.log.publish(
    TOPICS.fileEvents.name,
    ["orders", null, "no table", "_own"].map((key) => ({ key, value })),
  );
  await harness.send("orders", "b.csv", "id\n1\n");
  const [first] = await harness.all(rowsTopic("orders").name, rowMessages);
  assert.ok(first && "tributary.EndOfFile" in first.body);
  const { outcome, errorCode } = first.body["tributary.EndOfFile"];
  assert.deepEqual([first.sourceOffset, outcome, errorCode], [0, "failed", "FILE_POISON"]);
  await until("all are buried", async () => (await harness.all(TOPICS.deadLetters.name, deadLetters)).length === 4);
  assert.deepEqual((await harness.log.topics()).filter((topic) => topic.startsWith("rows.")), ["rows.orders"]); // prettier-ignore
});

test("an event that only a newer version can read is neither acked nor passed, and the parser is not ready", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  const [at] = await harness.log.publish(TOPICS.fileEvents.name, [
    { key: "orders", value: Buffer.concat([INCOMPATIBLE, Buffer.from([3])]) },
  ]);
  await until("the parser is not ready", () =>
    harness.ready().then(
      () => undefined,
      (thrown: unknown) => hasCode(thrown, "MESSAGE_TOO_NEW") || undefined,
    ),
  );
  const acks = await harness.log.groupOffsets(GROUPS.parser, TOPICS.fileEvents.name);
  assert.equal(acks.find(({ partition }) => partition === at!.partition)?.offset, undefined);
  assert.equal((await harness.log.topics()).includes("rows.orders"), false);
});

test("raw bytes that are not those that arrived fail the file", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  const { end } = await harness.send("orders", "a.csv", "id\n1\n", { contentHash: "0".repeat(64) });
  assert.deepEqual([end.outcome, end.errorCode], ["failed", "BLOB_DAMAGED"]);
});

/** Publishes to `topic` wait for the returned function. */
function holding(harness: Harness, topic: string): () => void {
  let release = (): void => undefined;
  const open = new Promise<void>((resolve) => (release = resolve));
  const publish = harness.log.publish.bind(harness.log);
  harness.log.publish = async (to, records) => {
    if (to === topic) await open;
    return publish(to, records);
  };
  return release;
}

test("a short file's rows and its end are published at once", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  const calls: number[] = [];
  const publish = harness.log.publish.bind(harness.log);
  harness.log.publish = (to, records) => {
    if (to === rowsTopic("sales").name) calls.push(records.length);
    return publish(to, records);
  };
  await harness.send("sales", "a.csv", "id\n1\n2\n");
  assert.deepEqual(calls, [2]);
});

test("the rows of a file do not wait for its status, but its ack does", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  await harness.send("sales", "a.csv", "id\n1\n");
  const release = holding(harness, TOPICS.parseEvents.name);
  const sent = harness.send("sales", "b.csv", "id\n2\n");
  await until("the end of the second file", async () => {
    const messages = await harness.all(rowsTopic("sales").name, rowMessages);
    return messages.filter(({ body }) => "tributary.EndOfFile" in body).length === 2;
  });
  const acked = async (): Promise<number> =>
    Math.max(...(await harness.log.groupOffsets(GROUPS.parser, TOPICS.fileEvents.name)).map(({ offset }) => offset));
  assert.equal(await acked(), 1);
  release();
  await sent;
  await until("the ack of the second file", async () => (await acked()) === 2);
});
