import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";
import type { CommandKind } from "../../../lib/messages/generated.ts";
import { duration } from "../../../lib/process/config.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses, unfinishedResponse } from "../http/parameters.ts";
import { existingTable } from "../tables/existing-table.ts";

const TIMEOUT_MS_DEFAULT = 120_000;
const OPERATIONS = ["optimize", "expire_snapshots", "remove_orphan_files"] as const satisfies readonly CommandKind[];
const params = z.object({ table: z.string() });
const timeout = duration.optional().describe("how long to wait for the table's writer, e.g. 30s; default 2m");

const checkResultSchema = z.object({
  check_name: z.string(),
  check_type: z.string(),
  column_name: z.string(),
  status: z.enum(["passed", "failed", "error"]),
  failing_rows: z.number(),
  total_rows: z.number(),
  details: z.string(),
});

const checksSchema = z
  .object({
    status: z.enum(["passed", "failed", "error"]),
    results: z.array(checkResultSchema),
    message: z.string().optional(),
    gate: z
      .object({ trustedAsOf: z.string().nullable(), heldBackSince: z.string().nullable() })
      .nullable()
      .optional()
      .describe("with gate: block, the state of <table>_trusted; null: the contract has no gate"),
    gateFailed: z.boolean().optional().describe("<table>_trusted could not be updated; `message` says why"),
  })
  .meta({ id: "ChecksRun" });

const maintenanceSchema = z
  .object({
    status: z.enum(["completed", "failed"]),
    results: z.array(z.record(z.string(), z.unknown())).describe("rows as in _maintenance_log"),
  })
  .meta({ id: "MaintenanceRun" });

/** Commands that a table's writer carries out between commits. */
export function addCommandRoutes(app: App, deps: GatewayDeps): void {
  addChecksRoute(app, deps);
  addMaintenanceRoute(app, deps);
}

function addChecksRoute(app: App, deps: GatewayDeps): void {
  app.post(
    "/v1/tables/:table/checks/run",
    {
      config: { scope: "read" },
      schema: {
        operationId: "runChecks",
        tags: ["tables"],
        summary: "Run the checks of the table's contract; the result is in the body",
        params,
        body: z
          .strictObject({ checks: z.array(z.string()).optional().describe("names; default: all"), timeout })
          .nullish(),
        response: { 200: checksSchema, 202: unfinishedResponse, ...problemResponses },
      },
    },
    async ({ params, body, audited }) => {
      audited["checks"] = body?.checks ?? "all";
      const table = await existingTable(deps, params.table);
      const known = deps.contracts.of(table).checks.map(({ name }) => name);
      const unknown = body?.checks?.filter((name) => !known.includes(name)) ?? [];
      if (unknown.length > 0) {
        const message = `table '${table}' has no check ${unknown.join(", ")}; its checks are: ${known.join(", ")}`;
        throw new TributaryError("BAD_REQUEST", message);
      }
      const { resultJson } = await deps.commands.request(table, "checks", {
        reason: "requested over HTTP",
        timeoutMs: body?.timeout ?? TIMEOUT_MS_DEFAULT,
        args: body?.checks ? { checks: body.checks } : {},
      });
      const { code, ...outcome } = JSON.parse(resultJson) as Partial<z.infer<typeof checksSchema>> & { code?: string };
      if (code === "OVERLOADED") throw new TributaryError(code, outcome.message ?? "");
      return { status: "error" as const, results: [], ...outcome };
    },
  );
}

function addMaintenanceRoute(app: App, deps: GatewayDeps): void {
  app.post(
    "/v1/tables/:table/maintenance/run",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "runMaintenance",
        tags: ["tables"],
        summary: "Optimise the table, expire snapshots and remove orphan files, without stopping ingestion",
        params,
        body: z
          .strictObject({
            operations: z.array(z.enum(OPERATIONS)).min(1).optional().describe("default: all"),
            dryRun: z
              .boolean()
              .default(false)
              .describe(
                "name the orphan files that would be removed, and remove nothing; for remove_orphan_files only",
              ),
            timeout,
          })
          .nullish(),
        response: { 200: maintenanceSchema, 202: unfinishedResponse, ...problemResponses },
      },
    },
    async ({ params, body, audited }) => {
      const dryRun = body?.dryRun ?? false;
      const operations = body?.operations ?? (dryRun ? (["remove_orphan_files"] as const) : OPERATIONS);
      if (dryRun && operations.some((operation) => operation !== "remove_orphan_files"))
        throw new TributaryError(
          "BAD_REQUEST",
          "only remove_orphan_files has a dry run: leave out the other operations",
        );
      Object.assign(audited, { operations, dryRun });
      const table = await existingTable(deps, params.table);
      const results: Record<string, unknown>[] = [];
      const timeoutMs = body?.timeout ?? TIMEOUT_MS_DEFAULT;
      for (const operation of operations) {
        const options = { reason: "requested over HTTP", timeoutMs, args: dryRun ? { dryRun } : {} };
        const { resultJson, status } = await deps.commands.request(table, operation, options);
        results.push({ operation, status, ...(JSON.parse(resultJson) as object) });
      }
      const status = results.some((result) => result["status"] === "failed") ? "failed" : "completed";
      return { status, results } as const;
    },
  );
}
