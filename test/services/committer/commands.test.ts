import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { commandResults, commands } from "../../../lib/events/avro.ts";
import type { Command, CommandResult } from "../../../lib/events/generated.ts";
import { GROUPS, TOPICS } from "../../../lib/events/topics.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { death, withFaults } from "../../support/faults.ts";
import { messagesOf } from "../../support/row-messages.ts";
import { until } from "../../support/until.ts";
import { all, commitsOf, contracts, makeWorld, send, settled, start, type World } from "./harness.ts";

const command = (over: Partial<Command>): Command => ({
  commandId: "c1",
  table: "t",
  kind: "optimize",
  reason: "for the test",
  requestedAtMs: 1,
  argumentsJson: "{}",
  ...over,
});

/** A world whose tables exist, empty. */
async function worldOf(tables = ["t", "_ingest_files", "no_lane_of_its_own"]): Promise<World> {
  const world = await makeWorld();
  for (const table of tables) world.warehouse.tablesByName.set(table, { columns: [], rows: [] });
  return world;
}

async function give(log: EventLog, ...given: Partial<Command>[]): Promise<void> {
  for (const one of given.map(command)) {
    await log.publish(TOPICS.commands.name, [{ key: one.table, value: commands.encode(one) }]);
  }
}

const resultsOf = (log: EventLog): Promise<CommandResult[]> => all(log, TOPICS.commandResults.name, commandResults);

const results = (log: EventLog, count: number): Promise<CommandResult[]> =>
  until(`${count} command results`, async () => {
    const found = await resultsOf(log);
    return found.length >= count && found;
  });

const file = (sourceOffset: number, table = "t") =>
  messagesOf({ table, sourceFile: "f", sourceOffset, columns: { id: "BIGINT" }, rows: [[1], [2]] });

const CHECKS = {
  table: "t",
  checks: [
    { name: "unique", type: "uniqueness", column: "id" },
    { name: "enough", type: "row_count_range", min_count: 1 },
    { name: "own", type: "custom_sql", sql: "SELECT 1" },
    { name: "gone", type: "positive", column: "gone" },
  ],
};

/** Answers a combined query: the total, then `failing` for each measure. */
function answering(world: World, failing: (sql: string) => number): void {
  world.warehouse.answer = (sql) => {
    const columns = sql.slice(0, sql.indexOf(" FROM")).split(",").length;
    return [[7, ...Array.from({ length: columns - 1 }, () => failing(sql))]];
  };
}

test("maintenance runs in the table's lane, is on record and answered; own tables have lanes too", async () => {
  const world = await worldOf();
  const committer = await start(world);
  await give(
    world.log,
    { commandId: "a" },
    { commandId: "b", kind: "expire_snapshots", table: "_ingest_files" },
    { commandId: "c", kind: "remove_orphan_files", table: "no_lane_of_its_own" },
  );
  const found = await results(world.log, 3);
  assert.deepEqual(found.map(({ commandId, status }) => `${commandId} ${status}`).sort(), [
    "a completed",
    "b completed",
    "c completed",
  ]);
  assert.deepEqual(world.warehouse.calls.sort(), [
    "expire_snapshots _ingest_files",
    "optimize t",
    "remove_orphan_files no_lane_of_its_own",
  ]);
  const [row] = world.warehouse.logs._maintenance_log!.filter(({ table_name }) => table_name === "t");
  assert.deepEqual(
    { ...row, executed_at: 0 },
    {
      table_name: "t",
      operation: "optimize",
      status: "completed",
      details: "optimize",
      snapshots_before: 1,
      snapshots_after: 1,
      files_before: 1,
      files_after: 1,
      run_id: "a",
      executed_at: 0,
    },
  );
  await committer.drain();
});

test("a command is carried out once: asked twice, after a restart, and by which committer ever", async () => {
  const world = await worldOf();
  const first = await start(world);
  const second = await start(world);
  await give(world.log, {}, {}, { commandId: "c2", kind: "expire_snapshots" });
  await results(world.log, 2);
  await give(world.log, {});
  world.log.rebalance(GROUPS.committer);
  await first.drain();
  await give(world.log, { commandId: "c3", kind: "remove_orphan_files" });
  await results(world.log, 3);
  await second.drain();
  const third = await start(world);
  await give(world.log, { commandId: "c4", kind: "remove_orphan_files" });
  await results(world.log, 4);
  await third.drain();
  assert.deepEqual(world.warehouse.calls, ["optimize t", "expire_snapshots t", "remove_orphan_files t", "remove_orphan_files t"]); // prettier-ignore
});

test("a command whose committer dies over it is the next owner's", async () => {
  const world = await worldOf();
  const warehouse = withFaults(world.warehouse, (method) => (method === "maintain" ? death() : undefined));
  await start({ log: world.log, warehouse });
  await give(world.log, {});
  await send(world.log, "t", file(1));
  await start(world);
  world.log.kill(GROUPS.committer);
  const successor = await start(world);
  assert.equal((await results(world.log, 1))[0]?.status, "completed");
  await settled(world.log, "t");
  await successor.drain();
});

test("a command that fails says so, in its result and in the log table", async () => {
  const world = await worldOf();
  const warehouse = withFaults(world.warehouse, (method) => {
    if (method === "maintain") throw new TributaryError("WAREHOUSE_FAILED", "no such procedure");
  });
  const committer = await start({ log: world.log, warehouse });
  await give(world.log, {});
  const [result] = await results(world.log, 1);
  assert.equal(result?.status, "failed");
  assert.match(result.resultJson, /no such procedure/);
  assert.equal(world.warehouse.logs._maintenance_log![0]?.details, "no such procedure");
  await committer.drain();
});

