import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSchema, checkType, contractSchema } from "../../../lib/contract/contract.ts";

const faultsOf = (checks: readonly object[]): string[] => {
  const parsed = contractSchema.safeParse({ table: "t", checks });
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
};

test("a check of an unknown type stays in the contract, to end as an error each time it runs", () => {
  const check = checkSchema.parse({ name: "n", type: "sorted", column: "a", direction: "up" });
  assert.deepEqual(check, { name: "n", column: "a", type: "unknown", declaredType: "sorted" });
  assert.equal(checkType(check), "sorted");
});

test("faults of a check whose type is known are told one by one", () => {
  assert.deepEqual(faultsOf([{ name: "n", type: "positive" }]), [
    "checks.0.column: Invalid input: expected string, received undefined",
  ]);
  assert.match(faultsOf([{ name: "n", type: "range", column: "a", minimum: 1 }]).join(), /Unrecognized key: "minimum"/);
  assert.match(faultsOf([{ name: "n" }]).join(), /checks\.0/);
  assert.match(faultsOf([{ type: "sorted" }]).join(), /checks\.0\.name/);
});

test("two checks of one name would be one in every record of them", () => {
  const check = { name: "n", type: "row_count_range" };
  assert.deepEqual(faultsOf([check, { ...check, name: "m" }, check]), [
    "checks.2.name: 'n' is the name of another check too",
  ]);
});
