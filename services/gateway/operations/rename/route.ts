import { z } from "zod";
import { TributaryError } from "../../../../lib/errors.ts";
import { makeLedger } from "../../files/ledger.ts";
import { makeConcurrencyLimiter } from "../../http/concurrency-limiter.ts";
import type { App, GatewayDeps } from "../../http/deps.ts";
import { checkTableName } from "../../http/names.ts";
import { plainText, problemResponses } from "../../http/parameters.ts";
import { assertRenames, copiedOf, planLeft, renameBegun, renameTable, type Progress, type Renamed } from "./rename.ts";
import type { RenamePlan } from "./plan.ts";
import { NO_REASON, REASON_CHARS_MAX } from "../undo-route.ts";

/** How long the request waits for the end. */
const WAIT_MS = 10_000;
/** Renamings that one gateway carries out at a time. */
const RENAMES_MAX = 4;

const renameSchema = z
  .object({
    table: z.string().describe("the old name"),
    to: z.string().describe("the new name"),
    dryRun: z.boolean(),
    status: z
      .enum(["planned", "pending", "done"])
      .describe("pending: it continues; the same request again says how far it is, or waits for the end"),
    rows: z.number().describe("rows of the old table"),
    files: z.number().describe("file versions that are read again under the new name"),
    bytes: z.number().describe("their bytes"),
    copied: z.number().describe("how many of them are committed under the new name"),
    waiting: z.number().describe("files on their way to the old table: they follow"),
    failed: z.array(z.string()).describe("files whose newest version failed: they stay behind, send them again"),
    held: z.array(z.string()).describe("files that wait for a decision: with any of them the rename is refused"),
    missing: z.array(z.string()).describe("files whose raw bytes are gone: with any of them the rename is refused"),
    checkedBy: z.array(z.string()).describe("tables whose checks name the old table: change their contracts"),
    problems: z.array(z.string()).describe("why the rename would be refused"),
    links: z.object({ self: z.string().describe("the table of the new name") }),
  })
  .meta({ id: "TableRename" });

type Answer = z.infer<typeof renameSchema>;

interface Run {
  progress: Progress;
  done: Promise<void>;
}

/** POST /v1/tables/{table}/rename: gives a table another name. */
export function addRenameRoute(app: App, deps: GatewayDeps): void {
  const limiter = makeConcurrencyLimiter(RENAMES_MAX, "renames");
  const runs = new Map<string, Run>();
  app.post(
    "/v1/tables/:table/rename",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "renameTable",
        tags: ["tables"],
        summary: "Rename a table: its files are read again under the new name, then the old table goes",
        description:
          "The files that make up the table are published under the new name, in order, from their kept raw bytes. " +
          "When all are committed, the old table is dropped; files that arrive meanwhile follow. A rename that was " +
          "interrupted continues when it is requested again; until its end the old table is there. Files that come to " +
          "the old name afterwards start a new table.",
        params: z.object({ table: z.string() }),
        body: z.strictObject({
          to: z.string().describe("the new name"),
          reason: plainText.min(1).max(REASON_CHARS_MAX).optional().describe("why; in ledger and audit log"),
          dryRun: z.boolean().default(false).describe("only say what would happen, or how far it is"),
          confirm: z.string().optional().describe("the old name again; not needed with dryRun"),
        }),
        response: { 200: renameSchema, 202: renameSchema.describe("not finished in time"), ...problemResponses },
      },
    },
    async (request, reply) => {
      const { reason = NO_REASON, dryRun, confirm } = request.body;
      const from = checkTableName(request.params.table, deps.contracts);
      const to = checkTableName(request.body.to, deps.contracts);
      Object.assign(request.audited, { to, reason, dryRun });
      if (from === to) throw new TributaryError("BAD_REQUEST", `to: the table is called '${to}' already`);
      const begun = await renameBegun(deps, { from, to });
      if (!begun) await assertFree(deps, to);
      const { state, plan } = await planLeft(deps, { from, to }, begun);
      if (state?.done) {
        await assertGone(deps, from, to);
        return { ...answerOf(from, to), dryRun, status: "done" as const };
      }
      const copied = plan && state ? await copiedOf(deps, plan, state.begun) : 0;
      const about = { ...answerOf(from, to, plan), dryRun, copied };
      Object.assign(request.audited, { rows: about.rows, files: about.files });
      if (dryRun) return { ...about, status: state ? ("pending" as const) : ("planned" as const) };
      if (confirm !== from) {
        throw new TributaryError("BAD_REQUEST", `confirm: repeat the table's name, '${from}', to rename the table`);
      }
      if (plan) assertRenames(plan);
      const asked = { from, to, reason, requestedBy: request.caller?.id ?? "" };
      const run = runs.get(`${from} ${to}`) ?? start(asked, about);
      const waited = new AbortController();
      const timer = deps.clock.sleep(WAIT_MS, AbortSignal.any([waited.signal, deps.draining])).then(() => "waited");
      const ended = await Promise.race([run.done, timer]).finally(() => waited.abort());
      if (ended === undefined) return { ...about, ...run.progress, status: "done" as const };
      return reply.code(202).send({ ...about, ...run.progress, status: "pending" as const });
    },
  );

  /** It continues after the request. */
  function start(asked: Renamed, { copied, files }: Progress): Run {
    const progress = { copied, files };
    const { from, to } = asked;
    const done = limiter.run(() => renameTable(deps, asked, progress)).finally(() => runs.delete(`${from} ${to}`));
    const run = { progress, done };
    runs.set(`${from} ${to}`, run);
    done.catch((err: unknown) => deps.logger.warn({ err, from, to }, "table not renamed"));
    return run;
  }
}

function answerOf(table: string, to: string, plan?: RenamePlan): Omit<Answer, "status" | "dryRun"> {
  const { rows = 0, bytes = 0, waiting = 0, failed = [], held = [], missing = [], checkedBy = [] } = plan ?? {};
  const { versions = [], problems = [] } = plan ?? {};
  const counts = { rows, files: versions.length, bytes, copied: 0, waiting };
  const links = { self: `/v1/tables/${encodeURIComponent(to)}` };
  return { table, to, ...counts, failed, held, missing, checkedBy, problems, links };
}

/** @throws TABLE_EXISTS if anything is known of the name; the table's writer checks it again */
async function assertFree(deps: GatewayDeps, to: string): Promise<void> {
  if (await isKnown(deps, to)) throw new TributaryError("TABLE_EXISTS", `there is a table '${to}' already`);
}

/** After a rename that has ended. @throws TABLE_EXISTS if there is a table of the old name again */
async function assertGone(deps: GatewayDeps, from: string, to: string): Promise<void> {
  if (!(await isKnown(deps, from))) return;
  throw new TributaryError(
    "TABLE_EXISTS",
    `'${from}' was renamed to '${to}', which exists; files that came to '${from}' since have started a new table`,
  );
}

/** A table has rows before the file that brought them is on record. */
async function isKnown({ warehouse, settings, view }: GatewayDeps, table: string): Promise<boolean> {
  if ((await warehouse.describe(table)) !== undefined) return true;
  const recorded = await makeLedger(warehouse, { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT }).versions(
    table,
    "replace",
  );
  return recorded.some(({ operation }) => operation === null) || view.lag(table).files > 0;
}
