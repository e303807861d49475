import assert from "node:assert/strict";
import { test } from "node:test";
import { contractSchema } from "../../../lib/contract/contract.ts";

const faultsOf = (checks: readonly object[]): string[] => {
  const parsed = contractSchema.safeParse({ table: "t", checks });
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
};

test("a check of an unknown type is a fault that names the nearest type", () => {
  const [fault, ...others] = faultsOf([{ name: "n", type: "postive", column: "a" }]);
  assert.deepEqual(others, []);
  assert.match(
    fault!,
    /^checks\.0\.type: 'postive' is not a check type: did you mean positive\? \(known: uniqueness, /,
  );
  assert.match(faultsOf([{ type: "sorted" }])[0]!, /'sorted' is not a check type/);
});

test("all faults of a contract are told at once: of fields, formats, keys and checks", () => {
  const parsed = contractSchema.safeParse({
    table: "t",
    writeMode: "append",
    key: ["id"],
    unexpectedColumns: "fail",
    columns: [
      { name: "id", type: "INTEGER" },
      { name: "day", type: "DATE", format: "DD.MM.YYYY" },
      { name: "betrag", type: "DEZIMAL" },
      { name: "id", type: "INTEGER" },
    ],
    checks: [
      { name: "a", type: "postive", column: "betrag" },
      { name: "a", type: "positive", column: "betrg" },
      { name: "b", type: "not_null", column: "_ingested_at" },
    ],
    nullMarker: ["NA"],
  });
  const faults = parsed.error!.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  for (const part of [
    /columns\.1\.format: .*'DD'/,
    /columns\.2\.type: 'DEZIMAL' is not a column type/,
    /columns\.3\.name: 'id' is declared twice/,
    /key: a key needs writeMode upsert/,
    /checks\.0\.type: 'postive'/,
    /checks\.1\.name: 'a' is the name of another check/,
    /checks\.1\.column: 'betrg' is not a declared column: did you mean 'betrag'\?/,
    /nullMarker/,
  ])
    assert.match(faults.join("\n"), part);
  assert.equal(faults.length, 8, faults.join("\n"));
});

test("onDelete: remove is a fault where a deleted file's rows would stay", () => {
  const fits = (more: object): boolean =>
    contractSchema.safeParse({ table: "t", columns: [{ name: "id", type: "INTEGER" }], onDelete: "remove", ...more })
      .success;
  assert.equal(fits({}), true);
  assert.equal(fits({ writeMode: "append" }), false);
  assert.equal(fits({ writeMode: "upsert", key: ["id"] }), false);
  assert.equal(fits({ writeMode: "upsert", key: ["id"], deleteMissing: true }), true);
});

test("where files may bring other columns, only a slip of a declared column is a fault", () => {
  const faultsWith = (column: string): unknown =>
    contractSchema.safeParse({
      table: "t",
      columns: [{ name: "amount_1", type: "INTEGER" }],
      checks: [{ name: "n", type: "positive", column }],
    }).success;
  assert.deepEqual(["amont_1", "amount_2", "other"].map(faultsWith), [false, true, true]);
});

test("every fault of a check of a known type is reported", () => {
  assert.deepEqual(faultsOf([{ name: "n", type: "positive" }]), ["checks.0.column: is missing"]);
  assert.match(faultsOf([{ name: "n", type: "range", column: "a", minimum: 1 }]).join(), /unknown key 'minimum'/);
  assert.match(faultsOf([{ name: "n" }]).join(), /checks\.0/);
});

test("two checks with the same name are refused, because their results could not be distinguished", () => {
  const check = { name: "n", type: "row_count_range" };
  assert.deepEqual(faultsOf([check, { ...check, name: "m" }, check]), [
    "checks.2.name: 'n' is the name of another check",
  ]);
});
