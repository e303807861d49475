import { z } from "zod";
import { dialectOf, stringLiteral, tableName } from "../../../lib/warehouse/sql.ts";
import { checkTableName } from "../names.ts";
import { pastEvents, publishReplays, selectReplays, type PastEvent, type ReplayRange } from "../replay.ts";
import type { App, GatewayDeps } from "../server.ts";
import { problemResponses } from "./parameters.ts";

const REJECTED_FILES_MAX = 10_000;
const params = z.object({ table: z.string() });
const place = z
  .strictObject({
    offset: z.number().int().min(0).optional(),
    time: z.iso.datetime().optional().describe("when the file was received, UTC"),
    file: z.string().optional().describe("begin with this file's first version (only in `from`)"),
  })
  .optional();

const replaySchema = z
  .object({
    table: z.string(),
    dryRun: z.boolean(),
    files: z.array(
      z.object({
        sourceFile: z.string(),
        sourceOffset: z.number().describe("the version that is repeated"),
        replayOf: z.string(),
        fileId: z.string().nullable().describe("of the new version; null in a dry run"),
      }),
    ),
  })
  .meta({ id: "Replay" });

/** Backfills: past file versions are published again. Harmless when done twice. */
export function addReplayRoutes(app: App, deps: GatewayDeps): void {
  app.post(
    "/v1/tables/:table/replay",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "replay",
        tags: ["tables"],
        summary: "Publish past file versions of the table again (backfill)",
        params,
        body: z
          .strictObject({
            from: place,
            to: place,
            onlyFile: z
              .string()
              .optional()
              .describe("its rows become the newest, also over later corrections by other files"),
            dryRun: z.boolean().default(false).describe("only say which files it would be"),
          })
          .nullish(),
        response: { 202: replaySchema, 200: replaySchema, ...problemResponses },
      },
    },
    async ({ params, body, audited }, reply) => {
      const { dryRun = false, ...range } = body ?? {};
      Object.assign(audited, { dryRun, range });
      const table = checkTableName(params.table, deps.contracts);
      const past = await pastEvents(deps.log, table);
      const chosen = selectReplays(past, deps.contracts.of(table).writeMode, rangeOf(range));
      return reply.code(dryRun ? 200 : 202).send(await replay(deps, table, chosen, dryRun));
    },
  );

  app.post(
    "/v1/tables/:table/rejects/replay",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "replayRejects",
        tags: ["tables"],
        summary: "Read the files that have rejected rows again, for instance after the contract was mended",
        params,
        body: z.strictObject({ file: z.string().optional(), dryRun: z.boolean().default(false) }).nullish(),
        response: { 202: replaySchema, 200: replaySchema, ...problemResponses },
      },
    },
    async ({ params, body, audited }, reply) => {
      const { dryRun = false, file } = body ?? {};
      Object.assign(audited, { dryRun, ...(file === undefined ? {} : { file }) });
      const table = checkTableName(params.table, deps.contracts);
      const rejected = await filesWithRejects(deps, table, file);
      const newest = new Map((await pastEvents(deps.log, table)).map((item) => [item.event.sourceFile, item]));
      const chosen = [...newest.values()]
        .filter(({ event }) => event.kind === "put" && rejected.has(event.sourceFile))
        .sort((a, b) => a.offset - b.offset);
      return reply.code(dryRun ? 200 : 202).send(await replay(deps, table, chosen, dryRun));
    },
  );
}

async function replay(
  deps: GatewayDeps,
  table: string,
  chosen: readonly PastEvent[],
  dryRun: boolean,
): Promise<z.infer<typeof replaySchema>> {
  const published = dryRun ? [] : await publishReplays(deps, chosen);
  const idOf = new Map(published.map(({ replayOf, fileId }) => [replayOf, fileId]));
  const files = chosen.map(({ offset, event }) => ({
    sourceFile: event.sourceFile,
    sourceOffset: offset,
    replayOf: event.fileId,
    fileId: idOf.get(event.fileId) ?? null,
  }));
  return { table, dryRun, files };
}

function rangeOf(body: {
  from?: z.infer<typeof place>;
  to?: z.infer<typeof place>;
  onlyFile?: string | undefined;
}): ReplayRange {
  const { from, to, onlyFile } = body;
  return {
    ...(from?.offset === undefined ? {} : { fromOffset: from.offset }),
    ...(from?.time === undefined ? {} : { fromMs: Date.parse(from.time) }),
    ...(from?.file === undefined ? {} : { fromFile: from.file }),
    ...(to?.offset === undefined ? {} : { toOffset: to.offset }),
    ...(to?.time === undefined ? {} : { toMs: Date.parse(to.time) }),
    ...(onlyFile === undefined ? {} : { onlyFile }),
  };
}

/** Source files of the table whose newest recorded version has rejects. */
async function filesWithRejects(deps: GatewayDeps, table: string, file?: string): Promise<Set<string>> {
  const text = (value: string): string => stringLiteral(dialectOf(deps.warehouse.url), value);
  const only = file === undefined ? "" : ` AND file_key = ${text(file)}`;
  const sql =
    `SELECT file_key FROM ${tableName("_ingest_files")} WHERE table_name = ${text(table)}${only} ` +
    "GROUP BY file_key HAVING max_by(rows_rejected, source_offset) > 0";
  const options = { rowsMax: REJECTED_FILES_MAX, timeoutMs: deps.settings.TRIBUTARY_QUERY_TIMEOUT };
  const { rows } = await deps.warehouse.query(sql, options);
  return new Set(rows.map(([name]) => String(name)));
}
