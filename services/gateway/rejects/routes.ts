import { z } from "zod";
import { DEFAULT_LIMITS } from "../../../lib/parsing/limits.ts";
import { TributaryError } from "../../../lib/errors.ts";
import { correct, exportSheet, rejectedVersion, SHEET_BYTES_MAX, type CorrectionDeps } from "./corrections.ts";
import { makeConcurrencyLimiter, type ConcurrencyLimiter } from "../http/concurrency-limiter.ts";
import { checkTableName } from "../http/names.ts";
import { withContext } from "./context.ts";
import { COUNTED_GROUPS_MAX } from "../../../lib/warehouse/reads/port.ts";
import { filterOf, filterParameters } from "./filter.ts";
import { addGroupRoutes } from "./groups.ts";
import { makeRejectLedger, type RejectedRow } from "./ledger.ts";
import { readSheet } from "./sheet.ts";
import { correctionSchema, isFinal, rejectCountsSchema, rejectListSchema } from "../http/schemas.ts";
import { assertRecorded, unrecordedFile } from "./recorded.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { decodeCursor, encodeCursor, plainText, problemResponses } from "../http/parameters.ts";

/** Reading raw files competes with uploads in this process: few at a time. */
const RAW_READS_MAX = 4;
const CONTEXT_LINES_MAX = 20;

const placeSchema = z.object({ sourceOffset: z.number().int(), fileId: plainText, row: z.number().int() });
const params = z.object({ table: z.string() });

/** Raw text of one page of a list, in characters. The page ends early; its `nextCursor` names the rest. */
const PAGE_RAW_CHARS_MAX = 8 * 1024 * 1024;

const sheetResponse = { description: "the sheet", content: { "text/csv": { schema: z.string() } } } as const;

/** Rejected rows: lists, counts, and sheets to export and correct them. */
export function addRejectRoutes(app: App, deps: GatewayDeps): void {
  const ledger = makeRejectLedger(deps.warehouse, { timeoutMs: deps.settings.TRIBUTARY_QUERY_TIMEOUT });
  const limiter = makeConcurrencyLimiter(RAW_READS_MAX, "reads of raw files");
  const correcting: CorrectionDeps = { ...deps, ledger, limits: DEFAULT_LIMITS };
  addLists(app, correcting, deps, limiter);
  addGroupRoutes(app, deps, ledger);
  addSheets(app, correcting, deps, limiter);
}

/**
 * The rows that one answer may hold, at least one, and whether there are more. The ledger's page ends with
 * text that is too long.
 */
function pageOf(found: readonly RejectedRow[], limit: number): { rejects: RejectedRow[]; more: boolean } {
  let chars = 0;
  const end = found.findIndex(({ raw }) => (chars += raw.length) > PAGE_RAW_CHARS_MAX);
  const rejects = found.slice(0, Math.min(limit, end < 0 ? found.length : Math.max(1, end)));
  return { rejects, more: found.length > rejects.length || end >= 0 };
}

function addLists(
  app: App,
  { ledger, blob, limits }: CorrectionDeps,
  { contracts, view, clock }: GatewayDeps,
  limiter: ConcurrencyLimiter,
): void {
  app.get(
    "/v1/tables/:table/rejects",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listRejects",
        tags: ["rejects"],
        summary: "Rejected rows of each file's newest version, or of all versions",
        params,
        querystring: z.strictObject({
          ...filterParameters,
          context: z.coerce
            .number()
            .int()
            .min(0)
            .max(CONTEXT_LINES_MAX)
            .optional()
            .describe("number of lines before and after each row, from the raw file"),
          limit: z.coerce.number().int().min(1).max(1000).default(100),
          cursor: z.string().max(2048).optional(),
        }),
        response: { 200: rejectListSchema, ...problemResponses },
      },
    },
    async ({ params, query: { limit, cursor, context, ...query } }) => {
      const table = checkTableName(params.table, contracts);
      const after = cursor === undefined ? undefined : decodeCursor(cursor, placeSchema);
      await unrecordedFile({ view, clock, ledger }, table);
      const page = { after, limit: limit + 1, rawCharsMax: PAGE_RAW_CHARS_MAX };
      const { rejects, more } = pageOf(await ledger.list(filterOf(table, query), page), limit);
      const last = more ? rejects.at(-1) : undefined;
      return {
        rejects:
          context === undefined
            ? rejects
            : await limiter.run(() => withContext({ ledger, blob, limits }, rejects, context)),
        nextCursor: last ? encodeCursor({ sourceOffset: last.sourceOffset, fileId: last.fileId, row: last.row }) : null,
      };
    },
  );

  app.get(
    "/v1/tables/:table/rejects/counts",
    {
      config: { scope: "read" },
      schema: {
        operationId: "countRejects",
        tags: ["rejects"],
        summary: "Count rejected rows by file, reason and column",
        params,
        querystring: z.strictObject(filterParameters),
        response: { 200: rejectCountsSchema, ...problemResponses },
      },
    },
    async ({ params, query }) => {
      const table = checkTableName(params.table, contracts);
      await unrecordedFile({ view, clock, ledger }, table);
      const groups = await ledger.counts(filterOf(table, query));
      const total = groups.reduce((sum, { rows }) => sum + rows, 0);
      return { total, groups, truncated: groups.length === COUNTED_GROUPS_MAX };
    },
  );
}

