import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FileRecordFilter } from "../../lib/warehouse/reads/port.ts";
import { columns, outcomeOf, RECEIVED_AT_MS, reject } from "../support/rows.ts";
import { TestTable } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

const COLUMNS = columns({ id: "INTEGER", 'da"y': "DATE" });
const RECORDED_AT_MS = RECEIVED_AT_MS + 1000;
const LIMITS = { timeoutMs: 60_000 };

/** What services ask of files and tables. Rejects have a suite of their own, and checks too. */
export function readsContract(opened: Opened): void {
  describe("reads", () => {
    test("a file is found as it was recorded; nothing is found of others", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const { files } = opened.warehouse.reads;
      const fileId = `${table.name}-it's 1`;
      const [version] = await table.files({
        sourceFile: "it's a.csv",
        sourceOffset: 3,
        fileId,
        rows: [{ id: 1 }],
        rejects: [reject(2)],
      });
      const { outcome } = outcomeOf(version!);
      const dialectJson = '{"delimiter":",","skipRows":2}';
      const recorded = { ...outcomeOf(version!), dialectJson, writeMode: "append" as const };
      await opened.warehouse.record(table.name, [recorded], RECORDED_AT_MS);
      assert.deepEqual(await files.find(fileId, LIMITS), {
        fileId,
        table: table.name,
        sourceFile: "it's a.csv",
        status: "committed",
        sizeBytes: outcome.sizeBytes,
        contentHash: outcome.contentHash,
        etag: null,
        sourceOffset: 3,
        rowsOffset: 3,
        rowsRead: 2,
        rowsCommitted: 1,
        rowsRejected: 1,
        delimiter: ",",
        encoding: "utf-8",
        receivedAtMs: RECEIVED_AT_MS,
        parsedAtMs: RECEIVED_AT_MS + 10,
        ingestedAtMs: RECORDED_AT_MS,
        parseMs: 5,
        errorCode: null,
        errorMessage: null,
        versionOffset: 3,
        contentOffset: 3,
        operation: null,
        heldReasonsJson: null,
        dialectJson,
        writeMode: "append",
      });
      assert.equal(await files.find(`${table.name}-2`, LIMITS), undefined);
      await version!.stage?.discard();
    });

    test("files are listed newest first, by table and status, in pages", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const { files } = opened.warehouse.reads;
      const ids = [1, 2, 3].map((n) => `${table.name}-${n}`);
      const versions = await table.files(
        ...ids.map((fileId, n) => ({ sourceFile: `${n}.csv`, sourceOffset: n, fileId, rows: [{ id: n }] })),
      );
      const statuses = ["committed", "failed", "committed"] as const;
      const ended = versions.map((version, n) => outcomeOf(version, statuses[n]));
      await opened.warehouse.record(table.name, ended, RECORDED_AT_MS);
      const listed = async (filter: Partial<FileRecordFilter>): Promise<string[]> =>
        (await files.list({ table: table.name, limit: 10, ...filter }, LIMITS)).map(({ fileId }) => fileId);
      assert.deepEqual(await listed({}), ids.toReversed());
      assert.deepEqual(await listed({ limit: 2 }), [ids[2], ids[1]]);
      assert.deepEqual(await listed({ before: { receivedAtMs: RECEIVED_AT_MS, fileId: ids[2]! } }), [ids[1], ids[0]]);
      assert.deepEqual(await listed({ status: "failed" }), [ids[1]]);
      assert.deepEqual(await listed({ table: "no such table" }), []);
      for (const { stage } of versions) await stage?.discard();
    });

    test("versions come oldest first; those that stand in an append table are without repetitions", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS, { mode: "append" });
      const { files } = opened.warehouse.reads;
      await table.ingest({ sourceFile: "a", sourceOffset: 7, fileId: `${table.name}-7`, rows: [{ id: 1 }] });
      const repeated = { sourceFile: "a", sourceOffset: 9, rowsOffset: 7, fileId: `${table.name}-9` };
      await table.ingest({ ...repeated, rows: [{ id: 1 }] });
      const offsets = async (standing: boolean): Promise<(number | null)[]> =>
        (await files.versions(table.name, { standing }, LIMITS)).map(({ sourceOffset }) => sourceOffset);
      assert.deepEqual(await offsets(false), [7, 9]);
      assert.deepEqual(await offsets(true), [7]);
      const none = new TestTable(opened.warehouse, COLUMNS);
      assert.deepEqual(await files.versions(none.name, { standing: true }, LIMITS), []);
    });

    test("a table's rows are counted, and how fresh they are", async () => {
      const { reads } = opened.warehouse;
      const table = new TestTable(opened.warehouse, COLUMNS);
      await opened.warehouse.ensureTable(table.layout, COLUMNS);
      const nothing = { rowCount: 0, lastIngestedAt: null, lastDate: null };
      assert.deepEqual(await reads.freshness(table.name, 'da"y', LIMITS), nothing);
      await table.ingest({
        sourceFile: "a",
        sourceOffset: 1,
        rows: [{ 'da"y': "2024-01-31" }, { 'da"y': "2024-02-01" }, {}],
      });
      assert.equal(await reads.rowCount(table.name, LIMITS), 3);
      const lastIngestedAt = "2026-01-02T03:04:05.678000";
      assert.deepEqual(await reads.freshness(table.name, 'da"y', LIMITS), {
        rowCount: 3,
        lastIngestedAt,
        lastDate: "2024-02-01",
      });
      assert.deepEqual(await reads.freshness(table.name, undefined, LIMITS), {
        rowCount: 3,
        lastIngestedAt,
        lastDate: null,
      });
    });

    test("the latest run of each maintenance operation is known", async () => {
      const table = `it's ${new TestTable(opened.warehouse, COLUMNS).name}`;
      const run = (operation: string, atMs: number, status: string, snapshots: number | null) => ({
        table_name: table,
        operation,
        status,
        details: status === "failed" ? null : `run at ${atMs}`,
        snapshots_after: snapshots,
        run_id: `${table} ${atMs}`,
        executed_at: new Date(atMs),
      });
      await opened.warehouse.appendLog("_maintenance_log", [
        run("optimize", 2_000, "completed", 5),
        run("optimize", 1_000, "failed", 4),
        run("expire_snapshots", 1_500, "failed", null),
      ]);
      assert.deepEqual(await opened.warehouse.reads.maintenanceRuns(table, LIMITS), [
        { operation: "expire_snapshots", status: "failed", details: "", executedAtMs: 1_500, snapshotsAfter: 0 },
        { operation: "optimize", status: "completed", details: "run at 2000", executedAtMs: 2_000, snapshotsAfter: 5 },
      ]);
      assert.deepEqual(await opened.warehouse.reads.maintenanceRuns("another", LIMITS), []);
    });
  });
}
