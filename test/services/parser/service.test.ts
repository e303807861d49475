import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { TOPICS } from "../../../lib/events/topics.ts";
import { deadLetters, parseEvents, RECEIVED_AT_MS, startHarness, tableSchemas } from "./harness.ts";

test("a file becomes row batches, a schema and one end-of-file with exact totals", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  const { end, rows, rejects } = await harness.send("orders", "a.csv", "Id,Amount,Day\n1,2.50,2024-01-31\n2,,\n3,x,y,z\n");
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
  assert.deepEqual(rows.map((row) => row["_source_row"]), [1, 2]);
  assert.equal(rows[0]!["_ingested_at"], RECEIVED_AT_MS * 1000);
  assert.equal(rows[0]!["_source_file"], "a.csv");
  assert.deepEqual(rejects, [
    { row: 3, line: 4, column: null, reason: "too_many_fields", message: "4 fields instead of 3", raw: "3,x,y,z" },
  ]);
  const [schema] = await harness.all(TOPICS.tableSchemas.name, tableSchemas);
  assert.deepEqual(schema!.columns, end.columns);
  const phases = (await harness.all(TOPICS.parseEvents.name, parseEvents)).map(({ phase }) => phase);
  assert.deepEqual(phases, ["started", "finished"]);
});

test("later files are mapped by name, widen, and bring new columns", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  await harness.send("orders", "a.csv", "id,amount\n1,2.50\n");
  const { end, rows, rejects } = await harness.send("orders", "b.csv", "note,amount,id\nhello,1.25,3000000000\nbad,1.255,4\n");
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
  const lines = Array.from({ length: 500 }, (_, i) => (i === 400 ? "1.5,a" : i === 450 ? "2.125,b" : `${i},7`));
  const { end, rows, runIds } = await harness.send("numbers", "a.csv", ["n,m", ...lines].join("\n"));
  assert.deepEqual(end.columns.map(({ type }) => type), ["DECIMAL(18,3)", "VARCHAR"]);
  assert.equal(rows.length, 500);
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
  assert.deepEqual(letters.map(({ errorCode }) => errorCode), ["FILE_NOT_CSV", "BLOB_MISSING"]);
});

test("gzip is unpacked", async (t) => {
  const harness = await startHarness();
  t.after(() => harness.close());
  const { end } = await harness.send("orders", "a.csv.gz", gzipSync("id\n1\n2\n"));
  assert.deepEqual([end.outcome, end.rowsAccepted], ["complete", 2]);
});
