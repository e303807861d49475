import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { contractSchema } from "../../../../lib/contract/contract.ts";
import { contractsOf } from "../../../../lib/contract/load.ts";
import { hasCode } from "../../../../lib/errors.ts";
import { INTERNAL_TABLES } from "../../../../lib/warehouse/internal-tables.ts";
import { logicalName, physicalName } from "../../../../lib/warehouse/trino/names.ts";
import { checkFileName, checkTableName } from "../../../../services/gateway/http/names.ts";

const none = contractsOf([]);
const refused = (code: "FILE_NAME_INVALID" | "TABLE_NAME_INVALID", work: () => unknown, says?: RegExp): void =>
  assert.throws(work, (error) => hasCode(error, code) && (says?.test(error.message) ?? true));

test("valid file names", () => {
  for (const name of ["a.csv", "2024/01/a b.csv", "Größe.csv", "a..b.csv", "…", "日本.csv", ".hidden", "a'b\".csv"]) {
    assert.equal(checkFileName(name), name);
  }
});

test("hostile file names", () => {
  const hostile = [
    ["", /empty/],
    ["../a.csv", /'\.\.'/],
    ["a/../../b", /'\.\.'/],
    ["..\\..\\a", /'\.\.'/],
    ["/etc/passwd", /slash/],
    ["\\\\host\\share", /slash/],
    ["a//b", /segment/],
    ["a/./b", /segment/],
    ["a/", /segment/],
    ["a\0.csv", /control/],
    ["a\r\nSet-Cookie: x", /control/],
    ["\u001b[2J", /control/],
    ["\u0085", /control/],
    ["\ud800.csv", /half/],
    ["x".repeat(513), /512/],
    ["ü".repeat(257), /512/],
  ] as const;
  for (const [name, says] of hostile) refused("FILE_NAME_INVALID", () => checkFileName(name), says);
});

test("messages about names contain no control characters and stay short", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 2000 }), (name) => {
      try {
        assert.equal(checkFileName(name), name);
      } catch (error) {
        assert.ok(hasCode(error, "FILE_NAME_INVALID"));
        assert.doesNotMatch(error.message, /\p{Cc}/u);
        assert.ok(error.message.length < 200);
      }
    }),
  );
});

test("a table name must be normalised; the message gives the normalised name", () => {
  for (const name of ["sales", "t_2024", "a1"]) assert.equal(checkTableName(name, none), name);
  refused("TABLE_NAME_INVALID", () => checkTableName("Sales 2024", none), /'sales_2024'/);
  refused("TABLE_NAME_INVALID", () => checkTableName("2024", none), /'t_2024'/);
  refused("TABLE_NAME_INVALID", () => checkTableName("_ingest_files", none), /'ingest_files'/);
  refused("TABLE_NAME_INVALID", () => checkTableName('a"; DROP TABLE x', none));
  refused("TABLE_NAME_INVALID", () => checkTableName("", none));
  refused("TABLE_NAME_INVALID", () => checkTableName("x".repeat(129), none));
});

test("the published view of a gated table accepts no files", () => {
  const gated = contractsOf([contractSchema.parse({ table: "sales", gate: "block" })]);
  refused("TABLE_NAME_INVALID", () => checkTableName("sales_trusted", gated), /send files to 'sales'/);
  assert.equal(checkTableName("sales_trusted", none), "sales_trusted");
});

test("no name that a file may be sent to is stored under another table's name", () => {
  for (const name of Object.keys(INTERNAL_TABLES)) {
    refused("TABLE_NAME_INVALID", () => checkTableName(name, none));
    refused("TABLE_NAME_INVALID", () => checkTableName(physicalName(name), none), /reserved/);
    assert.throws(() => contractSchema.parse({ table: physicalName(name) }), /reserved/);
  }
  const taken = new Set(Object.keys(INTERNAL_TABLES).map(physicalName));
  fc.assert(
    fc.property(
      fc.oneof(fc.constantFrom(...taken), fc.string(), fc.stringMatching(/^[a-z_][a-z0-9_]{0,20}$/)),
      (name) => {
        let allowed: string;
        try {
          allowed = checkTableName(name, none);
        } catch {
          return;
        }
        assert.ok(!taken.has(physicalName(allowed)), allowed);
        assert.equal(logicalName(physicalName(allowed)), allowed);
      },
    ),
  );
});
