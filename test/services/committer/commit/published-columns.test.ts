import assert from "node:assert/strict";
import { test } from "node:test";
import { tableSchemas } from "../../../../lib/messages/avro.ts";
import { TOPICS } from "../../../../lib/messages/topics.ts";
import { messagesOf, type TestFile } from "../../../support/row-messages.ts";
import { columns } from "../../../support/rows.ts";
import { until } from "../../../support/until.ts";
import { all, makeWorld, send, settled, start, type World } from "../harness.ts";

const file = (sourceOffset: number, over: Partial<TestFile> = {}): TestFile => ({
  table: "t",
  sourceFile: `${sourceOffset}.csv`,
  sourceOffset,
  columns: { id: "INTEGER", name: "VARCHAR" },
  rows: [[sourceOffset, "x"]],
  ...over,
});

/** What is published of tables: offset and columns. */
const publishedIn = async ({ log }: World): Promise<string[]> =>
  (await all(log, TOPICS.tableSchemas.name, tableSchemas)).map(
    ({ sourceOffset, columns }) => `${sourceOffset}: ${columns.map(({ name, type }) => `${name} ${type}`).join(", ")}`,
  );

async function sendAll(world: World, ...files: TestFile[]): Promise<void> {
  for (const one of files) {
    await send(world.log, "t", messagesOf(one));
    await settled(world.log, "t");
  }
}

test("columns are published after the commit that changed them, and not again", async () => {
  const world = await makeWorld();
  const committer = await start(world);
  await sendAll(world, file(1), file(2), file(3, { columns: { id: "BIGINT", more: "DATE" }, rows: [[7, 1]] }), file(4));
  const expected = ["1: id INTEGER, name VARCHAR", "3: id BIGINT, name VARCHAR, more DATE"];
  assert.deepEqual(await publishedIn(world), expected);
  const [first] = await all(world.log, TOPICS.tableSchemas.name, tableSchemas);
  assert.deepEqual(JSON.parse(first!.dialectJson), {
    quote: '"',
    escape: '"',
    header: true,
    delimiter: ",",
    encoding: "utf-8",
  });
  await committer.drain();
});

test("after a file that conflicts the table's columns are published, so that no parser expects the file's", async () => {
  const world = await makeWorld();
  const committer = await start(world);
  await sendAll(world, file(1), file(2, { columns: { id: "DATE", more: "DATE" }, rows: [[1, 1]] }), file(3));
  assert.equal(world.warehouse.ledger.get("2.csv@2")?.outcome.errorCode, "SCHEMA_CONFLICT");
  assert.deepEqual(await publishedIn(world), ["1: id INTEGER, name VARCHAR", "2: id INTEGER, name VARCHAR"]);
  await committer.drain();
});

test("a file without a loaded row changes no columns, and conflicts with none", async () => {
  const world = await makeWorld();
  const committer = await start(world);
  const wrong = { id: "DATE", breed: "VARCHAR" } as const;
  await sendAll(world, file(1), file(2, { columns: wrong, rows: [], rejected: [1, 2] }));
  assert.deepEqual(
    world.warehouse.tablesByName.get("t")?.columns.map(({ name }) => name),
    ["id", "name"],
  );
  assert.equal(world.warehouse.ledger.get("2.csv@2")?.outcome.status, "rejected");
  assert.deepEqual((await publishedIn(world)).at(-1), "2: id INTEGER, name VARCHAR");
  await committer.drain();
});

test("when a lane opens, what is published wrongly of its table is set right", async () => {
  const world = await makeWorld();
  let committer = await start(world);
  await sendAll(world, file(1));
  await committer.drain();
  // A parser of an earlier version published what its file would have brought; the file failed.
  const value = tableSchemas.encode({
    table: "t",
    sourceOffset: 1,
    columns: columns({ id: "DATE" }),
    dialectJson: JSON.stringify({ delimiter: ";", quote: '"', escape: '"', header: true, encoding: "utf-8" }),
  });
  await world.log.publish(TOPICS.tableSchemas.name, [{ key: "t", value }]);
  committer = await start(world);
  await until("it is published", async () => (await publishedIn(world)).length === 3);
  assert.equal((await publishedIn(world)).at(-1), "1: id INTEGER, name VARCHAR");
  const last = (await all(world.log, TOPICS.tableSchemas.name, tableSchemas)).at(-1)!;
  assert.match(last.dialectJson, /"delimiter":";"/, "the pinned format stays");
  await committer.drain();
  committer = await start(world);
  await sendAll(world, file(2));
  assert.equal((await publishedIn(world)).length, 3, "nothing differs, nothing is published");
  await committer.drain();
});

test("a table that was dropped by hand is made again by the next file, also by one alone", async () => {
  const world = await makeWorld();
  const committer = await start(world);
  await sendAll(world, file(1));
  world.warehouse.tablesByName.delete("t");
  await sendAll(world, file(2), file(3));
  for (const id of ["2.csv@2", "3.csv@3"]) assert.equal(world.warehouse.ledger.get(id)?.outcome.status, "committed");
  assert.equal(world.warehouse.rowsOf("t").length, 2);
  world.warehouse.tablesByName.get("t")!.columns.pop();
  await sendAll(world, file(4, { columns: { id: "VARCHAR" }, rows: [["x"]] }));
  assert.deepEqual(
    (await publishedIn(world)).at(-1),
    "4: id INTEGER",
    "what was done by hand shows at the next failure",
  );
  world.warehouse.tablesByName.delete("t");
  await sendAll(world, file(5, { columns: { id: "DATE" }, rows: [[1]] }));
  assert.deepEqual((await publishedIn(world)).at(-1), "5: id DATE", "with the types of its first file");
  await committer.drain();
});

test("a table without files is made by none that fails, and nothing is published of it", async () => {
  const world = await makeWorld();
  const committer = await start(world);
  await sendAll(world, file(1, { outcome: "failed", errorCode: "FILE_NOT_CSV", rows: [] }));
  assert.deepEqual(await publishedIn(world), []);
  await committer.drain();
});
