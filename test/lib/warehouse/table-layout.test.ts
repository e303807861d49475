import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkLayout, partitionFields } from "../../../lib/warehouse/table-layout.ts";
import type { TableLayout } from "../../../lib/warehouse/warehouse.ts";
import { columns } from "../../support/rows.ts";

const layout = (over: Partial<TableLayout>): TableLayout => ({
  table: "t",
  mode: "replace",
  key: [],
  deleteMissing: false,
  partitioning: [],
  ...over,
});

describe("layouts", () => {
  test("partition transforms", () => {
    const partitioning = ["day", "month(at)", "bucket(id, 16)", "truncate( name ,4)", "HOUR(at)"];
    assert.deepEqual(partitionFields(layout({ partitioning })), [
      { transform: "identity", column: "day" },
      { transform: "month", column: "at" },
      { transform: "bucket", column: "id", argument: 16 },
      { transform: "truncate", column: "name", argument: 4 },
      { transform: "hour", column: "at" },
    ]);
    for (const bad of ["week(at)", "bucket(id)", "month(at, 3)", "bucket(id, x)"]) {
      assert.throws(
        () => {
          const fields = partitionFields(layout({ partitioning: [bad] }));
          checkLayout(layout({ partitioning: [bad] }), columns({ id: "INTEGER", at: "TIMESTAMP" }));
          return fields;
        },
        { code: "CONTRACT_INVALID" },
        bad,
      );
    }
  });

  test("columns that the table will not have are refused; audit columns may partition", () => {
    const some = columns({ id: "INTEGER" });
    checkLayout(layout({ key: ["id"], partitioning: ["id", "_source_file", "day(_ingested_at)"] }), some);
    assert.throws(() => checkLayout(layout({ key: ["no"] }), some), { code: "CONTRACT_INVALID" });
    assert.throws(() => checkLayout(layout({ key: ["_source_file"] }), some), { code: "CONTRACT_INVALID" });
    assert.throws(() => checkLayout(layout({ partitioning: ["day(no)"] }), some), { code: "CONTRACT_INVALID" });
  });
});

test("no layout of a reserved name becomes a table, whatever let it through", () => {
  for (const table of ["_ingest_files", "tributary_ingest_files", "tributary_x"])
    assert.throws(() => checkLayout(layout({ table }), columns({ a: "INTEGER" })), { code: "TABLE_NAME_INVALID" });
});
