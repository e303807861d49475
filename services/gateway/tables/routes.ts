import { z } from "zod";
import type { Contracts } from "../../../lib/contract/contract.ts";
import { isoTime } from "../files/status.ts";
import { checkTableName, noSuch } from "../http/names.ts";
import { tableListSchema, tableSchema, type TableSummary } from "../http/schemas.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";
import { knownTables } from "./existing-table.ts";
import { gateOf } from "./gate.ts";

const INGESTION_DATE = "ingestion_date";

/** GET /v1/tables: contents, freshness and pending files of tables. */
export function addTableRoutes(app: App, deps: GatewayDeps): void {
  app.get(
    "/v1/tables",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listTables",
        tags: ["tables"],
        summary: "All tables: in the warehouse, declared by a contract, or with pending files",
        response: { 200: tableListSchema, ...problemResponses },
      },
    },
    async () => {
      const existing = new Set(await deps.warehouse.tables());
      const names = await knownTables(deps);
      return { tables: names.map((table) => summaryOf(deps, table, existing.has(table))) };
    },
  );

  app.get(
    "/v1/tables/:table",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getTable",
        tags: ["tables"],
        summary: "A table's columns, contract, row count and freshness",
        params: z.object({ table: z.string() }),
        response: { 200: tableSchema, ...problemResponses },
      },
    },
    async ({ params }) => describeTable(deps, checkTableName(params.table, deps.contracts)),
  );
}

function contractFaultOf(contracts: Contracts, table: string): TableSummary["contractFault"] {
  const found = contracts.faults().find((fault) => fault.table === table);
  return found ? { path: found.path, faults: [...found.faults], inForce: found.inForce } : null;
}

function summaryOf({ view, contracts, clock }: GatewayDeps, table: string, exists: boolean): TableSummary {
  const { files, oldestReceivedAtMs } = view.lag(table);
  const oldestSeconds = oldestReceivedAtMs === null ? 0 : Math.max(0, clock.nowMs() - oldestReceivedAtMs) / 1000;
  return {
    table,
    contractFault: contractFaultOf(contracts, table),
    declared: contracts.declared().some((contract) => contract.table === table),
    exists,
    lastCommitAt: isoTime(view.lastCommitAtMs(table)),
    lag: { files, oldestSeconds },
    blocked: view.blockOf(table),
    links: {
      self: `/v1/tables/${table}`,
      files: `/v1/files?table=${table}`,
      rejects: `/v1/tables/${table}/rejects`,
    },
  };
}

async function describeTable(deps: GatewayDeps, table: string): Promise<z.infer<typeof tableSchema>> {
  const { description, content, gate } = await contentsOf(deps, table);
  const summary = summaryOf(deps, table, description !== undefined);
  const contract = summary.contractFault?.inForce === false ? undefined : deps.contracts.of(table);
  const isKnown = description !== undefined || summary.declared || summary.contractFault !== null;
  if (!isKnown && summary.lag.files === 0) {
    throw noSuch("no such table", table, await knownTables(deps));
  }
  const columns = description?.columns ?? null;
  const rebuild = deps.view.waitingFor(table, "rebuild");
  return {
    ...summary,
    rebuild: rebuild ? { fileId: rebuild.fileId, askedAt: rebuild.receivedAt, progress: rebuild.progress } : null,
    columns,
    partitioning: description?.partitioning ?? contract?.partitioning ?? [],
    rowCount: content?.rowCount ?? null,
    freshness: {
      lastIngestedAt: content?.lastIngestedAt ?? null,
      lastCommitAt: summary.lastCommitAt,
      lastIngestionDate: content?.lastDate ?? null,
    },
    gate,
    contract: contract ?? { table },
  };
}

/** What the warehouse knows about the table: nothing if it refuses the table, so that the block is shown. */
async function contentsOf(deps: GatewayDeps, table: string) {
  try {
    const description = await deps.warehouse.describe(table);
    if (!description) return { description, content: undefined, gate: null };
    const dateColumn = description.columns.find(({ name }) => name === INGESTION_DATE)?.name;
    const limits = { timeoutMs: deps.settings.TRIBUTARY_QUERY_TIMEOUT };
    const content = await deps.warehouse.reads.freshness(table, dateColumn, limits);
    return { description, content, gate: await gateOf(deps, table) };
  } catch (thrown) {
    if (deps.view.blockOf(table) === null) throw thrown;
    return { description: undefined, content: undefined, gate: null };
  }
}
