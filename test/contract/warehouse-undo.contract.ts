import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { UndoStep } from "../../lib/messages/operation.ts";
import type { CommitReceipt } from "../../lib/warehouse/warehouse.ts";
import { columns, outcomeOf, RECEIVED_AT_MS, type Row } from "../support/rows.ts";
import { assertCounts, LAYOUTS, TestTable } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

const COLUMNS = columns({ id: "INTEGER", name: "VARCHAR" });
const one: Row = { id: 1, name: "one" };
const two: Row = { id: 2, name: "two" };
const three: Row = { id: 3, name: "three" };
const LIMITS = { timeoutMs: 60_000 };

/** FileVersion.undo and Warehouse.drop. */
export function undoContract(opened: Opened): void {
  const tableOf = (layout: keyof typeof LAYOUTS): TestTable =>
    new TestTable(opened.warehouse, COLUMNS, LAYOUTS[layout]);

  const undo = async (table: TestTable, offset: number, undo: UndoStep, recorded = true): Promise<CommitReceipt> => {
    const fileId = `${table.name}-${offset}`;
    const version = { fileId, sourceFile: "a", sourceOffset: offset, columns: [], undo };
    const receipt = await opened.warehouse.commit({ layout: table.layout, files: [version] });
    const { outcome } = outcomeOf(version);
    const operation = { kind: "undo", step: undo, reason: "mistake", requestedBy: "me" } as const;
    const record = { outcome: { ...outcome, contentHash: "" }, operation };
    if (recorded) await opened.warehouse.record(table.name, [record], RECEIVED_AT_MS);
    return receipt;
  };

  describe("commit: undo", () => {
    for (const layout of ["replace", "append"] as const) {
      test(`${layout}: remove deletes the rows of the file's older versions, of no other file`, async () => {
        const table = tableOf(layout);
        await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [one, two] });
        await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: [three] });
        assertCounts(await undo(table, 3, "remove", false), 0, 0, 2);
        assertCounts(await undo(table, 3, "remove"), 0, 0, 0);
        assert.deepEqual(await table.rows(), [[3, "three"]]);
        assertCounts(await table.ingest({ sourceFile: "a", sourceOffset: 4, rows: [one] }), 1, 0, 0);
        assert.deepEqual(await table.origins(), [
          ["a", 4, 1],
          ["b", 2, 1],
        ]);
      });
    }

    test("append: an undo that is repeated after a newer version leaves that version alone", async () => {
      const table = tableOf("append");
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [one] });
      await table.ingest({ sourceFile: "a", sourceOffset: 5, rows: [two] });
      assertCounts(await undo(table, 3, "remove"), 0, 0, 1);
      assert.deepEqual(await table.rows(), [[2, "two"]]);
    });

    test("upsert: demoted rows stay until another file takes their keys over, also unchanged", async () => {
      const table = tableOf("upsert");
      await table.ingest({ sourceFile: "a", sourceOffset: 5, rows: [one, two, three] });
      assertCounts(await undo(table, 6, "demote", false), 0, 3, 0);
      assertCounts(await undo(table, 6, "demote"), 0, 0, 0);
      assert.equal((await table.rows()).length, 3, "nothing disappears yet");
      const older = { sourceFile: "b", sourceOffset: 7, versionOffset: 2, rowsOffset: 2 };
      const files = await table.files({ ...older, rows: [one, { id: 2, name: "old" }] });
      assertCounts(await table.commitVersions(files), 0, 2, 0);
      await table.record(files);
      for (const { stage } of files) await stage?.discard();
      assertCounts(await undo(table, 8, "remove", false), 0, 0, 1);
      assertCounts(await undo(table, 8, "remove"), 0, 0, 0);
      assert.deepEqual(await table.rows(), [
        [1, "one"],
        [2, "old"],
      ]);
      assert.deepEqual(
        (await table.origins()).map(([file]) => file),
        ["b", "b"],
      );
    });

    test("upsert: remove touches no row that was not demoted, and a newer version of the file stays", async () => {
      const table = tableOf("upsert");
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [one, two] });
      await undo(table, 2, "demote");
      await table.ingest({ sourceFile: "a", sourceOffset: 3, rows: [one] });
      assertCounts(await undo(table, 4, "remove"), 0, 0, 1);
      assert.deepEqual(await table.rows(["id", "_source_offset"]), [[1, 3]]);
    });

    test("the record names the undo, for what comes later", async () => {
      const table = tableOf("replace");
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [one] });
      await undo(table, 2, "remove");
      const contents = await opened.warehouse.recordedContents(table.name, ["a"]);
      assert.equal(contents.find(({ kind }) => kind === "undone")?.contentOffset, 2);
    });

    test("the rows of one file are counted", async () => {
      const table = tableOf("append");
      await table.ingest({ sourceFile: "it's", sourceOffset: 1, rows: [one, two] });
      await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: [three] });
      const count = (file: string): Promise<number> => opened.warehouse.reads.fileRowCount(table.name, file, LIMITS);
      assert.deepEqual([await count("it's"), await count("b"), await count("none")], [2, 1, 0]);
    });
  });

  describe("drop", () => {
    test("the table, its view and its records go; a new one has columns of its own", async () => {
      const { warehouse } = opened;
      const [table, other] = [tableOf("replace"), tableOf("replace")];
      for (const each of [table, other]) await each.ingest({ sourceFile: "a", sourceOffset: 1, rows: [one] });
      await warehouse.hold(table.name, 1_000);
      await warehouse.drop(table.name);
      await warehouse.drop(table.name);
      assert.equal(await warehouse.describe(table.name), undefined);
      assert.equal(await warehouse.published(table.name), undefined);
      assert.ok(!(await warehouse.tables()).includes(table.name));
      assert.equal(await warehouse.watermark(table.name), undefined);
      assert.deepEqual(await warehouse.recordedContents(table.name, ["a"]), []);
      assert.equal(await warehouse.watermark(other.name), 1, "the records of other tables stay");
      table.columns = columns({ id: "VARCHAR", extra: "DOUBLE" });
      assertCounts(await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: "x", extra: 1.5 }] }), 1, 0, 0);
      assert.deepEqual(await table.rows(), [["x", 1.5]]);
    });

    test("a table that never existed", async () => {
      await opened.warehouse.drop(tableOf("replace").name);
    });
  });
}
