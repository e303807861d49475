import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { evolve, sameColumns } from "../../lib/columns.ts";
import { columns } from "../support/rows.ts";

describe("evolve", () => {
  test("adds at the end, widens in place, keeps what the file lacks", () => {
    const existing = columns({ a: "INTEGER", b: "DECIMAL(5,2)", c: "VARCHAR", d: "BIGINT" });
    const wanted = columns({ z: "DATE", b: "DECIMAL(9,2)", a: "BIGINT", d: "INTEGER" });
    const { columns: after, added, widened } = evolve("t", existing, wanted);
    assert.deepEqual(after, columns({ a: "BIGINT", b: "DECIMAL(9,2)", c: "VARCHAR", d: "BIGINT", z: "DATE" }));
    assert.deepEqual(added, columns({ z: "DATE" }));
    assert.deepEqual(widened, columns({ a: "BIGINT", b: "DECIMAL(9,2)" }));
  });

  test("is done after one step", () => {
    const wanted = columns({ a: "BIGINT", b: "VARCHAR" });
    const once = evolve("t", columns({ a: "INTEGER" }), wanted);
    assert.deepEqual(evolve("t", once.columns, wanted), { columns: once.columns, added: [], widened: [] });
  });

  test("a type that cannot widen is SCHEMA_CONFLICT, naming all that matters", () => {
    assert.throws(() => evolve("sales", columns({ a: "DATE" }), columns({ a: "VARCHAR" })), {
      code: "SCHEMA_CONFLICT",
      message: "table 'sales', column 'a': the table has DATE, the file VARCHAR",
    });
  });
});

test("columns are the same with equal names, types and headers in one order", () => {
  const some = columns({ a: "INTEGER", b: "DATE" });
  assert.ok(sameColumns(some, columns({ a: "INTEGER", b: "DATE" })));
  for (const other of [some.toReversed(), some.slice(1), columns({ a: "BIGINT", b: "DATE" })])
    assert.ok(!sameColumns(some, other));
  assert.ok(!sameColumns(some, [some[0]!, { ...some[1]!, header: "other" }]));
});
