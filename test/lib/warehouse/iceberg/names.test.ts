import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { INTERNAL_TABLES } from "../../../../lib/warehouse/internal-tables.ts";
import { isScratch, logicalName, physicalName, scratchName } from "../../../../lib/warehouse/iceberg/names.ts";

/** What an S3 table bucket takes. */
const TAKEN = /^[a-z0-9][a-z0-9_]*$/;

test("names that a catalog takes stay, internal tables lose their underscore", () => {
  assert.equal(physicalName("orders_2024"), "orders_2024");
  assert.equal(physicalName("tributary_rebuild_orders"), "tributary_rebuild_orders");
  for (const name of Object.keys(INTERNAL_TABLES)) assert.equal(physicalName(name), `tributary${name}`);
});

test("every name has one form that a catalog takes, and comes back", () => {
  const special = [
    "Ä_b",
    "_x",
    "a-b",
    "A",
    "a b",
    "tributary_x_a",
    "tributary_ingest_files",
    "tributary_compact_a",
    "日",
  ];
  const name = fc.oneof(
    fc.constantFrom(...special, ...Object.keys(INTERNAL_TABLES)),
    fc.string({ minLength: 1, unit: "grapheme" }),
  );
  fc.assert(
    fc.property(name, (one) => {
      const physical = physicalName(one);
      assert.match(physical, TAKEN);
      assert.equal(logicalName(physical), Buffer.from(one, "utf8").toString("utf8"));
    }),
  );
  fc.assert(fc.property(name, name, (a, b) => a === b || physicalName(a) !== physicalName(b)));
});

test("a name in the catalog that no table of the port has is left out", () => {
  for (const name of ["Orders", "tributary_x_", "tributary_x_orders", "tributary_x__zz", "a.b"])
    assert.equal(logicalName(name), undefined, name);
  assert.ok(isScratch(scratchName("orders")));
});
