import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { systemClock } from "../../../../lib/clock.ts";
import type { EventLog } from "../../../../lib/event-log/event-log.ts";
import { commandResults, commands } from "../../../../lib/messages/avro.ts";
import type { Command, CommandResult } from "../../../../lib/messages/generated.ts";
import { GROUPS, rowsTopic, TOPICS } from "../../../../lib/messages/topics.ts";
import { TributaryError } from "../../../../lib/errors.ts";
import { death, withFaults } from "../../../support/faults.ts";
import { messagesOf } from "../../../support/row-messages.ts";
import { until } from "../../../support/until.ts";
import { all, commitsOf, contracts, makeWorld, send, settled, start, type World } from "../harness.ts";

const command = (over: Partial<Command>): Command => ({
  commandId: "c1",
  table: "t",
  kind: "optimize",
  reason: "for the test",
  requestedAtMs: 1,
  argumentsJson: "{}",
  ...over,
});

/** A world with empty tables. */
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

const checks = (commandId: string): Partial<Command> => ({ commandId, kind: "checks" });

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

/** The result of a combined query: the total, then `failing` for each check. */
function answering(world: World, failing: (sql: string) => number): void {
  world.warehouse.answer = (sql) => {
    const columns = sql.slice(0, sql.indexOf(" FROM")).split(",").length;
    return [[7, ...Array.from({ length: columns - 1 }, () => failing(sql))]];
  };
}

