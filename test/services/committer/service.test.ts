import assert from "node:assert/strict";
import { test } from "node:test";
import { rowsTopic } from "../../../lib/messages/topics.ts";
import { messagesOf, type TestFile } from "../../support/row-messages.ts";
import { until } from "../../support/until.ts";
import { commitsOf, contracts, makeWorld, send, settled, start } from "./harness.ts";

const file = (over: Partial<TestFile>): TestFile => ({
  table: "t",
  sourceFile: "a.csv",
  sourceOffset: 1,
  columns: { id: "BIGINT", name: "VARCHAR" },
  rows: [
    [1, "one"],
    [2, "two"],
    [3, "three"],
  ],
  ...over,
});

test("a file's rows are committed, its end is recorded, published and acked", async () => {
  const { log, warehouse } = await makeWorld();
  const committer = await start({ log, warehouse });
  await send(log, "t", messagesOf(file({ rejected: [2] })));
  await settled(log, "t");
  await committer.ready();
  assert.deepEqual(
    warehouse.rowsOf("t").map((row) => (row as { row: number }).row),
    [1, 3, 4],
  );
  const [commit, ...more] = await commitsOf(log);
  assert.equal(more.length, 0);
  assert.equal(commit?.limit, "idle");
  assert.equal(commit.rowsInserted, 3);
  const [outcome] = commit.files;
  assert.deepEqual(
    [outcome?.status, outcome?.rowsRead, outcome?.rowsCommitted, outcome?.rowsRejected, outcome?.rowsOffset],
    ["committed", 4, 3, 1, 3],
  );
  assert.deepEqual({ ...warehouse.ledger.get("a.csv@1")?.outcome }, { ...outcome });
  assert.equal(warehouse.rejected.size, 1);
  await until("stages are discarded", () => warehouse.stages.every(({ discarded }) => discarded));
  await committer.drain();
});

test("files that end during a commit share the next one", async () => {
  const { log, warehouse } = await makeWorld();
  const files = Array.from({ length: 12 }, (_, index) => file({ sourceFile: `f${index}`, sourceOffset: index }));
  const committer = await start({ log, warehouse });
  for (const one of files) await send(log, "t", messagesOf(one));
  await settled(log, "t");
  const commits = await commitsOf(log);
  assert.equal(commits.flatMap((commit) => commit.files).length, 12);
  assert.ok(commits.length < 12, `${commits.length} commits`);
  assert.equal(warehouse.rowsOf("t").length, 36);
  await committer.drain();
});

test("later tables join, and each has one writer at a time", async () => {
  const { log, warehouse } = await makeWorld([]);
  const committer = await start({ log, warehouse });
  await Promise.all(
    ["x", "y"].map(async (table) => {
      await log.createTopics([rowsTopic(table)]);
      for (let version = 1; version < 20; version++) {
        await send(log, table, messagesOf(file({ table, sourceOffset: version, sourceFile: `${version % 3}` })));
      }
      await settled(log, table);
    }),
  );
  assert.equal(warehouse.rowsOf("x").length, 9);
  assert.equal(warehouse.rowsOf("y").length, 9);
  assert.equal(warehouse.writersAtOnceMax, 1);
  await committer.drain();
});

test("the contract decides how rows are written", async () => {
  const { log, warehouse } = await makeWorld();
  const upsert = contracts({ table: "t", writeMode: "upsert", key: ["id"] });
  const committer = await start({ log, warehouse }, { contracts: upsert });
  await send(log, "t", messagesOf(file({})));
  await send(log, "t", messagesOf(file({ sourceFile: "b.csv", sourceOffset: 2, rows: [[2, "zwei"]] })));
  await settled(log, "t");
  assert.deepEqual(
    warehouse
      .rowsOf("t")
      .map((row) => (row as { name: string }).name)
      .sort(),
    ["one", "three", "zwei"],
  );
  await committer.drain();
});

for (const onDelete of ["remove", "keep"] as const) {
  test(`onDelete ${onDelete}: a deleted object`, async () => {
    const { log, warehouse } = await makeWorld();
    const committer = await start({ log, warehouse }, { contracts: contracts({ table: "t", onDelete }) });
    await send(log, "t", messagesOf(file({})));
    await send(log, "t", messagesOf(file({ sourceOffset: 2, outcome: "deleted", columns: {}, rows: [] })));
    await settled(log, "t");
    assert.equal(warehouse.rowsOf("t").length, onDelete === "keep" ? 3 : 0);
    const outcome = warehouse.ledger.get("a.csv@2")?.outcome;
    assert.deepEqual([outcome?.status, outcome?.rowsCommitted], ["committed", 0]);
    await committer.drain();
  });
}