test("commands and commits take turns", async () => {
  const world = await worldOf();
  const given = Array.from({ length: 6 }, (_, index) => ({ commandId: `c${index}` }));
  for (let offset = 1; offset <= 60; offset++) await send(world.log, "t", file(offset));
  const warehouse = withFaults(world.warehouse, async (method, moment) => {
    if (method !== "commit" || moment !== "before") return;
    await give(world.log, ...given.splice(0));
    await new Promise((resolve) => setImmediate(resolve));
  });
  const committer = await start({ log: world.log, warehouse });
  await results(world.log, 6);
  await settled(world.log, "t");
  const turns = world.warehouse.calls.filter((call) => call === "commit" || call.startsWith("optimize")).join(" ");
  assert.match(turns, /commit optimize t commit/);
  assert.ok((await commitsOf(world.log)).length >= 3);
  await committer.drain();
});

test("all checks of a run take one statement; what each found is told and on record", async () => {
  const world = await worldOf();
  answering(world, (sql) => (sql.includes("FROM (SELECT 1\n)") ? 3 : 0));
  const committer = await start(world, { contracts: contracts(CHECKS) });
  await send(world.log, "t", file(1));
  await settled(world.log, "t");
  await give(world.log, { kind: "checks" });
  const [result] = await results(world.log, 1);
  assert.equal(result?.status, "error");
  const told = JSON.parse(result.resultJson) as { status: string; results: Record<string, unknown>[] };
  assert.equal(told.status, "error");
  assert.deepEqual(
    told.results.map((one) => [one.check_name, one.status, one.failing_rows, one.total_rows, one.details]),
    [
      ["unique", "passed", 0, 7, "0 values of id occur more than once"],
      ["enough", "passed", 0, 7, "7 rows; expected 1 to any number"],
      ["own", "failed", 3, 7, "the query returned 3 rows"],
      ["gone", "error", 0, 7, "Error: table t has no column 'gone'"],
    ],
  );
  assert.equal(world.warehouse.calls.filter((call) => call === "query").length, 2);
  const rows = world.warehouse.logs._quality_results!;
  assert.deepEqual(
    rows.map(({ check_name, table_name, run_id, column_name }) => [check_name, table_name, run_id, column_name]),
    [
      ["unique", "t", "c1", "id"],
      ["enough", "t", "c1", ""],
      ["own", "t", "c1", ""],
      ["gone", "t", "c1", "gone"],
    ],
  );
  await committer.drain();
});

test("when the statement for all fails, checks are asked one by one: the broken one is an error and hides no other", async () => {
  const world = await worldOf();
  world.warehouse.answer = (sql) => {
    if (sql.includes("HAVING")) throw new TributaryError("QUERY_FAILED", "no grouping today");
    return [[7, 0]];
  };
  const committer = await start(world, { contracts: contracts(CHECKS) });
  await send(world.log, "t", file(1));
  await settled(world.log, "t");
  await give(world.log, { kind: "checks", argumentsJson: JSON.stringify({ checks: ["unique", "enough"] }) });
  const [result] = await results(world.log, 1);
  const told = JSON.parse(result!.resultJson) as { results: { status: string; details: string }[] };
  assert.deepEqual(
    told.results.map(({ status, details }) => `${status}: ${details}`),
    ["error: Error: no grouping today", "passed: 7 rows; expected 1 to any number"],
  );
  await committer.drain();
});

test("of a table that does not exist checks are errors, and maintenance does not apply", async () => {
  const world = await worldOf([]);
  const committer = await start(world, { contracts: contracts(CHECKS) });
  await give(world.log, { kind: "checks" });
  const [result] = await results(world.log, 1);
  assert.equal(result?.status, "error");
  assert.match(result.resultJson, /table t does not exist/);
  await give(world.log, { commandId: "c2" });
  assert.equal((await results(world.log, 2))[1]?.status, "not_applicable");
  assert.deepEqual(world.warehouse.calls, []);
  await committer.drain();
});

test("gate block: the trusted view shows what had passed, and nothing before the first pass", async () => {
  const world = await worldOf();
  let failing = 1;
  world.warehouse.answer = (sql) => {
    if (!sql.includes("t_trusted")) return [[7, failing]];
    if (!world.warehouse.views.has("t_trusted")) throw new TributaryError("QUERY_FAILED", "no such view");
    return [[0]];
  };
  const enough = { name: "enough", type: "row_count_range", min_count: 1 };
  const committer = await start(world, { contracts: contracts({ table: "t", gate: "block", checks: [enough] }) });
  const view = async (commandId: string, count: number): Promise<string | undefined> => {
    await settled(world.log, "t");
    await give(world.log, { commandId, kind: "checks" });
    await results(world.log, count);
    return world.warehouse.views.get("t_trusted")?.replace(/^.* WHERE /, "");
  };
  await send(world.log, "t", file(5));
  assert.equal(await view("c1", 1), "FALSE");
  failing = 0;
  assert.equal(await view("c2", 2), '"_source_offset" <= 5');
  failing = 1;
  await send(world.log, "t", file(6));
  assert.equal(await view("c3", 3), '"_source_offset" <= 5');
  failing = 0;
  assert.equal(await view("c4", 4), '"_source_offset" <= 6');
  await committer.drain();
});
