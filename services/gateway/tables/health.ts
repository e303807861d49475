import { z } from "zod";
import { limitsOf, needsOf } from "../../../lib/maintenance/needs.ts";
import { isInternalTable } from "../../../lib/warehouse/internal-tables.ts";
import type { MaintenanceRun } from "../../../lib/warehouse/reads/port.ts";
import type { TableHealth } from "../../../lib/warehouse/warehouse.ts";
import { isoTime } from "../files/status.ts";
import { gateSchema } from "../http/schemas.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";
import { existingTable } from "./existing-table.ts";
import { gateOf } from "./gate.ts";

const healthSchema = z
  .object({
    table: z.string(),
    rowCount: z.number(),
    dataFiles: z.number(),
    dataBytes: z.number(),
    smallFiles: z.number().describe("data files smaller than the size that optimize merges"),
    mergeableFiles: z.number().describe("data files saved by merging the small ones of each partition"),
    deleteFiles: z.number(),
    deleteShare: z.number().describe("delete files per data file"),
    snapshots: z.number(),
    oldestSnapshotAt: z.string().nullable(),
    due: z
      .array(z.object({ operation: z.string(), reason: z.string() }))
      .describe("operations due by the table's state; the scheduler runs them, and all operations once a day"),
    lastRuns: z
      .array(z.object({ operation: z.string(), status: z.string(), details: z.string(), executedAt: z.string() }))
      .describe("the latest run of each operation, from _maintenance_log"),
    gate: gateSchema,
  })
  .meta({ id: "TableHealth" });

/** GET /v1/tables/{table}/health: file statistics, and the maintenance that is due. */
export function addTableHealthRoute(app: App, deps: GatewayDeps): void {
  app.get(
    "/v1/tables/:table/health",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getTableHealth",
        tags: ["tables"],
        summary: "Files, sizes, delete files and snapshots of a table, and the maintenance that is due",
        params: z.object({ table: z.string() }),
        response: { 200: healthSchema, ...problemResponses },
      },
    },
    async ({ params }) => {
      const table = await existingTable(deps, params.table);
      const limits = { timeoutMs: deps.settings.TRIBUTARY_QUERY_TIMEOUT };
      const [health, rowCount, runs, gate] = await Promise.all([
        deps.warehouse.health(table),
        deps.warehouse.reads.rowCount(table, limits),
        deps.warehouse.reads.maintenanceRuns(table, limits),
        gateOf(deps, table),
      ]);
      const { oldestSnapshotAtMs, keepsFiles: _, ...files } = health;
      return {
        table,
        rowCount,
        ...files,
        deleteShare: files.dataFiles === 0 ? 0 : files.deleteFiles / files.dataFiles,
        oldestSnapshotAt: isoTime(oldestSnapshotAtMs),
        due: dueOf(deps, table, { health, runs }),
        lastRuns: runs.map(({ operation, status, details, executedAtMs }) => ({
          operation,
          status,
          details,
          executedAt: isoTime(executedAtMs) ?? "",
        })),
        gate,
      };
    },
  );
}

function dueOf(
  { settings, clock }: GatewayDeps,
  table: string,
  { health, runs }: { health: TableHealth; runs: readonly MaintenanceRun[] },
) {
  const last = new Map(runs.map((run) => [run.operation, run]));
  const orphans = last.get("remove_orphan_files");
  const state = {
    ...health,
    snapshotsSinceExpiry: health.snapshots - (last.get("expire_snapshots")?.snapshotsAfter ?? 0),
    orphansSinceMs: orphans === undefined ? health.oldestSnapshotAtMs : (orphans.executedAtMs ?? NaN),
  };
  const limits = {
    optimizeFiles: settings.TRIBUTARY_OPTIMIZE_FILES,
    optimizeDeletes: settings.TRIBUTARY_OPTIMIZE_DELETES,
    snapshotsMax: settings.TRIBUTARY_SNAPSHOTS_MAX,
    retentionMs: settings.TRIBUTARY_RETENTION,
  };
  return needsOf(state, limitsOf(isInternalTable(table), limits), clock.nowMs());
}
