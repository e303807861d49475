import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";
import type { VersionEvent } from "../../../lib/messages/repetition.ts";
import { checkTableName, noSuch } from "../http/names.ts";
import { knownTables } from "../tables/existing-table.ts";
import { makeLedger } from "../files/ledger.ts";
import {
  everyVersion,
  versionHistory,
  withoutUndone,
  withRawBytes,
  type VersionHistoryDeps,
} from "../../../lib/file-versions/history.ts";
import { newestIn, selectRejected, selectReplays, type ReplayRange } from "../../../lib/file-versions/select.ts";
import { publishReplays, type ReplayMode } from "./replay.ts";
import { makeRejectLedger, type RejectLedger } from "../rejects/ledger.ts";
import { assertRecorded } from "../rejects/recorded.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";

const params = z.object({ table: z.string() });
const bound = {
  offset: z.number().int().min(0).optional(),
  time: z.iso.datetime().optional().describe("when the file was received, UTC"),
};
const from = z.strictObject({ ...bound, file: z.string().optional().describe("start at this file's first version") });
const to = z.strictObject(bound);

const replayBody = z.strictObject({
  from: from.optional(),
  to: to.optional(),
  onlyFile: z.string().optional().describe("only this file"),
  asNewest: z
    .boolean()
    .default(false)
    .describe("go back: the versions become the newest, over everything received since; not for append tables"),
  dryRun: z.boolean().default(false).describe("only list the files, publish nothing"),
});

const replaySchema = z
  .object({
    table: z.string(),
    dryRun: z.boolean(),
    files: z.array(
      z.object({
        sourceFile: z.string(),
        sourceOffset: z.number().describe("the replayed version"),
        replayOf: z.string(),
        fileId: z.string().nullable().describe("file id of the new version; null in a dry run"),
        newest: z.boolean().describe("the file has no newer version: its rejects are the file's current ones"),
      }),
    ),
    missing: z
      .array(z.object({ sourceFile: z.string(), sourceOffset: z.number(), contentHash: z.string() }))
      .describe("skipped: their raw bytes are no longer in the blob store"),
  })
  .meta({ id: "Replay" });

/** Backfills: publish past file versions again. Idempotent. */
export function addReplayRoutes(app: App, deps: GatewayDeps): void {
  const limits = { timeoutMs: deps.settings.TRIBUTARY_QUERY_TIMEOUT };
  const past = { ...deps, ledger: makeLedger(deps.warehouse, limits) };
  addReplay(app, deps, past);
  addRejectsReplay(app, deps, past, makeRejectLedger(deps.warehouse, limits));
}

function addReplay(app: App, deps: GatewayDeps, past: VersionHistoryDeps): void {
  app.post(
    "/v1/tables/:table/replay",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "replay",
        tags: ["tables"],
        summary: "Publish past file versions of the table again (backfill)",
        description:
          "Reads versions from the log; older ones from `_ingest_files` and the raw bytes in the blob store. A version " +
          "goes over nothing newer; a file whose newer content the table has ends as failed with FILE_SUPERSEDED.",
        params,
        body: replayBody.nullish(),
        response: { 202: replaySchema, 200: replaySchema, ...problemResponses },
      },
    },
    async ({ params, body, audited }, reply) => {
      const { dryRun = false, asNewest = false, ...range } = body ?? {};
      Object.assign(audited, { dryRun, range, ...(asNewest ? { asNewest } : {}) });
      const table = checkTableName(params.table, deps.contracts);
      const { writeMode } = deps.contracts.of(table);
      if (asNewest && writeMode === "append")
        throw new TributaryError("BAD_REQUEST", `table '${table}' appends: asNewest would add its rows twice`);
      const versions = await everyVersion(past, table, writeMode);
      const selected = rangeOf(range);
      await checkNames(deps, table, versions, [selected.onlyFile, selected.fromFile]);
      const history = withoutUndone(versions);
      // Going back to a time before an undo brings the file back. Anything else does not.
      const chosen = asNewest
        ? withoutUndone(selectReplays(versions, writeMode, selected))
        : selectReplays(history, writeMode, selected);
      const mode = asNewest ? "newest" : "repetitions";
      const isNewest = newestIn(asNewest ? chosen : history);
      return reply.code(dryRun ? 200 : 202).send(await replay(deps, table, chosen, { mode, dryRun, isNewest }));
    },
  );
}

function addRejectsReplay(app: App, deps: GatewayDeps, past: VersionHistoryDeps, rejects: RejectLedger): void {
  app.post(
    "/v1/tables/:table/rejects/replay",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "replayRejects",
        tags: ["rejects"],
        summary: "Read files with rejected rows again, for example after a contract change",
        description:
          "Adds the rows that are valid now. Newer rows stay; a file whose newer content the table has ends with FILE_SUPERSEDED.",
        params,
        body: z.strictObject({ file: z.string().optional(), dryRun: z.boolean().default(false) }).nullish(),
        response: { 202: replaySchema, 200: replaySchema, ...problemResponses },
      },
    },
    async ({ params, body, audited }, reply) => {
      const { dryRun = false, file } = body ?? {};
      Object.assign(audited, { dryRun, ...(file === undefined ? {} : { file }) });
      const table = checkTableName(params.table, deps.contracts);
      const { writeMode } = deps.contracts.of(table);
      await assertRecorded({ ...deps, ledger: rejects }, table);
      const rejected = await rejects.files(table, { file, all: writeMode === "append" });
      const history = await versionHistory(past, table, writeMode);
      await checkNames(deps, table, history, [file]);
      const chosen = selectRejected(history, writeMode, rejected);
      const how = { mode: "rejects", dryRun, isNewest: newestIn(history) } as const;
      return reply.code(dryRun ? 200 : 202).send(await replay(deps, table, chosen, how));
    },
  );
}

/** @throws NOT_FOUND for a table that does not exist, or a file that has no version */
async function checkNames(
  deps: GatewayDeps,
  table: string,
  history: readonly VersionEvent[],
  files: readonly (string | undefined)[],
): Promise<void> {
  if (history.length === 0) {
    const tables = await knownTables(deps);
    if (!tables.includes(table)) throw noSuch("no such table", table, tables);
  }
  const known = new Set(history.map(({ event }) => event.sourceFile));
  for (const file of files) {
    if (file === undefined || known.has(file)) continue;
    throw noSuch(`table '${table}' has no version of a file with this name`, file, [...known]);
  }
}

async function replay(
  deps: GatewayDeps,
  table: string,
  chosen: readonly VersionEvent[],
  { mode, dryRun, isNewest }: { mode: ReplayMode; dryRun: boolean; isNewest: (item: VersionEvent) => boolean },
): Promise<z.infer<typeof replaySchema>> {
  const { present, missing } = await withRawBytes(deps, chosen);
  const published = dryRun ? [] : await publishReplays(deps, present, mode);
  const idOf = new Map(published.map(({ replayOf, fileId }) => [replayOf, fileId]));
  const files = present.map((item) => ({
    sourceFile: item.event.sourceFile,
    sourceOffset: item.offset,
    replayOf: item.event.fileId,
    fileId: idOf.get(item.event.fileId) ?? null,
    newest: isNewest(item),
  }));
  return {
    ...{ table, dryRun, files },
    missing: missing.map(({ offset, event: { sourceFile, contentHash } }) => ({
      ...{ sourceFile, sourceOffset: offset, contentHash },
    })),
  };
}

function rangeOf(body: {
  from?: z.infer<typeof from> | undefined;
  to?: z.infer<typeof to> | undefined;
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
