import assert from "node:assert/strict";
import { test } from "node:test";
import { SourceFiles } from "../../../../lib/warehouse/commit/source-files.ts";

const known = (names: readonly string[], rows: number | undefined = 1, reads: number[] = []) => ({
  rows,
  read: async (namesMax: number) => {
    reads.push(namesMax);
    return names;
  },
});

test("a table is queried once, and every commit adds its files", async () => {
  const files = new SourceFiles();
  const reads: number[] = [];
  assert.equal(await files.holdsNone("t", ["b"], known(["a"], 1, reads)), true);
  files.add("t", ["b"]);
  assert.equal(await files.holdsNone("t", ["c", "b"], known([], 1, reads)), false);
  assert.equal(await files.holdsNone("t", ["a"], known([], 1, reads)), false);
  assert.equal(await files.holdsNone("u", ["a"], known([], 1, reads)), true, "of another table");
  assert.equal(reads.length, 2);
  files.forget("t");
  assert.equal(await files.holdsNone("t", ["b"], known(["a"], 1, reads)), true, "queried again");
});

test("nothing is certain of a large table, an unknown one, or one with too many files", async () => {
  const files = new SourceFiles();
  const never = { read: () => Promise.reject(new Error("queried")) };
  assert.equal(await files.holdsNone("t", ["a"], { rows: 5_000_001, ...never }), false);
  assert.equal(await files.holdsNone("t", ["a"], { rows: undefined, ...never }), false);
  const many = Array.from({ length: 50_001 }, (_, n) => `f${n}`);
  assert.equal(await files.holdsNone("t", ["a"], known(many)), false);
  assert.equal(await files.holdsNone("t", ["a"], { rows: 1, ...never }), false, "and it is not queried again");
  files.add("unknown", ["a"]);
  assert.equal(
    await files.holdsNone("unknown", ["a"], known([])),
    true,
    "a commit before the query counts for nothing",
  );
});
