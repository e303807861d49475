import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { columns, outcomeOf, RECEIVED_AT_MS, reject } from "../support/rows.ts";
import { TestTable, type Sent } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

const COLUMNS = columns({ id: "INTEGER" });
const RECORDED_AT_MS = RECEIVED_AT_MS + 1000;
const LIMITS = { timeoutMs: 60_000 };

/** Rejects as the gateway asks for them, and files that fail by them. */
export function rejectContract(opened: Opened): void {
  describe("rejects", () => {
    /** Commits and records the files, or only records that they failed. */
    const end = async (table: TestTable, status: "committed" | "failed", ...sent: Sent[]): Promise<void> => {
      const versions = await table.files(...sent);
      if (status === "committed") await table.commitVersions(versions);
      const ended = versions.map((version) => outcomeOf(version, status));
      await opened.warehouse.record(table.name, ended, RECORDED_AT_MS);
      for (const { stage } of versions) await stage?.discard();
    };

    test("a file that failed by its rejects is nowhere in the table, its rejects stand, and the corrected file is taken", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const older = { sourceFile: "a.csv", sourceOffset: 1, fileId: `${table.name}-1`, rows: [{ id: 1 }] };
      await end(table, "committed", older);
      const rejects = [reject(2), reject(3)];
      await end(table, "failed", { ...older, sourceOffset: 2, fileId: `${table.name}-2`, rows: [{ id: 9 }], rejects });
      assert.deepEqual(await table.rows(), [[1]], "the version before stands");
      const counts = await table.query(
        `SELECT rows_read, rows_committed, rows_rejected,
           (SELECT count(*) FROM _rejected_rows WHERE table_name = '${table.name}')
         FROM _ingest_files WHERE file_id = '${table.name}-2'`,
      );
      assert.deepEqual(counts, [[2, 0, 2, 2]]);
      await end(table, "committed", { ...older, sourceOffset: 3, fileId: `${table.name}-3`, rows: [{ id: 9 }] });
      assert.deepEqual(await table.rows(), [[9]]);
    });

    test("a page ends with the text that exceeds it, and the next one continues there", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const { rejects: ledger } = opened.warehouse.reads;
      const long = "ö".repeat(900_000);
      const rejects = [reject(1, { raw: "ab" }), reject(2, { raw: long }), reject(3, { raw: "" }), reject(4)];
      await end(table, "committed", {
        sourceFile: "l.csv",
        sourceOffset: 1,
        fileId: `${table.name}-1`,
        rows: [],
        rejects,
      });
      const all = { table: table.name, all: false };
      const first = await ledger.list(all, { limit: 100, rawCharsMax: 500_000 }, LIMITS);
      assert.deepEqual(
        first.map(({ row }) => row),
        [1, 2],
      );
      assert.equal(first[1]!.raw, long, "it is whole");
      const { sourceOffset, fileId, row } = first[1]!;
      const next = await ledger.list(all, { after: { sourceOffset, fileId, row }, limit: 100 }, LIMITS);
      assert.deepEqual(
        next.map((one) => one.row),
        [3, 4],
      );
    });

    test("that are dismissed are listed apart, also in later versions of the file, and grouped over tables", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const { rejects: ledger } = opened.warehouse.reads;
      const all = { table: table.name, all: false };
      const rejects = [reject(1), reject(2, { column: null, reason: "too_few_fields", raw: "ö'\"" }), reject(3)];
      const fileId = (n: number) => `${table.name}-${n}`;
      const file = { sourceFile: "d.csv", rows: [], rejects };
      await end(table, "committed", { ...file, sourceOffset: 1, fileId: fileId(1) });
      const rows = async (filter: object = {}) =>
        (await ledger.list({ ...all, ...filter }, { limit: 100 }, LIMITS)).map(({ row }) => row);
      assert.deepEqual(await rows(), [1, 2, 3]);
      const dismiss = (row: number) => {
        const { column, reason, raw, message } = rejects[row - 1]!;
        const key = { table_name: table.name, source_file: "d.csv", source_row: row, column_name: column, reason };
        const raw_sha256 = createHash("sha256").update(raw).digest("hex");
        const facts = { why: "it's a total", dismissed_by: "anna", dismissed_at: new Date(RECORDED_AT_MS) };
        return opened.warehouse.appendLog("_dismissed_rows", [
          { ...key, raw_sha256, file_id: fileId(1), line: row + 1, message, ...facts },
        ]);
      };
      await dismiss(2);
      await dismiss(3);
      await dismiss(3);
      assert.deepEqual(await rows(), [1]);
      const [third] = await ledger.list({ ...all, dismissed: true, lineFrom: 4 }, { limit: 9 }, LIMITS);
      assert.deepEqual(third?.dismissal, { why: "it's a total", by: "anna", atMs: RECORDED_AT_MS });
      assert.deepEqual(await rows({ dismissed: true }), [2, 3], "each once");
      assert.deepEqual(
        [...(await ledger.ofFile(fileId(1), 9, LIMITS)).values()].map(({ dismissed }) => dismissed),
        [false, true, true],
      );
      const group = { table: table.name, reason: "type_mismatch", column: "id", files: 1, example: reject(1).message };
      assert.deepEqual(await ledger.groups(all, LIMITS), [{ ...group, rows: 1 }]);
      const overTables = await ledger.groups({ table: undefined, all: false }, LIMITS);
      assert.deepEqual(
        overTables.filter((one) => one.table === table.name),
        [{ ...group, rows: 1 }],
      );
      await end(table, "committed", {
        ...file,
        sourceOffset: 2,
        fileId: fileId(2),
        rejects: [reject(1), rejects[1]!, reject(3, { raw: "another text" })],
      });
      assert.deepEqual(await rows(), [1, 3], "the same text at the same place stays dismissed");
      assert.deepEqual(await rows({ all: true, dismissed: true }), [2, 2, 3]);
    });

    test("are found by every filter, counted, paged, and stand until a newer version has settled them", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const { rejects: ledger } = opened.warehouse.reads;
      const [first, second, third] = [1, 2, 3].map((n) => `${table.name}-${n}`) as [string, string, string];
      const rejects = [reject(1, { column: "it's" }), reject(4, { reason: "too_few_fields", column: null })];
      await end(table, "committed", { sourceFile: "o'hara.csv", sourceOffset: 1, fileId: first, rows: [], rejects });
      const many = Array.from({ length: 5 }, (_, at) => reject(at + 1));
      await end(table, "failed", { sourceFile: "b.csv", sourceOffset: 2, fileId: second, rows: [], rejects: many });
      const all = { table: table.name, all: false };
      const rows = async (filter: object, limit = 100) =>
        (await ledger.list({ ...all, ...filter }, { limit }, LIMITS)).map(
          ({ fileId, row }) => `${fileId.slice(-1)}:${row}`,
        );
      assert.deepEqual(await rows({}), ["2:1", "2:2", "2:3", "2:4", "2:5", "1:1", "1:4"]);
      assert.deepEqual(await rows({ file: "o'hara.csv", column: "it's" }), ["1:1"]);
      assert.deepEqual(await rows({ reason: "too_few_fields" }), ["1:4"]);
      assert.deepEqual(await rows({ lineFrom: 5, lineTo: 6 }), ["2:4", "2:5", "1:4"]);
      assert.deepEqual(await rows({ fileId: first, sinceMs: RECORDED_AT_MS, untilMs: RECORDED_AT_MS }), ["1:1", "1:4"]);
      assert.deepEqual(await rows({ sinceMs: RECORDED_AT_MS + 1 }), []);
      const [, , third2] = await ledger.list(all, { limit: 3 }, LIMITS);
      const after = { sourceOffset: third2!.sourceOffset, fileId: third2!.fileId, row: third2!.row };
      assert.deepEqual(
        (await ledger.list(all, { after, limit: 2 }, LIMITS)).map(({ row }) => row),
        [4, 5],
      );
      assert.deepEqual(await ledger.counts(all, LIMITS), [
        { sourceFile: "b.csv", reason: "type_mismatch", column: "id", rows: 5 },
        { sourceFile: "o'hara.csv", reason: "too_few_fields", column: null, rows: 1 },
        { sourceFile: "o'hara.csv", reason: "type_mismatch", column: "it's", rows: 1 },
      ]);
      assert.deepEqual([...(await ledger.ofFile(first, 10, LIMITS)).keys()], [1, 4]);
      const [newest] = await ledger.list({ ...all, fileId: first }, { limit: 1 }, LIMITS);
      assert.deepEqual(newest, {
        fileId: first,
        sourceFile: "o'hara.csv",
        sourceOffset: 1,
        row: 1,
        line: 2,
        column: "it's",
        reason: "type_mismatch",
        message: reject(1).message,
        raw: "x",
        rejectedAtMs: RECORDED_AT_MS,
      });

      await end(table, "failed", { sourceFile: "o'hara.csv", sourceOffset: 3, fileId: third, rows: [] });
      assert.deepEqual(await rows({ file: "o'hara.csv" }), ["1:1", "1:4"], "a version that failed settles nothing");
      assert.deepEqual([...(await ledger.files(table.name, { all: false }, LIMITS))].toSorted(), [first, second]);
      await end(table, "committed", { sourceFile: "o'hara.csv", sourceOffset: 4, fileId: `${table.name}-4`, rows: [] });
      assert.deepEqual(await rows({ file: "o'hara.csv" }), []);
      assert.deepEqual(await rows({ file: "o'hara.csv", all: true }), ["1:1", "1:4"]);
      assert.deepEqual([...(await ledger.files(table.name, { all: false }, LIMITS))], [second]);
      assert.equal((await ledger.files(table.name, { all: true, file: "o'hara.csv" }, LIMITS)).size, 1);
    });
  });
}
