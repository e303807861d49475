import { z } from "zod";
import { keepsVersions } from "../../../lib/contract/contract.ts";
import { checkTableName } from "../http/names.ts";
import { makeLedger } from "../files/ledger.ts";
import { versionHistory, withRawBytes } from "./version-history.ts";
import { publishReplays, selectRejected, selectReplays, type VersionEvent, type ReplayRange } from "./replay.ts";
import { makeRejectLedger } from "../rejects/ledger.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";

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
    missing: z
      .array(z.object({ sourceFile: z.string(), sourceOffset: z.number(), contentHash: z.string() }))
      .describe("left out: their raw bytes are no longer in the blob store"),
  })
  .meta({ id: "Replay" });

/** Backfills: past file versions are published again. Harmless when done twice. */
export function addReplayRoutes(app: App, deps: GatewayDeps): void {
  const limits = { timeoutMs: deps.settings.TRIBUTARY_QUERY_TIMEOUT };
  const rejects = makeRejectLedger(deps.warehouse, limits);
  const past = { ...deps, ledger: makeLedger(deps.warehouse, limits) };
  app.post(
    "/v1/tables/:table/replay",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "replay",
        tags: ["tables"],
        summary: "Publish past file versions of the table again (backfill)",
        description:
          "From the log, and where it does not go back so far, from `_ingest_files` and the raw bytes in the blob store.",
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
      const { writeMode } = deps.contracts.of(table);
      const chosen = selectReplays(await versionHistory(past, table, writeMode), writeMode, rangeOf(range));
      return reply.code(dryRun ? 200 : 202).send(await replay(deps, table, chosen, writeMode === "append", dryRun));
    },
  );

  app.post(
    "/v1/tables/:table/rejects/replay",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "replayRejects",
        tags: ["rejects"],
        summary: "Read the files that have rejected rows again, for instance after the contract was mended",
        description:
          "What fits now is added. In upsert and append tables rows that are there already stay as they are, and nothing newer is gone over.",
        params,
        body: z.strictObject({ file: z.string().optional(), dryRun: z.boolean().default(false) }).nullish(),
        response: { 202: replaySchema, 200: replaySchema, ...problemResponses },
      },
    },
    async ({ params, body, audited }, reply) => {
      const { dryRun = false, file } = body ?? {};
      Object.assign(audited, { dryRun, ...(file === undefined ? {} : { file }) });
      const table = checkTableName(params.table, deps.contracts);
      const contract = deps.contracts.of(table);
      const { writeMode } = contract;
      const rejected = await rejects.files(table, { file, all: writeMode === "append" });
      const chosen = selectRejected(await versionHistory(past, table, writeMode), writeMode, rejected);
      return reply.code(dryRun ? 200 : 202).send(await replay(deps, table, chosen, keepsVersions(contract), dryRun));
    },
  );
}

async function replay(
  deps: GatewayDeps,
  table: string,
  chosen: readonly VersionEvent[],
  keepVersions: boolean,
  dryRun: boolean,
): Promise<z.infer<typeof replaySchema>> {
  const { there, missing } = await withRawBytes(deps, chosen);
  const published = dryRun ? [] : await publishReplays(deps, there, keepVersions);
  const idOf = new Map(published.map(({ replayOf, fileId }) => [replayOf, fileId]));
  const files = there.map(({ offset, event }) => ({
    sourceFile: event.sourceFile,
    sourceOffset: offset,
    replayOf: event.fileId,
    fileId: idOf.get(event.fileId) ?? null,
  }));
  return {
    ...{ table, dryRun, files },
    missing: missing.map(({ offset, event: { sourceFile, contentHash } }) => ({
      ...{ sourceFile, sourceOffset: offset, contentHash },
    })),
  };
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
