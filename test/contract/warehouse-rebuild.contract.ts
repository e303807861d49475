import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { shadowOf, tableId } from "../../lib/tables.ts";
import { columns, outcomeOf, RECEIVED_AT_MS, reject, type Row } from "../support/rows.ts";
import { LAYOUTS, TestTable } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

const BEFORE = columns({ id: "INTEGER", name: "VARCHAR" });
const AFTER = columns({ id: "VARCHAR", more: "INTEGER" });
const one: Row = { id: 1, name: "one" };
const two: Row = { id: 2, name: "two" };

/** Warehouse.replaceWith, and RecordedFile.readAgain. */
export function rebuildContract(opened: Opened): void {
  const shadowFor = (table: TestTable): TestTable => {
    const layout = { ...table.layout, table: shadowOf(tableId(table.name)).name };
    return new TestTable(opened.warehouse, AFTER, layout);
  };

  describe("replaceWith", () => {
    for (const layout of ["replace", "upsert", "append"] as const) {
      test(`${layout}: the table has the shadow's rows and columns, and takes commits; the shadow is gone`, async () => {
        const table = new TestTable(opened.warehouse, BEFORE, LAYOUTS[layout]);
        await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [one, two] });
        await opened.warehouse.publish(table.name, await opened.warehouse.version(table.name), RECEIVED_AT_MS);
        const shadow = shadowFor(table);
        await shadow.commit({ sourceFile: "a", sourceOffset: 1, rows: [{ id: "1x", more: 5 }] });
        await opened.warehouse.replaceWith(table.layout, shadow.name);
        assert.deepEqual(await opened.warehouse.describe(shadow.name), undefined);
        assert.deepEqual((await opened.warehouse.describe(table.name))?.columns, AFTER);
        const replaced = new TestTable(opened.warehouse, AFTER, table.layout);
        assert.deepEqual(await replaced.rows(), [["1x", 5]]);
        assert.deepEqual(await replaced.origins(), [["a", 1, 1]]);
        const published = await table.query(`SELECT id, name FROM "${table.name}_trusted" ORDER BY id`);
        assert.deepEqual(published, [[1, "one"], [2, "two"]], "the view shows what it showed"); // prettier-ignore
        await replaced.ingest({ sourceFile: "b", sourceOffset: 2, rows: [{ id: "2x", more: null }] });
        assert.deepEqual(await replaced.rows(), [["1x", 5], ["2x", null]]); // prettier-ignore
      });
    }

    test("a table that a shadow has made is replaced by the next shadow of its name, which then goes", async () => {
      const table = new TestTable(opened.warehouse, AFTER, LAYOUTS.replace);
      for (const [n, id] of ["first", "second", "third"].entries()) {
        const shadow = shadowFor(table);
        await shadow.commit({ sourceFile: "a", sourceOffset: n + 1, rows: [{ id, more: n }] });
        await opened.warehouse.replaceWith(table.layout, shadow.name);
        assert.deepEqual(await table.rows(), [[id, n]]);
      }
      await table.ingest({ sourceFile: "b", sourceOffset: 4, rows: [{ id: "fourth", more: 3 }] });
      assert.deepEqual(await table.rows(), [["third", 2], ["fourth", 3]]); // prettier-ignore
    });

    test("without a shadow the table stays", async () => {
      const table = new TestTable(opened.warehouse, BEFORE, LAYOUTS.replace);
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [one] });
      const missing = opened.warehouse.replaceWith(table.layout, shadowOf(tableId(table.name)).name);
      await assert.rejects(missing, { code: "WAREHOUSE_CONFLICT" });
      assert.deepEqual(await table.rows(), [[1, "one"]]);
    });
  });
  describe("record: a file that is read again", () => {
    test("its counts, rejects and dialect replace those on record, and the watermark stays", async () => {
      const table = new TestTable(opened.warehouse, BEFORE, LAYOUTS.replace);
      const [first] = await table.files({
        sourceFile: "a",
        sourceOffset: 3,
        rows: [one],
        rejects: [reject(2), reject(3)],
      });
      await table.commitVersions([first!]);
      await table.record([first!]);
      const [again] = await table.files({ sourceFile: "a", sourceOffset: 3, rows: [one, two], rejects: [reject(3)] });
      const { outcome } = outcomeOf(again!);
      const record = {
        outcome: { ...outcome, fileId: first!.fileId, rowsRead: 3, rowsCommitted: 2, rowsRejected: 1 },
        dialectJson: '{"delimiter":";"}',
      };
      for (let n = 0; n < 2; n++) {
        await opened.warehouse.record(
          table.name,
          [{ ...record, stage: again!.stage!, readAgain: true }],
          RECEIVED_AT_MS,
        );
      }
      const ofTable = `WHERE table_name = '${table.name}'`;
      const counts = `SELECT rows_read, rows_committed, rows_rejected, status, dialect FROM _ingest_files ${ofTable}`;
      assert.deepEqual(await table.query(counts), [[3, 2, 1, "committed", '{"delimiter":";"}']]);
      assert.deepEqual(await table.query(`SELECT source_row FROM _rejected_rows ${ofTable}`), [[3]]);
      assert.equal(await opened.warehouse.watermark(table.name), 3);
      const unknown = { ...record, outcome: { ...record.outcome, fileId: "unknown" }, readAgain: true };
      await opened.warehouse.record(table.name, [unknown], RECEIVED_AT_MS);
      assert.equal((await table.query(`SELECT 1 FROM _ingest_files ${ofTable}`)).length, 1);
      for (const { stage } of [first!, again!]) await stage?.discard();
    });
  });
}
