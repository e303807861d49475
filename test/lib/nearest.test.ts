import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestOf } from "../../lib/nearest.ts";

test("a misspelt name is near the name that it most likely means", () => {
  for (const [name, near] of [
    ["quantaty", "quantity"],
    ["amuont", "amount"],
    ["idd", "id"],
    ["di", "id"],
    ["ib", "id"],
  ] as const) {
    assert.equal(nearestOf(name, ["quantity", "amount", "id"]), near, name);
  }
});

test("nothing is near of which no character is the same, and nothing far", () => {
  assert.equal(nearestOf("a", ["b", "id"]), undefined);
  assert.equal(nearestOf("", ["b"]), undefined);
  assert.equal(nearestOf("city", ["amount", "quantity"]), undefined);
});
