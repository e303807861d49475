/** Commits with little memory: the division, and on the real catalog that the environment names. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { TributaryError } from "../../../../../lib/errors.ts";
import { withinMemory } from "../../../../../lib/warehouse/iceberg/commit/memory.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import { icebergGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, type Row } from "../../../../support/rows.ts";
import { TestTable } from "../../../../support/test-table.ts";

const exhausted = new TributaryError("WAREHOUSE_LIMIT", "Out of Memory Error: no\nPossible solutions:", {
  retryable: true,
});

/** The attempts of a commit of 1,000 rows of which `failing` fail. */
async function attempts(failing: number, error: unknown = exhausted) {
  const made: string[] = [];
  const outcome = await withinMemory({ rows: 1_000, rowsMax: 5_000 }, async ({ rowsMax }, alone) => {
    made.push(`${rowsMax}${alone ? " alone" : ""}`);
    if (made.length <= failing) throw error;
    return "committed";
  }).catch((thrown: unknown) => thrown);
  return { made, outcome };
}

test("a commit that runs out of memory is repeated in twice the slices, at last alone", async () => {
  assert.deepEqual(await attempts(0), { made: ["1000"], outcome: "committed" });
  assert.deepEqual(await attempts(2), { made: ["1000", "500", "250 alone"], outcome: "committed" });
  const { made, outcome } = await attempts(99);
  assert.equal(made.length, 3);
  assert.ok(outcome instanceof TributaryError);
  assert.deepEqual([outcome.code, outcome.retryable], ["WAREHOUSE_LIMIT", false]);
  assert.match(outcome.message, /^1000 rows .* steps of 250 rows: raise TRIBUTARY_COMMIT_MEMORY_MAX.*Error: no\)$/);
  const other = new Error("other");
  assert.deepEqual(await attempts(1, other), { made: ["1000"], outcome: other });
});

/** With 40 MiB one MERGE of these runs out of memory, and two of half as many do not. */
const ROWS = 200_000;
const MEMORY_BYTES = 40 * 1024 * 1024;

const NAME = "iceberg: an upsert that does not fit into the memory at once";
const given = icebergGiven(NAME);
if (given) {
  after(() => given.drop());
  test(NAME, async (t) => {
    const options = { ...given.options, memoryBytesMax: MEMORY_BYTES, threads: 1 };
    const warehouse = await openWarehouse(given.url, { iceberg: options });
    t.after(() => warehouse.close());
    const table = new TestTable(warehouse, columns({ id: "BIGINT", name: "VARCHAR" }), { mode: "upsert", key: ["id"] });
    const rowsOf = (name: string): Row[] =>
      Array.from({ length: ROWS }, (_, id) => ({ id, name: `${name} of the order number ${id}` }));
    const first = await table.ingest({ sourceFile: "a.csv", sourceOffset: 1, rows: rowsOf("a") });
    const second = await table.ingest({ sourceFile: "b.csv", sourceOffset: 2, rows: rowsOf("b") });
    const changes = [first, second].map(({ rowsInserted, rowsUpdated }) => [rowsInserted, rowsUpdated]);
    assert.deepEqual(changes, [
      [ROWS, 0],
      [0, ROWS],
    ]);
    const found = await table.query("SELECT count(*), count(DISTINCT id), min(name) FROM $t");
    assert.deepEqual(found, [[ROWS, ROWS, "b of the order number 0"]]);
  });
}
