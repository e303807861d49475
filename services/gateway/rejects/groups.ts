import { z } from "zod";
import { COUNTED_GROUPS_MAX } from "../../../lib/warehouse/reads/port.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { checkTableName } from "../http/names.ts";
import { problemResponses } from "../http/parameters.ts";
import { rejectGroupsSchema } from "../http/schemas.ts";
import { filterOf, filterParameters } from "./filter.ts";
import type { RejectLedger } from "./ledger.ts";

const { fileId: _, ...overTables } = filterParameters;

/** Rejected rows grouped by reason and column, of one table and of all. */
export function addGroupRoutes(app: App, { contracts }: GatewayDeps, ledger: RejectLedger): void {
  const answer = async (filter: ReturnType<typeof filterOf>): Promise<z.infer<typeof rejectGroupsSchema>> => {
    const groups = await ledger.groups(filter);
    const total = groups.reduce((sum, { rows }) => sum + rows, 0);
    return { total, groups, truncated: groups.length === COUNTED_GROUPS_MAX };
  };

  app.get(
    "/v1/tables/:table/rejects/groups",
    {
      config: { scope: "read" },
      schema: {
        operationId: "groupRejects",
        tags: ["rejects"],
        summary: "Rejected rows of a table by reason and column, with an example of each",
        params: z.object({ table: z.string() }),
        querystring: z.strictObject(filterParameters),
        response: { 200: rejectGroupsSchema, ...problemResponses },
      },
    },
    ({ params, query }) => answer(filterOf(checkTableName(params.table, contracts), query)),
  );

  app.get(
    "/v1/rejects",
    {
      config: { scope: "read" },
      schema: {
        operationId: "groupAllRejects",
        tags: ["rejects"],
        summary: "Rejected rows of all tables by table, reason and column, with an example of each",
        querystring: z.strictObject(overTables),
        response: { 200: rejectGroupsSchema, ...problemResponses },
      },
    },
    ({ query }) => answer(filterOf(undefined, query)),
  );
}
