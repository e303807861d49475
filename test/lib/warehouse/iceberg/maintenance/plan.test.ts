import assert from "node:assert/strict";
import { test } from "node:test";
import { firstStep, groupsOf, savedFiles, SMALL_BYTES, type PlanFile } from "../../../../../lib/warehouse/iceberg/maintenance/plan.ts"; // prettier-ignore
import { seededRandom } from "../../../../support/random.ts";

const MB = 1024 * 1024;
const file = (bytes: number, partition = "a"): PlanFile => ({ bytes, partition });

test("files that deletes refer to are rewritten, large ones too, and no other large file", () => {
  const [deleted, kept] = [file(500 * MB), file(500 * MB)];
  assert.deepEqual(groupsOf([deleted, kept], (one) => one === deleted), [[deleted]]); // prettier-ignore
  assert.deepEqual(groupsOf([kept, file(SMALL_BYTES)]), []);
});

test("small files of one partition are merged, a single one is not", () => {
  const [one, two, other] = [file(1000), file(2000), file(1000, "b")];
  assert.deepEqual(groupsOf([two, one, other]), [[one, two]]);
  assert.equal(savedFiles([two, one, other]), 1);
});

test("a file is not merged with much smaller ones", () => {
  const [large, ...tiny] = [file(20 * MB), file(1000), file(1000)];
  assert.deepEqual(groupsOf([large, ...tiny]), [tiny]);
  const many = Array.from({ length: 6 }, () => file(MB));
  assert.deepEqual(groupsOf([large, ...many]), [[...many, large]]);
});

test("two files that DuckDB's threads have written are not merged again and again", () => {
  assert.deepEqual(groupsOf([file(20 * MB), file(21 * MB)]), []);
});

test("a stream of small files: each byte is written a few times, and few small files stay", () => {
  const random = seededRandom(7);
  let files: PlanFile[] = [];
  let [sent, written] = [0, 0];
  for (let n = 1; n <= 4000; n++) {
    const bytes = Math.ceil(random() * 60_000);
    sent += bytes;
    files.push(file(bytes));
    if (n % 20 !== 0) continue;
    for (const group of groupsOf(files)) {
      const merged = group.reduce((sum, one) => sum + one.bytes, 0);
      written += merged;
      files = [...files.filter((one) => !group.includes(one)), file(merged)];
    }
    assert.ok(files.filter((one) => one.bytes < SMALL_BYTES).length <= 6, `${files.length} files`);
  }
  assert.ok(written / sent < 8, `written ${written / sent} times`);
});

test("a step has whole groups up to its limit, the smallest first, or else a part of one group", () => {
  const [small, large] = [[file(1), file(2)], [file(5), file(6), file(7)]]; // prettier-ignore
  assert.deepEqual(firstStep([large, small], 100), { files: [...small, ...large], isLast: true });
  assert.deepEqual(firstStep([large, small], 10), { files: small, isLast: false });
  assert.deepEqual(firstStep([large], 11), { files: large.slice(0, 2), isLast: false });
  assert.deepEqual(firstStep([large], 1), { files: large.slice(0, 1), isLast: false });
  assert.deepEqual(firstStep([], 1), { files: [], isLast: true });
});
