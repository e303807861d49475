import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FileOutcome } from "../../lib/messages/generated.ts";
import type { RecordedFile } from "../../lib/warehouse/warehouse.ts";
import { columns, outcomeOf, RECEIVED_AT_MS, reject } from "../support/rows.ts";
import { READ_ALL, TestTable } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

const COLUMNS = columns({ id: "INTEGER" });

/** record, watermark, watermarks, appendLog. */
export function recordContract(opened: Opened): void {
  const read = async (sql: string): Promise<unknown[][]> => (await opened.warehouse.query(sql, READ_ALL)).rows;

  describe("record", () => {
    test("the ledger has every file once, however often it is recorded", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const versions = await table.files(
        {
          sourceFile: "it's a.csv",
          sourceOffset: 3,
          fileId: `${table.name}-1`,
          rows: [{ id: 1 }],
          rejects: [reject(2)],
        },
        { sourceFile: "b.csv", sourceOffset: 4, fileId: `${table.name}-2`, rows: [] },
      );
      await table.commitVersions(versions);
      await table.record(versions);
      await table.record(versions);
      await table.record(versions.slice(1));
      const ledger = await read(
        `SELECT file_id, file_key, table_name, status, row_count, rows_read, rows_committed, rows_rejected, source_offset, rows_offset,
           delimiter, encoding, error_code, received_at, parsed_at, ingested_at, parse_ms
         FROM _ingest_files WHERE table_name = '${table.name}' ORDER BY source_offset`,
      );
      const times = ["2026-01-02T03:04:05.678000", "2026-01-02T03:04:05.688000", "2026-01-02T03:04:06.678000", 5];
      assert.deepEqual(ledger, [
        [`${table.name}-1`, "it's a.csv", table.name, "committed", 1, 2, 1, 1, 3, 3, ",", "utf-8", null, ...times],
        [`${table.name}-2`, "b.csv", table.name, "committed", 0, 0, 0, 0, 4, 4, ",", "utf-8", null, ...times],
      ]);
      for (const { stage } of versions) await stage?.discard();
    });

    test("records may come along with a commit, once, and stay", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const sent = [1, 2].map((n) => ({
        ...{ sourceFile: `f${n}`, sourceOffset: n, fileId: `${table.name}-${n}` },
        ...{ rows: [{ id: n }], rejects: [reject(2)] },
      }));
      await table.ingest(...sent);
      assert.equal(await opened.warehouse.watermark(table.name), 2);
      await opened.warehouse.recover(table.name);
      await table.ingest(...sent);
      await opened.warehouse.recover(table.name);
      const own = `WHERE table_name = '${table.name}' ORDER BY 1`;
      assert.deepEqual(await read(`SELECT file_id FROM _ingest_files ${own}`), sent.map(({ fileId }) => [fileId])); // prettier-ignore
      assert.deepEqual(await read(`SELECT source_offset FROM _rejected_rows ${own}`), [[1], [2]]);
      assert.deepEqual(await table.rows(), [[1], [2]]);
    });

    test("rejects stand with line, column, reason and raw text, once", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const rejects = [
        reject(1, { raw: `a,"b'c";\\ \0 🎉\r\n`, message: 'it\'s "wrong"' }),
        reject(2, { column: null, reason: "too_many_fields" }),
        reject(7, { raw: "r".repeat(64 * 1024) }),
      ];
      const versions = await table.files({
        sourceFile: "a",
        sourceOffset: 9,
        fileId: `${table.name}-1`,
        rows: [],
        rejects,
      });
      assert.equal(versions[0]?.stage?.rejectCount, 3);
      await table.record(versions);
      await table.record(versions);
      const found = await read(
        `SELECT source_file, source_offset, file_id, source_row, line, column_name, reason, message, raw, rejected_at
         FROM _rejected_rows WHERE table_name = '${table.name}' ORDER BY source_row`,
      );
      assert.deepEqual(
        found,
        rejects.map((one) => [
          ...["a", 9, `${table.name}-1`, one.row, one.line, one.column, one.reason, one.message, one.raw],
          "2026-01-02T03:04:06.678000",
        ]),
      );
      await versions[0]?.stage?.discard();
    });

    test("many rejects", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const rejects = Array.from({ length: 3000 }, (_, row) => reject(row + 1, { raw: `${row},${"y".repeat(2000)}` }));
      const versions = await table.files({
        sourceFile: "a",
        sourceOffset: 9,
        fileId: `${table.name}-1`,
        rows: [],
        rejects,
      });
      await table.record(versions);
      await table.record(versions);
      const counts = await read(
        `SELECT count(*), count(DISTINCT source_row), sum(length(raw)) FROM _rejected_rows WHERE table_name = '${table.name}'`,
      );
      assert.deepEqual(counts, [[3000, 3000, rejects.reduce((sum, one) => sum + one.raw.length, 0)]]);
      await versions[0]?.stage?.discard();
    });

    test("watermarks are the highest offsets noted, whatever became of the file", async () => {
      const [a, b] = [new TestTable(opened.warehouse, COLUMNS), new TestTable(opened.warehouse, COLUMNS)];
      assert.equal(await opened.warehouse.watermark(a.name), undefined);
      await a.ingest({ sourceFile: "f", sourceOffset: 0, fileId: `${a.name}-0`, rows: [{ id: 1 }] });
      assert.equal(await opened.warehouse.watermark(a.name), 0);
      await a.ingest({ sourceFile: "f", sourceOffset: 12, fileId: `${a.name}-12`, rows: [{ id: 1 }] });
      await a.ingest({ sourceFile: "g", sourceOffset: 7, fileId: `${a.name}-7`, rows: [{ id: 1 }] });
      const [failed] = await b.files({ sourceFile: "f", sourceOffset: 2 ** 40, fileId: `${b.name}-1`, rows: null });
      await opened.warehouse.record(b.name, [outcomeOf(failed!, "failed")], RECEIVED_AT_MS);
      assert.equal(await opened.warehouse.watermark(a.name), 12);
      const all = await opened.warehouse.watermarks();
      assert.deepEqual([all.get(a.name), all.get(b.name)], [12, 2 ** 40]);
      assert.deepEqual(await read(`SELECT status, error_code FROM _ingest_files WHERE table_name = '${b.name}'`), [
        ["failed", "FILE_NOT_CSV"],
      ]);
    });

    const noteIn =
      (table: TestTable) =>
      async (
        sourceFile: string,
        sourceOffset: number,
        { repeats, status, ...over }: Partial<FileOutcome> & Pick<RecordedFile, "repeats"> = {},
      ): Promise<void> => {
        const [version] = await table.files({ sourceFile, sourceOffset, rows: null });
        const { outcome } = outcomeOf(version!, status);
        await opened.warehouse.record(
          table.name,
          [{ outcome: { ...outcome, ...over }, ...(repeats ? { repeats } : {}) }],
          0,
        );
      };

    test("a version that is not loaded, and the newer version that has its bytes", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const note = noteIn(table);
      const unloaded = async (): Promise<unknown> => {
        const found = await opened.warehouse.recordedContents(table.name, ["a", "b"]);
        const versions = found.filter(({ kind }) => kind === "unloaded");
        return versions.map(({ contentOffset, loadedAs }) => [contentOffset, loadedAs]).toSorted();
      };
      await note("a", 1, { contentHash: "x", status: "failed" });
      await note("a", 2, { contentHash: "other" });
      await note("b", 3, { contentHash: "x" });
      await note("b", 4, { contentHash: "y", status: "rejected", rowsRejected: 1 });
      assert.deepEqual(await unloaded(), [
        [1, undefined],
        [4, undefined],
      ]);
      await note("a", 5, { contentHash: "x" });
      assert.deepEqual(await unloaded(), [
        [1, 5],
        [4, undefined],
      ]);
      await note("a", 6, { contentHash: "x", repeats: { versionOffset: 1, contentOffset: 1 } });
      assert.deepEqual(await unloaded(), [[4, undefined]]);
    });

    test("what is on record of versions and contents, with what files repeat", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const { warehouse } = opened;
      const note = noteIn(table);
      assert.deepEqual(await warehouse.recordedVersions(table.name), { newest: undefined, incomplete: undefined });
      assert.deepEqual(await warehouse.recordedContents(table.name, ["a", "b"]), []);
      await note("a", 1);
      await note("b", 2, { rowsRejected: 1 });
      await note("a", 3, { status: "failed" });
      await note("a", 4, { repeats: { versionOffset: 1, contentOffset: 1 } });
      await note("b", 5, { repeats: { versionOffset: 2, contentOffset: 5 } });
      const superseded = { status: "failed", errorCode: "FILE_SUPERSEDED" } as const;
      await note("b", 6, { ...superseded, repeats: { versionOffset: 2, contentOffset: 6 } });
      await note("a", 7, { ...superseded, repeats: { versionOffset: 1, contentOffset: 1 } });
      await note("b", 8, { contentHash: "" });
      assert.deepEqual(await warehouse.recordedVersions(table.name), { newest: 8, incomplete: 3 });
      const found = await warehouse.recordedContents(table.name, ["a", "b", "c"]);
      const newest = new Map(found.map((one) => [`${one.sourceFile} ${one.kind}`, 0]));
      for (const { sourceFile, kind, contentOffset } of found) {
        const name = `${sourceFile} ${kind}`;
        newest.set(name, Math.max(contentOffset, newest.get(name)!));
      }
      assert.deepEqual(
        [...newest].toSorted(([a], [b]) => (a < b ? -1 : 1)),
        [
          ["a put", 1],
          ["a unloaded", 3],
          ["b deleted", 8],
          ["b put", 5],
          ["b superseded", 6],
        ],
      );
    });

    test("a held file is on record until it is decided, and the first decision stays", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const { warehouse } = opened;
      const fileId = `${table.name}-held`;
      const note = async (over: Partial<FileOutcome>, more: Omit<RecordedFile, "outcome"> = {}): Promise<void> => {
        const [version] = await table.files({ sourceFile: "a", sourceOffset: 2, fileId, rows: null });
        const { outcome } = outcomeOf(version!, over.status);
        await warehouse.record(table.name, [{ outcome: { ...outcome, ...over }, ...more }], 0);
      };
      const state = async (): Promise<unknown[]> => {
        const [content] = await warehouse.recordedContents(table.name, ["a"]);
        const { incomplete } = await warehouse.recordedVersions(table.name);
        const sql = `SELECT status, rows_committed, held_reasons, write_mode FROM _ingest_files WHERE file_id = '${fileId}'`;
        return [content?.kind, content?.rows, incomplete, ...(await read(sql))];
      };
      const held = { status: "failed", errorCode: "FILE_HELD" } as const;
      await note(held, { heldReasonsJson: "[]" });
      assert.deepEqual(await state(), ["held", 0, 2, ["held", 0, "[]", null]]);
      await note({ rowsCommitted: 3 });
      assert.deepEqual(await state(), ["held", 0, 2, ["held", 0, "[]", null]], "a repeated outcome is no decision");
      await note({ rowsCommitted: 3 }, { decides: true, writeMode: "append" });
      await note({ status: "failed", errorCode: "FILE_REFUSED" }, { decides: true });
      await note(held, { heldReasonsJson: "[]" });
      assert.deepEqual(await state(), ["put", 3, undefined, ["committed", 3, null, "append"]]);
      assert.equal(await warehouse.watermark(table.name), 2);
    });

    test("a version whose rows were all rejected is not applied", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const { warehouse } = opened;
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1 }] });
      const [version] = await table.files({ sourceFile: "a", sourceOffset: 2, rows: null });
      await warehouse.record(table.name, [outcomeOf(version!, "rejected")], 0);
      assert.deepEqual(await warehouse.recordedContents(table.name, ["a"]), [
        { sourceFile: "a", kind: "put", contentOffset: 1, rows: 1 },
        { sourceFile: "a", kind: "unloaded", contentOffset: 2, rows: 0 },
      ]);
      assert.equal((await warehouse.recordedVersions(table.name)).newest, 1);
    });

    test("log tables take rows, and are read back", async () => {
      const run = `run-${new TestTable(opened.warehouse, COLUMNS).name}`;
      const executed = new Date("2026-01-02T03:04:05.678Z");
      const check = {
        check_name: "it's unique",
        check_type: "uniqueness",
        table_name: "t",
        column_name: "id",
        run_id: run,
      };
      await opened.warehouse.appendLog("_quality_results", [
        {
          ...check,
          status: "passed",
          failing_rows: 0,
          total_rows: 3_000_000_000,
          details: null,
          executed_at: executed,
        },
        { ...check, status: "failed", failing_rows: 2, details: "é'\n", executed_at: executed },
      ]);
      await opened.warehouse.appendLog("_quality_results", []);
      const found = await read(
        `SELECT check_name, status, failing_rows, total_rows, details, executed_at FROM _quality_results WHERE run_id = '${run}' ORDER BY failing_rows`,
      );
      assert.deepEqual(found, [
        ["it's unique", "passed", 0, 3_000_000_000, null, "2026-01-02T03:04:05.678000"],
        ["it's unique", "failed", 2, null, "é'\n", "2026-01-02T03:04:05.678000"],
      ]);
      const row = {
        table_name: "t",
        operation: "optimize",
        status: "completed",
        files_before: 9,
        run_id: run,
        executed_at: executed,
      };
      await opened.warehouse.appendLog("_maintenance_log", [row]);
      const log = `SELECT operation, files_before, files_after FROM _maintenance_log WHERE run_id = '${run}'`;
      assert.deepEqual(await read(log), [["optimize", 9, null]]);
    });
  });
}
