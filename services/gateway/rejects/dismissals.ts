import { createHash } from "node:crypto";
import { z } from "zod";
import { TributaryError } from "../../../lib/errors.ts";
import type { RejectFilter, RejectPlace } from "../../../lib/warehouse/reads/port.ts";
import type { LogRow } from "../../../lib/warehouse/warehouse.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { checkTableName } from "../http/names.ts";
import { plainText, problemResponses } from "../http/parameters.ts";
import { filterOf, filterParameters } from "./filter.ts";
import { makeRejectLedger, type RejectedRow, type RejectLedger } from "./ledger.ts";
import { assertRecorded } from "./recorded.ts";

const WHY_CHARS_MAX = 500;
/** Rows that one request dismisses at most; the answer says whether there are more. */
const DISMISSED_MAX = 10_000;
const PAGE_ROWS = 1_000;
/** Rows in one statement: each has the name of its file and the reason for the record. */
const ROWS_A_STATEMENT = 250;

const { all: _all, dismissed: _dismissed, lineFrom: _from, lineTo: _to, ...texts } = filterParameters;
const line = z.number().int().min(1).optional();

/** POST …/rejects/dismiss: rows that nobody will correct leave the lists, the counts and the sheet. */
export function addDismissalRoutes(app: App, { contracts, clock, view, warehouse, settings }: GatewayDeps): void {
  const ledger = makeRejectLedger(warehouse, { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT });
  app.post(
    "/v1/tables/:table/rejects/dismiss",
    {
      config: { scope: "upload" },
      schema: {
        operationId: "dismissRejects",
        tags: ["rejects"],
        summary: "Dismiss rejected rows: they leave the lists, the counts and the sheet, and stay on record",
        description:
          "Without a filter, all current rejects of the table. A dismissal also holds for the same row of later versions " +
          "of its file: same row number, reason, column and text. List dismissed rows with `dismissed=true`; " +
          "they are in the table _dismissed_rows.",
        params: z.object({ table: z.string() }),
        body: z.strictObject({
          ...texts,
          lineFrom: line,
          lineTo: line,
          why: plainText.min(1).max(WHY_CHARS_MAX).describe("the reason for the record"),
          dryRun: z.boolean().default(false).describe("only count the rows"),
        }),
        response: {
          200: z.object({
            table: z.string(),
            dryRun: z.boolean(),
            rowsDismissed: z.number(),
            more: z.boolean().describe(`more rows match: one request dismisses ${DISMISSED_MAX}; send it again`),
          }),
          ...problemResponses,
        },
      },
    },
    async ({ params, body: { why, dryRun, ...given }, caller, audited }) => {
      const table = checkTableName(params.table, contracts);
      Object.assign(audited, { table, why, dryRun, ...given });
      await assertRecorded({ view, clock, ledger }, table);
      const { rejects, more } = await matching(ledger, filterOf(table, { ...given, all: "false", dismissed: "false" }));
      const facts = { why, dismissed_by: caller?.id ?? "", dismissed_at: new Date(clock.nowMs()), table_name: table };
      if (!dryRun && rejects.length === 0)
        throw new TributaryError("NOT_FOUND", `no rejected row of '${table}' matches`);
      for (let at = 0; at < rejects.length && !dryRun; at += ROWS_A_STATEMENT) {
        const some = rejects.slice(at, at + ROWS_A_STATEMENT);
        await warehouse.appendLog(
          "_dismissed_rows",
          some.map((reject) => rowOf(reject, facts)),
        );
      }
      audited["rowsDismissed"] = rejects.length;
      return { table, dryRun, rowsDismissed: rejects.length, more };
    },
  );
}

type FoundReject = Omit<RejectedRow, "raw"> & { rawHash: string };

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

async function matching(
  ledger: RejectLedger,
  filter: RejectFilter,
): Promise<{ rejects: FoundReject[]; more: boolean }> {
  const rejects: FoundReject[] = [];
  for (let after: RejectPlace | undefined; ;) {
    const page = await ledger.list(filter, { after, limit: PAGE_ROWS });
    // Raw text may be long: its hash is enough.
    rejects.push(...page.map(({ raw, ...reject }) => ({ ...reject, rawHash: sha256(raw) })));
    if (page.length === 0) return { rejects, more: false };
    if (rejects.length >= DISMISSED_MAX) return { rejects, more: true };
    const { sourceOffset, fileId, row } = page.at(-1)!;
    after = { sourceOffset, fileId, row };
  }
}

const rowOf = (
  { sourceFile, row, line: at, fileId, column, reason, message, rawHash }: FoundReject,
  facts: LogRow,
): LogRow => ({
  ...facts,
  source_file: sourceFile,
  source_row: row,
  column_name: column,
  reason,
  raw_sha256: rawHash,
  file_id: fileId,
  line: at,
  message,
});
