/** The benchmarks of large files, tiny: each throws if a row is missing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withTributary } from "../../bench/embedded.ts";
import { isolation } from "../../bench/large-files/isolation.ts";
import { oneBadRow } from "../../bench/large-files/one-bad-row.ts";
import { filesOfOneTable } from "../../bench/large-files/one-table.ts";

test("small files beside a large one, and files of one table", async () => {
  await withTributary(async ({ url }) => {
    const gateway = { gateway: url };
    const { smallFiles, largeFile } = await isolation(gateway, { rows: 2_000, smallFilesPerS: 10, aloneS: 0.2 });
    assert.ok(smallFiles.alone.files > 0 && smallFiles.beside.files > 0 && smallFiles.p95Ratio > 0);
    assert.ok(largeFile.ratio > 0);
    const { filesPerS } = await filesOfOneTable(gateway, { files: 6, rowsPerFile: 50 });
    assert.ok(filesPerS > 0);
  });
});

test("one bad row", async () => {
  const results = await oneBadRow({ rows: 2_000, rounds: 1 });
  assert.deepEqual(Object.keys(results), ["tooManyCells", "badValue"]);
});