test("a deletion from a table that does not exist creates none", async () => {
  const { log, warehouse } = await makeWorld();
  const committer = await start({ log, warehouse }, { contracts: contracts({ table: "t", onDelete: "remove" }) });
  await send(log, "t", messagesOf(file({ outcome: "deleted", columns: {}, rows: [] })));
  await settled(log, "t");
  assert.deepEqual(await warehouse.tables(), []);
  await committer.drain();
});

test("a file without a loaded row creates no table", async () => {
  const { log, warehouse } = await makeWorld();
  const committer = await start({ log, warehouse });
  await send(log, "t", messagesOf(file({ rows: [] })));
  await send(log, "t", messagesOf(file({ sourceFile: "b", sourceOffset: 2, rows: [], rejected: [1, 2] })));
  await settled(log, "t");
  assert.equal(await warehouse.describe("t"), undefined);
  const statuses = ["a.csv@1", "b@2"].map((id) => warehouse.ledger.get(id)?.outcome.status);
  assert.deepEqual(statuses, ["committed", "rejected"]);
  await committer.drain();
});

test("a file that failed in the parser is recorded as failed, without rows", async () => {
  const { log, warehouse } = await makeWorld();
  const committer = await start({ log, warehouse });
  await send(log, "t", messagesOf(file({ outcome: "failed", rejected: [4] })));
  await settled(log, "t");
  const outcome = warehouse.ledger.get("a.csv@1")?.outcome;
  assert.deepEqual(
    [outcome?.status, outcome?.errorCode, outcome?.rowsRead, outcome?.rowsCommitted, outcome?.rowsRejected],
    ["failed", "FILE_EMPTY", 1, 0, 1],
  );
  assert.deepEqual(await warehouse.tables(), []);
  await committer.drain();
});

test("columns are added and widened; an incompatible column fails only its file", async () => {
  const { log, warehouse } = await makeWorld();
  const committer = await start({ log, warehouse });
  await send(log, "t", messagesOf(file({ columns: { id: "INTEGER", name: "VARCHAR" } })));
  await send(log, "t", [
    ...messagesOf(file({ sourceFile: "b", sourceOffset: 2 })),
    ...messagesOf(file({ sourceFile: "c", sourceOffset: 3, columns: { id: "VARCHAR" }, rows: [["x"]] })),
    ...messagesOf(file({ sourceFile: "d", sourceOffset: 4, columns: { id: "INTEGER", more: "DATE" }, rows: [[7, 1]] })),
  ]);
  await settled(log, "t");
  const columns = (await warehouse.describe("t"))?.columns.map(({ name, type }) => `${name} ${type}`);
  assert.deepEqual(columns, ["id BIGINT", "name VARCHAR", "more DATE"]);
  const outcomes = ["b@2", "c@3", "d@4"].map((id) => warehouse.ledger.get(id)?.outcome);
  assert.deepEqual(
    outcomes.map((outcome) => outcome?.errorCode),
    [null, "SCHEMA_CONFLICT", null],
  );
  assert.match(outcomes[1]?.errorMessage ?? "", /'id'.*BIGINT.*VARCHAR/);
  assert.equal(warehouse.rowsOf("t").length, 7);
  await committer.drain();
});

test("drain commits complete files, leaves the rest to the next owner, and accepts nothing new", async () => {
  const { log, warehouse } = await makeWorld();
  const committer = await start({ log, warehouse }, { settings: { idleGapMs: 60_000, ageMsMax: 60_000 } });
  await send(log, "t", messagesOf(file({})));
  await until("the first commit", async () => (await commitsOf(log)).length === 1);
  const half = messagesOf(file({ sourceFile: "half", sourceOffset: 3 }));
  await send(log, "t", [...messagesOf(file({ sourceFile: "b", sourceOffset: 2 })), ...half.slice(0, 1)]);
  await until("all is staged", () => warehouse.stages.length === 3);
  await committer.drain();
  await committer.drain();
  assert.deepEqual(
    (await commitsOf(log)).map(({ limit }) => limit),
    ["idle", "drain"],
  );
  const successor = await start({ log, warehouse });
  await send(log, "t", half.slice(1));
  await settled(log, "t");
  assert.equal(warehouse.rowsOf("t").length, 9);
  assert.equal(warehouse.calls.filter((call) => call === "commit").length, 3);
  await successor.drain();
});