function addSheets(app: App, correcting: CorrectionDeps, deps: GatewayDeps, limiter: ConcurrencyLimiter): void {
  addExport(app, correcting, deps, limiter);
  addCorrections(app, correcting, deps, limiter);
}

function addExport(
  app: App,
  correcting: CorrectionDeps,
  { contracts, view, clock }: GatewayDeps,
  limiter: ConcurrencyLimiter,
): void {
  const { ledger } = correcting;
  app.get(
    "/v1/tables/:table/rejects/export",
    {
      config: { scope: "read" },
      schema: {
        operationId: "exportRejects",
        tags: ["rejects"],
        summary: "Export a file's rejected rows as a CSV sheet to correct and send back",
        description:
          "Five columns of Tributary, then the file's own. An apostrophe precedes each cell that a spreadsheet would evaluate " +
          "as a formula; the correction removes it. The header `x-tributary-left-out` counts the rows not exported.",
        produces: ["text/csv"],
        params,
        querystring: z.strictObject({ file: plainText.describe("name of the file within its table") }),
        response: { 200: sheetResponse, ...problemResponses },
      },
    },
    async ({ params, query: { file } }, reply) => {
      const table = checkTableName(params.table, contracts);
      await assertRecorded({ view, clock, ledger }, table);
      const [newest] = await ledger.list({ table, file, all: false }, { limit: 1 });
      const running = view.get(view.newest(table, file)?.fileId ?? "");
      if (running && !isFinal(running.status)) {
        throw new TributaryError("REJECTS_PENDING", `file '${file}' of table '${table}' is ${running.status}`);
      }
      if (!newest) throw new TributaryError("NOT_FOUND", `file '${file}' of table '${table}' has no rejected rows`);
      const { text, leftOut } = await limiter.run(async () =>
        exportSheet(correcting, await rejectedVersion(correcting, table, newest.fileId)),
      );
      return reply
        .header("x-tributary-left-out", leftOut)
        .header(
          "content-disposition",
          `attachment; filename="rejected.csv"; filename*=UTF-8''${encodeURIComponent(`rejected ${file}`)}`,
        )
        .type("text/csv; charset=utf-8")
        .send(text);
    },
  );
}

function addCorrections(
  app: App,
  correcting: CorrectionDeps,
  { contracts, view }: GatewayDeps,
  limiter: ConcurrencyLimiter,
): void {
  const { limits } = correcting;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));

  app.post(
    "/v1/tables/:table/rejects/corrections",
    {
      config: { scope: "upload" },
      schema: {
        operationId: "correctRejects",
        tags: ["rejects"],
        summary: "Send a corrected sheet: its rows replace the rejected ones in a new version of the file",
        consumes: ["text/csv", "application/octet-stream"],
        params,
        querystring: z.strictObject({
          dryRun: z.enum(["true", "false"]).default("false").describe("only check the sheet and report the changes"),
        }),
        response: { 200: correctionSchema, 202: correctionSchema, ...problemResponses },
      },
    },
    async ({ params, query, raw }, reply) => {
      const table = checkTableName(params.table, contracts);
      const dryRun = query.dryRun === "true";
      const sheet = await readSheet(await bodyOf(raw), limits);
      const [corrects, ...others] = new Set(sheet.rows.map(({ fileId }) => fileId));
      if (others.length > 0)
        throw new TributaryError(
          "BAD_REQUEST",
          "the sheet contains rows of several files: send one sheet for each file",
        );
      const { version, correction } = await limiter.run(async () => {
        const found = await rejectedVersion(correcting, table, corrects!);
        return { version: found, correction: await correct(correcting, found, sheet, dryRun) };
      });
      const { accepted, ...counts } = correction;
      const file = accepted ? view.get(accepted.fileId)! : null;
      const { sourceFile } = version;
      return reply.code(dryRun ? 200 : 202).send({ table, sourceFile, corrects: corrects!, dryRun, ...counts, file });
    },
  );
}

async function bodyOf(raw: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of raw as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > SHEET_BYTES_MAX)
      throw new TributaryError("BODY_TOO_LARGE", `the sheet is larger than ${SHEET_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
