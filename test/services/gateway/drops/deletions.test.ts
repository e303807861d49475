import assert from "node:assert/strict";
import { test } from "node:test";
import { brake, Deletions } from "../../../../services/gateway/drops/deletions.ts";

const keys = (folder: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${folder}${n}.csv`);
const heldOf = (known: string[], missing: string[], percentMax = 50) =>
  brake(known, new Set(missing), percentMax).held.map(({ folder, missing, known }) => `${folder} ${missing}/${known}`);

test("a single missing object is never held", () => {
  assert.deepEqual(heldOf(["t/a.csv"], ["t/a.csv"]), []);
  assert.deepEqual(heldOf(keys("t/", 9), ["t/3.csv"], 0), []);
});

test("the deepest folder with too many missing objects holds its objects", () => {
  const known = [...keys("t/2024/", 3), ...keys("t/2025/", 9), ...keys("u/", 4)];
  assert.deepEqual(heldOf(known, keys("t/2024/", 3)), ["t/2024/ 3/3"]);
  assert.deepEqual(heldOf(known, keys("t/2025/", 4)), []);
  assert.deepEqual(heldOf(known, keys("t/2025/", 5)), ["t/2025/ 5/9"]);
  assert.deepEqual(heldOf(known, [...keys("t/2024/", 3), "u/0.csv"]), ["t/2024/ 3/3"]);
  assert.deepEqual(heldOf(known, known), ["t/2024/ 3/3", "t/2025/ 9/9", "u/ 4/4"]);
});

test("tables of one object each are held together when all go", () => {
  const known = ["a/x.csv", "b/x.csv", "c/x.csv"];
  assert.deepEqual(heldOf(known, ["a/x.csv"]), []);
  assert.deepEqual(heldOf(known, ["a/x.csv", "b/x.csv"]), [" 2/3"]);
});

test("100 percent means no limit", () => {
  assert.deepEqual(heldOf(keys("t/", 5), keys("t/", 5), 100), []);
});

test("a confirmation covers what was held, not what goes missing later", () => {
  const known = new Map([...keys("t/", 4), ...keys("u/", 4)].map((key) => [key, true]));
  const deletions = new Deletions({ percentMax: 50, settleMs: 0 });
  const seen = new Set(keys("u/", 4));
  assert.deepEqual(deletions.after(known, seen, 0), []);
  assert.deepEqual(deletions.after(known, seen, 1), []);
  assert.equal(deletions.confirm("t/", 3), false);
  assert.equal(deletions.confirm("u/", 9), false);
  assert.equal(deletions.confirm("t/", 4), true);
  assert.deepEqual(deletions.after(known, new Set(), 2), keys("t/", 4));
  assert.deepEqual(deletions.after(known, new Set(), 3), keys("t/", 4));
  assert.deepEqual(deletions.held, [{ folder: "u/", missing: 4, known: 4 }]);
});
