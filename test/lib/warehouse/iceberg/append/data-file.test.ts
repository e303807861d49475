import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { writeDataFile, type DataFile } from "../../../../../lib/warehouse/iceberg/append/data-file.ts";

/** Rows of a row group: DuckDB rounds it up to a multiple of 2,048. */
const GROUP_ROWS = 2_048;

async function opened(t: TestContext): Promise<{ connection: DuckDBConnection; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), "data-file-"));
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  t.after(async () => {
    connection.closeSync();
    instance.closeSync();
    await rm(folder, { recursive: true });
  });
  return { connection, folder };
}

test("a column with NaN in any row group has no bounds, which would hide it", async (t) => {
  const { connection, folder } = await opened(t);
  const columns = [
    { id: 7, name: "d", type: "DOUBLE" },
    { id: 8, name: "n", type: "BIGINT" },
  ] as const;
  const written = (rows: number, nanAt: number): Promise<DataFile> =>
    writeDataFile(connection, {
      ...{ folder, columns, rowGroupRows: GROUP_ROWS },
      select: `SELECT CASE WHEN i = ${nanAt} THEN 'NaN'::DOUBLE ELSE i END AS d, i AS n FROM range(${rows}) r(i)`,
    });
  for (const nanAt of [0, 1.5 * GROUP_ROWS, 3 * GROUP_ROWS - 1]) {
    const file = await written(3 * GROUP_ROWS, nanAt);
    assert.deepEqual([[...file.lower.keys()], [...file.upper.keys()]], [[8], [8]], `NaN in row ${nanAt}`);
    assert.deepEqual(
      [...file.nulls],
      [
        [7, 0n],
        [8, 0n],
      ],
    );
  }
  assert.deepEqual([...(await written(10, 3)).upper.keys()], [8]);
  assert.equal((await written(10, -1)).upper.get(7)?.readDoubleLE(), 9);
});
