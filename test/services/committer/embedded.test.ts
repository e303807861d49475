/** The committer with the adapters of `npm start`. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemClock } from "../../../lib/clock.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { openEventLog } from "../../../lib/event-log/open.ts";
import { commandResults, commands } from "../../../lib/messages/avro.ts";
import { rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";
import { openWarehouse } from "../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../lib/warehouse/warehouse.ts";
import { messagesOf, type TestFile } from "../../support/row-messages.ts";
import { until } from "../../support/until.ts";
import { all, commitsOf, contracts, send, settled, start } from "./harness.ts";

let folder: string;
let log: EventLog;
let warehouse: Warehouse;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tributary-committer-"));
  log = await openEventLog(`embedded:${join(folder, "log")}`, { clock: systemClock });
  warehouse = await openWarehouse(`duckdb:${join(folder, "lakehouse.duckdb")}`, { clock: systemClock });
  await log.createTopics([...Object.values(TOPICS), rowsTopic("t"), rowsTopic("checked")]);
  for (const key of ["t", "checked"]) {
    const filler = Array.from({ length: 200 }, () => ({ key, value: Buffer.alloc(0) }));
    await log.publish(TOPICS.fileEvents.name, filler);
  }
});

after(async () => {
  await log.close();
  await warehouse.close();
  await rm(folder, { recursive: true, force: true });
});

const file = (over: Partial<TestFile>): TestFile => ({
  table: "t",
  sourceFile: "a.csv",
  sourceOffset: 1,
  columns: { id: "BIGINT", name: "VARCHAR" },
  rows: [],
  ...over,
});

const query = async (sql: string): Promise<unknown[][]> =>
  (await warehouse.query(sql, { rowsMax: 1_000, timeoutMs: 10_000 })).rows;

test("files are loaded and replaced, with rejects; a restart continues where the last process stopped", async () => {
  const first = await start({ log, warehouse });
  await send(log, "t", messagesOf(file({ rows: [[1, "one"], [2, "two"], [3, "three"]], rejected: [2] }))); // prettier-ignore
  await send(log, "t", messagesOf(file({ sourceFile: "b.csv", sourceOffset: 2, rows: [[4, "four"]] })));
  await settled(log, "t");
  const half = messagesOf(file({ sourceOffset: 3, rows: [[1, "eins"], [2, "two"], [9, "nine"]] }), { batchRows: 1 }); // prettier-ignore
  await send(log, "t", half.slice(0, 2));
  await first.drain();
  const second = await start({ log, warehouse });
  await send(log, "t", half.slice(2));
  await settled(log, "t");
  assert.deepEqual(
    (await query("SELECT id, name, _source_file, _source_row FROM t ORDER BY _source_file, _source_row")).map(String),
    ["1,eins,a.csv,1", "2,two,a.csv,2", "9,nine,a.csv,3", "4,four,b.csv,1"],
  );
  assert.deepEqual(await query("SELECT file_id, status, rows_read FROM _ingest_files ORDER BY source_offset"), [
    ["a.csv@1", "committed", 4],
    ["b.csv@2", "committed", 1],
    ["a.csv@3", "committed", 3],
  ]);
  assert.deepEqual(await query("SELECT file_id, source_row FROM _rejected_rows"), [["a.csv@1", 2]]);
  await second.drain();
});

test("a single small file is queryable within a fraction of a second", async () => {
  const committer = await start({ log, warehouse });
  const latencies: number[] = [];
  for (let sourceOffset = 10; sourceOffset < 30; sourceOffset++) {
    const count = (await commitsOf(log)).length;
    const begun = performance.now();
    await send(log, "t", messagesOf(file({ sourceOffset, rows: [[sourceOffset, "x"]] })));
    await until("the commit", async () => (await commitsOf(log)).length > count);
    latencies.push(performance.now() - begun);
  }
  const median = latencies.sort((a, b) => a - b)[latencies.length >> 1]!;
  assert.ok(median < 200, `median ${median.toFixed(0)} ms`);
  await committer.drain();
});

test("checks and maintenance run against real tables and update the trusted view", async () => {
  const declared = {
    table: "checked",
    gate: "block",
    checks: [
      { name: "unique", type: "uniqueness", column: "id" },
      { name: "own", type: "custom_sql", sql: "SELECT * FROM checked WHERE name = 'bad'" },
      { name: "fresh", type: "freshness", max_age: "36500d" },
    ],
  };
  const committer = await start({ log, warehouse }, { contracts: contracts(declared) });
  const run = async (commandId: string, kind: "checks" | "optimize"): Promise<string> => {
    await settled(log, "checked");
    const command = { commandId, table: "checked", kind, reason: "", requestedAtMs: 1, argumentsJson: "{}" };
    await log.publish(TOPICS.commands.name, [{ key: "checked", value: commands.encode(command) }]);
    const results = () => all(log, TOPICS.commandResults.name, commandResults);
    return (await until(commandId, async () => (await results()).find((one) => one.commandId === commandId))).status;
  };
  await send(log, "checked", messagesOf(file({ table: "checked", sourceOffset: 4, rows: [[1, "good"]] })));
  assert.equal(await run("c1", "checks"), "passed");
  await send(log, "checked", messagesOf(file({ table: "checked", sourceFile: "b", sourceOffset: 5, rows: [[2, "bad"]] }))); // prettier-ignore
  assert.equal(await run("c2", "checks"), "failed");
  assert.deepEqual(await query("SELECT name FROM checked_trusted"), [["good"]]);
  assert.deepEqual(await query("SELECT check_name, status, failing_rows FROM _quality_results WHERE run_id = 'c2'"), [
    ["unique", "passed", 0],
    ["own", "failed", 1],
    ["fresh", "passed", 0],
  ]);
  assert.match(await run("c3", "optimize"), /completed|not_applicable/);
  assert.equal((await query("SELECT * FROM _maintenance_log WHERE run_id = 'c3'")).length, 1);
  await committer.drain();
});
