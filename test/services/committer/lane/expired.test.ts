/** Rows that expire before the committer read them: their files end visibly, in order; the table continues. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode, TributaryError } from "../../../../lib/errors.ts";
import { ExpiryCheck } from "../../../../services/committer/lane/expired.ts";
import { rowsTopic } from "../../../../lib/messages/topics.ts";
import { withFaults } from "../../../support/faults.ts";
import { messagesOf } from "../../../support/row-messages.ts";
import { until } from "../../../support/until.ts";
import { commitsOf, makeWorld, parsedFiles, send, settled, start, type World } from "../harness.ts";

const file = (sourceOffset: number, rows = 1) => ({
  table: "t",
  sourceFile: `f${sourceOffset}`,
  sourceOffset,
  columns: { id: "BIGINT" as const },
  rows: Array.from({ length: rows }, () => [sourceOffset]),
});

const expire = async (world: World, keep: number): Promise<void> => {
  const [rows] = await world.log.offsets(rowsTopic("t").name);
  world.log.broker.expire(rowsTopic("t").name, 0, rows!.next - keep);
};

const outcomes = async (world: World): Promise<string[]> =>
  (await commitsOf(world.log))
    .flatMap(({ files }) => files)
    .map(({ sourceFile, status, errorCode }) => `${sourceFile} ${errorCode ?? status}`);

test("files whose rows are all gone end as ROWS_MISSING, a deletion as what it is, and later files are committed", async () => {
  const world = await makeWorld(["t"], 0);
  await parsedFiles(world, 4, [1]);
  await send(world.log, "t", [0, 1, 2].flatMap((offset) => messagesOf(file(offset)))); // prettier-ignore
  await expire(world, 0);
  await send(world.log, "t", messagesOf(file(3)));
  const committer = await start(world);
  await settled(world.log, "t");
  assert.deepEqual(await outcomes(world), ["f0 ROWS_MISSING", "f1 committed", "f2 ROWS_MISSING", "f3 committed"]);
  assert.match(await committer.registry.metrics(), /tributary_dropped_total\{.*reason="expired".*\} 1/);
  await committer.drain();
});

test("a file with only its end left fails too, not silently short of rows", async () => {
  const world = await makeWorld(["t"], 0);
  await parsedFiles(world, 2);
  await send(world.log, "t", [0, 1].flatMap((offset) => messagesOf(file(offset, 3)))); // prettier-ignore
  await expire(world, 1);
  const committer = await start(world);
  await settled(world.log, "t");
  assert.deepEqual(await outcomes(world), ["f0 ROWS_MISSING", "f1 ROWS_MISSING"]);
  await committer.drain();
});

test("nothing left at all: the files end without another record to come", async () => {
  const world = await makeWorld(["t"], 0);
  await parsedFiles(world, 2);
  await send(world.log, "t", [0, 1].flatMap((offset) => messagesOf(file(offset)))); // prettier-ignore
  await expire(world, 0);
  const committer = await start(world);
  await until("both are on record", async () => (await outcomes(world)).length === 2);
  assert.deepEqual(await outcomes(world), ["f0 ROWS_MISSING", "f1 ROWS_MISSING"]);
  await committer.drain();
});

test("records that expire while the committer cannot commit are noticed when it continues", async () => {
  const world = await makeWorld(["t"], 0);
  await parsedFiles(world, 60);
  let isAway = true;
  const warehouse = withFaults(world.warehouse, (method, moment) => {
    if (method === "commit" && moment === "before" && isAway) throw new TributaryError("WAREHOUSE_UNAVAILABLE", "away");
  });
  await send(world.log, "t", Array.from({ length: 60 }, (_, offset) => messagesOf(file(offset))).flat()); // prettier-ignore
  const committer = await start({ log: world.log, warehouse }, { settings: { filesMax: 2 } });
  await until("it tries", async () => /tributary_committer_retries_total\{.*\} [1-9]/.test(await committer.registry.metrics())); // prettier-ignore
  await expire(world, 2);
  isAway = false;
  await settled(world.log, "t");
  const ended = await outcomes(world);
  assert.equal(new Set(ended.map((one) => one.split(" ")[0])).size, 60, "every file ends");
  assert.equal(ended.at(-1), "f59 committed");
  assert.ok(ended.some((one) => one.endsWith("ROWS_MISSING")));
  await committer.drain();
});

test("offsets that start again end the assignment: the topic was recreated while it was read", async () => {
  const world = await makeWorld(["t"], 0);
  const check = new ExpiryCheck(world.log, "rows.t");
  for (const offset of [7, 8]) await check.check(offset);
  await assert.rejects(check.check(0), (thrown) => hasCode(thrown, "LOG_RECREATED"));
});