test("the table's writer runs maintenance, records it and publishes the result; also for internal tables", async () => {
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
      details: "data files 1 → 1, delete files 0 → 0",
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

test("a dry run is told the warehouse, and is no run on record", async () => {
  const world = await worldOf();
  const asked: unknown[] = [];
  world.warehouse.maintenance = ({ dryRun }) => {
    asked.push(dryRun);
    return Promise.resolve({ status: "completed", details: "would remove 3 orphan files" });
  };
  const committer = await start(world);
  await give(world.log, { kind: "remove_orphan_files", argumentsJson: JSON.stringify({ dryRun: true }) });
  const [result] = await results(world.log, 1);
  assert.equal((JSON.parse(result!.resultJson) as { details: string }).details, "would remove 3 orphan files");
  assert.deepEqual(asked, [true]);
  assert.deepEqual(world.warehouse.logs._maintenance_log ?? [], []);
  await committer.drain();
});

test("a command is carried out once: when repeated, after a restart, and by any committer", async () => {
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

test("the next owner carries out a command whose committer crashed", async () => {
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

test("a failed command is reported in its result and in the log table", async () => {
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

test("commands and commits alternate", async () => {
  const world = await worldOf();
  const given = Array.from({ length: 6 }, (_, index) => ({ commandId: `c${index}` }));
  for (let offset = 1; offset <= 600; offset++) await send(world.log, "t", file(offset));
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

test("all checks of a run use one statement; each result is published and recorded", async () => {
  const world = await worldOf();
  answering(world, (sql) => (sql.includes("FROM (SELECT 1\n)") ? 3 : 0));
  const committer = await start(world, { contracts: contracts(CHECKS) });
  await send(world.log, "t", file(1));
  await settled(world.log, "t");
  await give(world.log, { kind: "checks" });
  const [result] = await results(world.log, 1);
  assert.equal(result?.status, "error");
  const reported = JSON.parse(result.resultJson) as { status: string; results: Record<string, unknown>[] };
  assert.equal(reported.status, "error");
  assert.deepEqual(
    reported.results.map((one) => [one.check_name, one.status, one.failing_rows, one.total_rows, one.details]),
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

test("if the combined statement fails, checks run one by one: a broken one is an error and hides no other", async () => {
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
  const reported = JSON.parse(result!.resultJson) as { results: { status: string; details: string }[] };
  assert.deepEqual(
    reported.results.map(({ status, details }) => `${status}: ${details}`),
    ["error: Error: no grouping today", "passed: 7 rows; expected 1 to any number"],
  );
  await committer.drain();
});

test("for a missing table checks are errors, and maintenance does not apply", async () => {
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

const ENOUGH = { name: "enough", type: "row_count_range", min_count: 1 };
const GATED = { table: "t", gate: "block", checks: [ENOUGH, { ...ENOUGH, name: "more" }] };

/** A committer whose checks find `failing` rows, and the state of its trusted relation after each run. */
async function gatedWorld() {
  const world = await worldOf([]);
  const state = { failing: 0 };
  world.warehouse.answer = () => [[7, state.failing, state.failing]];
  const committer = await start(world, { contracts: contracts(GATED) });
  let asked = 0;
  const check = async (args: object = {}): Promise<{ status: string; reported: Record<string, unknown> }> => {
    await settled(world.log, "t");
    await give(world.log, { commandId: `c${++asked}`, kind: "checks", argumentsJson: JSON.stringify(args) });
    const { status, resultJson } = (await results(world.log, asked))[asked - 1]!;
    return { status, reported: JSON.parse(resultJson) as Record<string, unknown> };
  };
  const shown = (): unknown[] => world.warehouse.trustedByName.get("t")!.rows.map(({ offset }) => offset);
  return { world, committer, state, check, shown };
}

test("gate block: the trusted view exists from the start, empty, and is updated only when all checks pass", async () => {
  const { world, committer, state, check, shown } = await gatedWorld();
  await send(world.log, "t", file(5));
  await settled(world.log, "t");
  assert.deepEqual(shown(), []);
  assert.deepEqual(await world.warehouse.published("t"), { asOfMs: null, heldBackSinceMs: null });
  state.failing = 1;
  const first = await check();
  assert.deepEqual(shown(), []);
  const { heldBackSince, trustedAsOf } = first.reported["gate"] as Record<string, string | null>;
  assert.equal(trustedAsOf, null);
  assert.ok(Date.parse(heldBackSince!) > 0);
  state.failing = 0;
  await check();
  assert.deepEqual(shown(), [5, 5]);
  state.failing = 1;
  await send(world.log, "t", file(6));
  const held = await check();
  assert.deepEqual(shown(), [5, 5]);
  const again = await check();
  assert.deepEqual(again.reported["gate"], held.reported["gate"], "held back since the first of them");
  state.failing = 0;
  const passed = await check();
  assert.deepEqual((passed.reported["gate"] as { heldBackSince: unknown }).heldBackSince, null);
  await committer.drain();
});

test("gate block: a run of some of the checks neither publishes nor holds", async () => {
  const { world, committer, state, check, shown } = await gatedWorld();
  await send(world.log, "t", file(5));
  const some = await check({ checks: ["enough"] });
  assert.equal(some.status, "passed");
  assert.equal(some.reported["gate"], undefined);
  assert.deepEqual(shown(), []);
  state.failing = 1;
  assert.equal((await check({ checks: ["enough"] })).status, "failed");
  assert.deepEqual(await world.warehouse.published("t"), { asOfMs: null, heldBackSinceMs: null });
  await committer.drain();
});

test("gate block: checks of a table that another writer changed are not published", async () => {
  const { world, committer, check, shown } = await gatedWorld();
  await send(world.log, "t", file(5));
  await settled(world.log, "t");
  world.warehouse.answer = async () => {
    const layout = { table: "t", mode: "replace", key: [], deleteMissing: false, partitioning: [] } as const;
    const gone = { fileId: "x", sourceFile: "f", sourceOffset: 9, columns: [] };
    await world.warehouse.commit({ layout, files: [gone] });
    return [[7, 0, 0]];
  };
  assert.equal((await check()).status, "passed");
  assert.deepEqual(shown(), []);
  assert.equal((await world.warehouse.published("t"))?.asOfMs, null);
  await committer.drain();
});

test("gate block: a failed update of the trusted view is an error, with the results", async () => {
  const world = await worldOf([]);
  world.warehouse.answer = () => [[7, 0, 0]];
  const warehouse = withFaults(world.warehouse, (method) => {
    if (method === "publish") throw new TributaryError("WAREHOUSE_FAILED", "there is a table of that name");
  });
  const committer = await start({ log: world.log, warehouse }, { contracts: contracts(GATED) });
  await send(world.log, "t", file(5));
  await settled(world.log, "t");
  await give(world.log, { kind: "checks" });
  const [result] = await results(world.log, 1);
  assert.equal(result?.status, "error");
  const reported = JSON.parse(result.resultJson) as { message: string; results: { status: string }[] };
  assert.match(reported.message, /cannot update t_trusted, it is unchanged: there is a table of that name/);
  assert.deepEqual(reported.results.map(({ status }) => status), ["passed", "passed"]); // prettier-ignore
  await committer.drain();
});

test("gate block: if the view's name is taken, commits continue, and each run of the checks says so", async () => {
  const world = await worldOf([]);
  world.warehouse.answer = () => [[7, 0, 0]];
  const warehouse = withFaults(world.warehouse, (method) => {
    if (method === "hold" || method === "publish") throw new TributaryError("TRUSTED_NAME_TAKEN", "it is a table");
  });
  const committer = await start({ log: world.log, warehouse }, { contracts: contracts(GATED) });
  await send(world.log, "t", file(5));
  await settled(world.log, "t");
  assert.equal(world.warehouse.rowsOf("t").length, 2, "the file is committed");
  await give(world.log, { kind: "checks" });
  const [result] = await results(world.log, 1);
  const reported = JSON.parse(result!.resultJson) as { message: string; gateFailed: boolean };
  assert.deepEqual([result!.status, reported.gateFailed], ["error", true]);
  assert.match(reported.message, /cannot update t_trusted, it is unchanged: it is a table/);
  await committer.drain();
});

test("without a gate, a run of all checks removes the view; a run of some does not", async () => {
  const world = await worldOf([]);
  world.warehouse.answer = () => [[7, 0, 0]];
  world.warehouse.trustedByName.set("t", { shown: { asOfMs: 1, heldBackSinceMs: null }, rows: [] });
  const committer = await start(world, { contracts: contracts({ ...GATED, gate: "none" }) });
  await send(world.log, "t", file(5));
  await settled(world.log, "t");
  await give(world.log, { commandId: "c1", kind: "checks", argumentsJson: '{"checks":["enough"]}' });
  await results(world.log, 1);
  assert.ok(world.warehouse.trustedByName.has("t"));
  await give(world.log, { commandId: "c2", kind: "checks" });
  const result = (await results(world.log, 2))[1]!;
  assert.equal((JSON.parse(result.resultJson) as { gate: unknown }).gate, null);
  assert.equal(world.warehouse.trustedByName.has("t"), false);
  await committer.drain();
});

test("a run of checks has a time limit: unfinished checks are errors", async () => {
  const world = await worldOf();
  const timeouts: number[] = [];
  const warehouse = withFaults(world.warehouse, async (method, moment, args) => {
    if (method !== "measure" || moment !== "before") return;
    const { timeoutMs } = args[2] as { timeoutMs: number };
    timeouts.push(timeoutMs);
    await systemClock.sleep(timeoutMs + 1);
    throw new TributaryError("QUERY_TIMEOUT", "too slow");
  });
  const committer = await start(
    { log: world.log, warehouse },
    { contracts: contracts(CHECKS), settings: { checksTimeoutMs: 20 } },
  );
  await give(world.log, { kind: "checks" });
  const [result] = await results(world.log, 1);
  assert.equal(result?.status, "error");
  assert.match(result.resultJson, /not measured: the run used up its 20 ms \(TRIBUTARY_CHECKS_TIMEOUT\)/);
  assert.deepEqual(timeouts, [20]);
  await committer.drain();
});

/** The duration of a commit, long enough to measure. */
const COMMIT_MS = 100;

/** Maintenance in the given number of steps; records its cursors. */
function steps(world: World, count: number): (string | undefined)[] {
  const cursors: (string | undefined)[] = [];
  world.warehouse.maintenance = ({ cursor }) => {
    cursors.push(cursor);
    const step = Number(cursor ?? 0) + 1;
    return { status: "completed", details: `step ${step}`, ...(step < count ? { next: String(step) } : {}) };
  };
  return cursors;
}

test("requests for the same checks that wait share one run; one that comes during the run gets the next", async () => {
  const world = await worldOf(["t"]);
  await send(world.log, "t", file(1));
  const runs: string[] = [];
  world.warehouse.answer = (sql) => {
    runs.push(sql);
    if (runs.length === 1) void give(world.log, { ...checks("late"), argumentsJson: "{}" });
    return [Array.from({ length: 10 }, () => 0)];
  };
  await give(
    world.log,
    ...["a", "b", "c"].map(checks),
    { ...checks("d"), argumentsJson: '{"checks":["unique","enough"]}' },
    { ...checks("e"), argumentsJson: '{"checks":["enough","unique","unique"]}' },
  );
  const committer = await start(world, { contracts: contracts(CHECKS) });
  const found = await results(world.log, 6);
  assert.deepEqual(found.map(({ commandId }) => commandId).sort(), ["a", "b", "c", "d", "e", "late"]);
  const byId = new Map(found.map((one) => [one.commandId, one]));
  assert.equal(byId.get("a")!.resultJson, byId.get("c")!.resultJson);
  assert.equal(byId.get("d")!.resultJson, byId.get("e")!.resultJson);
  assert.ok(byId.get("late")!.startedAtMs >= byId.get("a")!.finishedAtMs, "it sees the table as it is later");
  const recorded = world.warehouse.logs._quality_results!;
  assert.deepEqual([...new Set(recorded.map((row) => row["run_id"]))].sort(), ["a", "d", "late"]);
  await committer.drain();
});

test("different selections of checks beyond the limit are refused, all checks never", async () => {
  const names = Array.from({ length: 12 }, (_, at) => `check${at}`);
  const world = await worldOf(["t"]);
  await give(
    world.log,
    ...names.map((name) => ({ ...checks(name), argumentsJson: JSON.stringify({ checks: [name] }) })),
    checks("all"),
  );
  const committer = await start(world, {
    contracts: contracts({
      table: "t",
      checks: names.map((name) => ({ name, type: "custom_sql", sql: "SELECT 1" })),
    }),
  });
  const found = await results(world.log, 13);
  const refused = found.filter(({ resultJson }) => resultJson.includes("OVERLOADED")).map(({ commandId }) => commandId);
  assert.deepEqual(refused.sort(), ["check10", "check11", "check8", "check9"]);
  await committer.drain();
});

test("maintenance runs in steps; between them the table is written and other commands run", async () => {
  const world = await worldOf();
  const commit = world.warehouse.commit.bind(world.warehouse);
  world.warehouse.commit = async (...of) => {
    await systemClock.sleep(COMMIT_MS);
    return commit(...of);
  };
  const cursors = steps(world, 4);
  const plain = world.warehouse.maintenance;
  let offset = 0;
  world.warehouse.maintenance = async (options) => {
    if (cursors.length === 1) await give(world.log, { commandId: "c2", kind: "checks" });
    if (cursors.length < 3) {
      await send(world.log, "t", file(++offset));
      await until("the file to be complete", () => world.warehouse.stages.length >= offset);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return plain(options);
  };
  const committer = await start(world);
  await give(world.log, { commandId: "c1" });
  const found = await results(world.log, 2);
  assert.deepEqual(cursors, [undefined, "1", "2", "3"]);
  assert.deepEqual(found.map(({ commandId }) => commandId), ["c2", "c1"]); // prettier-ignore
  const { resultJson, startedAtMs, finishedAtMs, heldMs } = found[1]!;
  assert.match(resultJson, /"details":"data files 1 → 1, delete files 0 → 0; 4 steps"/);
  assert.ok(heldMs !== null && heldMs <= finishedAtMs - startedAtMs - COMMIT_MS / 2, `held for ${heldMs} ms`);
  assert.equal(world.warehouse.logs._maintenance_log!.length, 1);
  const turns = world.warehouse.calls.filter((call) => /^(commit|optimize)/.test(call)).join(" ");
  assert.match(turns, /optimize t commit optimize t/);
  await committer.drain();
});

test("tables are maintained one after the other; checks of others run meanwhile", async () => {
  const world = await worldOf();
  await world.log.createTopics([rowsTopic("u")]);
  await send(world.log, "t", file(1));
  await send(world.log, "u", file(1, "u"));
  let [running, most] = [0, 0];
  const checked = new AbortController();
  world.warehouse.maintenance = async () => {
    most = Math.max(most, ++running);
    if (!checked.signal.aborted) await once(checked.signal, "abort");
    running--;
    return { status: "completed", details: "merged" };
  };
  const committer = await start(world);
  await Promise.all([settled(world.log, "t"), settled(world.log, "u")]);
  await give(
    world.log,
    { commandId: "a" },
    { commandId: "b", table: "u" },
    { commandId: "c", table: "u", kind: "checks" },
  );
  assert.deepEqual((await results(world.log, 1)).map(({ commandId }) => commandId), ["c"]); // prettier-ignore
  // The writer of `u` has a turn for a command after each commit.
  for (const offset of [2, 3]) {
    await send(world.log, "u", file(offset, "u"));
    await settled(world.log, "u");
  }
  checked.abort();
  const [, ...maintained] = await results(world.log, 3);
  assert.deepEqual(maintained.map(({ status }) => status), ["completed", "completed"]); // prettier-ignore
  assert.equal(most, 1);
  await committer.drain();
});

test("a step that delays rows too long is cancelled, and the command reports it", async () => {
  const world = await worldOf();
  world.warehouse.maintenance = ({ cursor, signal }) => {
    if (cursor !== undefined) return { status: "completed", details: "the rest" };
    return new Promise((resolve) => {
      const giveUp = (): void => resolve({ status: "given up", details: "9 data files", next: "1" });
      signal!.addEventListener("abort", giveUp, { once: true });
    });
  };
  const committer = await start(world, { settings: { maintenanceHoldMs: 1 } });
  await give(world.log, { commandId: "c1" });
  await until("the step to run", () => world.warehouse.calls.includes("optimize t"));
  await send(world.log, "t", file(1));
  const [result] = await results(world.log, 1);
  assert.equal(result?.status, "failed");
  assert.match(result.resultJson, /9 data files: cancelled after rows waited more than 1 ms/);
  await settled(world.log, "t");
  const turns = world.warehouse.calls.filter((call) => /^(commit|optimize)/.test(call));
  assert.deepEqual(turns, ["optimize t", "commit", "optimize t"]);
  await committer.drain();
});

test("a draining committer cancels its command, and the next owner carries it out", async () => {
  const world = await worldOf();
  let hold = true;
  world.warehouse.maintenance = ({ signal }) =>
    hold
      ? new Promise((resolve) => {
          signal!.addEventListener("abort", () => resolve({ status: "given up", details: "" }), { once: true });
        })
      : { status: "completed", details: "" };
  const first = await start(world);
  await give(world.log, { commandId: "c1" });
  await until("the step to run", () => world.warehouse.calls.includes("optimize t"));
  await first.drain();
  assert.deepEqual(await resultsOf(world.log), []);
  assert.deepEqual(world.warehouse.logs._maintenance_log, []);
  hold = false;
  const second = await start(world);
  assert.equal((await results(world.log, 1))[0]?.status, "completed");
  await second.drain();
});
