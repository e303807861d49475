/** Concurrency in a committer: a ledger write during the next commit, and the limit of commits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultContract } from "../../../../lib/contract/contract.ts";
import type { MicroBatch } from "../../../../lib/warehouse/warehouse.ts";
import { LedgerWrite, type ReadyFile } from "../../../../services/committer/lane/ledger-write.ts";
import { withFaults } from "../../../support/faults.ts";
import { messagesOf, type TestFile } from "../../../support/row-messages.ts";
import { until } from "../../../support/until.ts";
import { commitsOf, contracts, makeWorld, send, settled, start, type World } from "../harness.ts";

const file = (sourceOffset: number, over: Partial<TestFile> = {}): TestFile => ({
  table: "t",
  sourceFile: `f${sourceOffset}`,
  sourceOffset,
  columns: { id: "BIGINT" },
  rows: [[sourceOffset]],
  ...over,
});

/**
 * The world's warehouse, with a method that waits until released; `waiting` lists the tables or files of its
 * calls.
 */
function holding(world: World, held: "commit" | "record") {
  const waiting: string[] = [];
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const warehouse = withFaults(world.warehouse, async (method, moment, [first]) => {
    if (method !== held || moment !== "before") return;
    waiting.push(held === "commit" ? (first as MicroBatch).layout.table : String(first));
    await released;
  });
  return { warehouse, waiting, release: () => release() };
}

const offsetsIn = ({ warehouse }: World): number[] =>
  warehouse.rowsOf("t").map((row) => (row as { offset: number }).offset);

test("the next files are committed during a ledger write, but not acked with it", async () => {
  const world = await makeWorld();
  const { warehouse, release } = holding(world, "record");
  const committer = await start({ log: world.log, warehouse });
  await send(world.log, "t", messagesOf(file(1)));
  await until("the first is committed", () => offsetsIn(world).length === 1);
  await send(world.log, "t", messagesOf(file(2)));
  await until("so is the second", () => offsetsIn(world).length === 2);
  assert.equal(world.warehouse.ledger.size, 0);
  assert.deepEqual(await world.log.groupOffsets("tributary-committer", "rows.t"), []);
  release();
  await settled(world.log, "t");
  assert.equal(world.warehouse.ledger.size, 2);
  await committer.drain();
});

for (const [why, over, declared] of [
  ["a newer version of a file in it", { sourceFile: "f1" }, []],
  ["a table whose missing keys go", {}, [{ table: "t", writeMode: "upsert", key: ["id"], deleteMissing: true }]],
] as const) {
  test(`${why} waits for the ledger write`, async () => {
    const world = await makeWorld();
    const { warehouse, waiting, release } = holding(world, "record");
    const committer = await start({ log: world.log, warehouse }, { contracts: contracts(...declared) });
    await send(world.log, "t", messagesOf(file(1)));
    await until("the ledger write is running", () => waiting.length === 1);
    await send(world.log, "t", messagesOf(file(2, over)));
    await until("the second is staged", () => world.warehouse.stages.at(-1)?.rowCount === 1 && world.warehouse.stages.length === 2); // prettier-ignore
    assert.deepEqual(offsetsIn(world), [1]);
    release();
    await settled(world.log, "t");
    assert.equal(world.warehouse.ledger.size, 2);
    await committer.drain();
  });
}

test("during a ledger write, its own files may not be committed, nor files that delete missing keys", () => {
  const ready = (sourceFile: string): ReadyFile => ({ file: { sourceFile } }) as ReadyFile;
  const ledgerWrite = new LedgerWrite();
  const keeping = { ...defaultContract("t"), deleteMissing: false };
  assert.ok(ledgerWrite.allows([ready("f1")], { ...keeping, deleteMissing: true }), "no write is pending yet");
  ledgerWrite.begin([ready("f1"), ready("f2")], () => new Promise(() => undefined), () => undefined); // prettier-ignore
  assert.ok(ledgerWrite.allows([ready("f3")], keeping));
  assert.ok(!ledgerWrite.allows([ready("f3"), ready("f2")], keeping));
  assert.ok(!ledgerWrite.allows([ready("f3")], { ...keeping, deleteMissing: true }));
});

test("a drain waits for the ledger write", async () => {
  const world = await makeWorld();
  const { warehouse, waiting, release } = holding(world, "record");
  const committer = await start({ log: world.log, warehouse });
  await send(world.log, "t", messagesOf(file(1)));
  await until("the ledger write is running", () => waiting.length === 1);
  const drained = committer.drain();
  release();
  await drained;
  assert.equal(world.warehouse.ledger.size, 1);
  await settled(world.log, "t");
});

test("concurrent commits are limited; waiting files gather", async () => {
  const tables = ["a", "b", "c"];
  const world = await makeWorld(tables);
  const { warehouse, waiting, release } = holding(world, "commit");
  const settings = { commitsAtOnceMax: 2 };
  const committer = await start({ log: world.log, warehouse }, { settings });
  for (const table of tables) await send(world.log, table, messagesOf(file(1, { table })));
  await until("two are committed to", () => waiting.length === 2);
  for (let offset = 2; offset <= 5; offset++) {
    for (const table of tables) await send(world.log, table, messagesOf(file(offset, { table })));
  }
  await until("all files are staged", () => world.warehouse.stages.filter(({ rowCount }) => rowCount === 1).length === 15); // prettier-ignore
  assert.equal(waiting.length, 2);
  release();
  for (const table of tables) await settled(world.log, table);
  const last = tables.find((table) => !waiting.slice(0, 2).includes(table));
  const commits = (await commitsOf(world.log)).filter(({ table }) => table === last);
  assert.equal(commits[0]?.files.length, 5);
  await committer.drain();
});
