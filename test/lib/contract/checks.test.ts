import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSchema, checkType, contractSchema } from "../../../lib/contract/contract.ts";

const faultsOf = (checks: readonly object[]): string[] => {
  const parsed = contractSchema.safeParse({ table: "t", checks });
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
};

test("a check of an unknown type stays in the contract, and each run of it ends with an error", () => {
  const check = checkSchema.parse({ name: "n", type: "sorted", column: "a", direction: "up" });
  assert.deepEqual(check, { name: "n", column: "a", type: "unknown", declaredType: "sorted" });
  assert.equal(checkType(check), "sorted");
});

test("every fault of a check of a known type is reported", () => {
  assert.deepEqual(faultsOf([{ name: "n", type: "positive" }]), [
    "checks.0.column: Invalid input: expected string, received undefined",
  ]);
  assert.match(faultsOf([{ name: "n", type: "range", column: "a", minimum: 1 }]).join(), /Unrecognized key: "minimum"/);
  assert.match(faultsOf([{ name: "n" }]).join(), /checks\.0/);
  assert.match(faultsOf([{ type: "sorted" }]).join(), /checks\.0\.name/);
});

test("two checks with the same name are refused, because their results could not be distinguished", () => {
  const check = { name: "n", type: "row_count_range" };
  assert.deepEqual(faultsOf([check, { ...check, name: "m" }, check]), [
    "checks.2.name: 'n' is the name of another check",
  ]);
});
