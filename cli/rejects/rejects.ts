import { createReadStream } from "node:fs";
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { noRejectsText, rejectFilterOf, rejectsPath, type RejectFilterFlags } from "./filter.ts";
import { addDismiss, groupsText, type GroupsAnswer } from "./dismiss.ts";
import { assertTable } from "../commands.ts";
import { countText, EXIT, FORCE, lineText, listText, openOutput, tableText, type OutFlags } from "../output.ts";
import { replay, withReplayFlags } from "../replay.ts";
import { action, durationOption, positive } from "../session.ts";
import { rejectsText, type RejectAnswer } from "../show.ts";
import { exitCodeOf, tellProblems, waitForEnd, type FileAnswer } from "../upload.ts";

/** `tributary rejects …`: list, export, correct and replay rejected rows. */

interface CountsAnswer {
  total: number;
  groups: { sourceFile: string; reason: string; column: string | null; rows: number }[];
  truncated: boolean;
}

interface ListAnswer {
  rejects: RejectAnswer[];
  nextCursor: string | null;
}

interface CorrectionAnswer {
  sourceFile: string;
  dryRun: boolean;
  rowsCorrected: number;
  /** Null if the answer is not of a dry run. */
  rowsStillRejected: number | null;
  rowsUnchanged: number;
  rowsLeft: number;
  file: FileAnswer | null;
}

const queryOf = (parameters: Readonly<Record<string, string | number | undefined>>): string => {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return `?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString()}`;
};

type ListFlags = RejectFilterFlags & { limit: number; context?: number; counts?: true; groups?: true };

/** The gateway's limit of rejects per response. */
const PAGE_MAX = 1_000;

async function listAll(client: Client, table: string, filter: object, limit: number): Promise<ListAnswer> {
  const rejects: RejectAnswer[] = [];
  let cursor: string | null = null;
  do {
    const page = { ...filter, limit: Math.min(PAGE_MAX, limit - rejects.length), cursor: cursor ?? undefined };
    const answer: ListAnswer = await client.send<ListAnswer>("GET", rejectsPath(table, queryOf(page)));
    rejects.push(...answer.rejects);
    cursor = answer.nextCursor;
  } while (cursor !== null && rejects.length < limit);
  return { rejects, nextCursor: cursor };
}

export function addRejects(program: Command): void {
  const rejects = program
    .command("rejects")
    .description("list rejected rows with line and reason; export, correct, dismiss and replay them")
    .argument("[table]", "without a table: groups of rejected rows over all tables")
    .option("--file <name>", "only rows of this file")
    .option("--reason <reason>", "only rows with this reason (docs/errors.md lists the reasons)")
    .option("--column <column>", "only rows rejected because of this column")
    .option("--lines <from-to>", "only these lines of the file: 17, or 10-20")
    .option("--since <time>", "only rows rejected at or after this date or time (ISO 8601, UTC)")
    .option("--until <time>", "only rows rejected at or before this date or time")
    .option("--all", "include rejected rows of superseded file versions")
    .option("--context <n>", "show n lines of the file before and after each row", positive)
    .option("--dismissed", "show dismissed rows, with who, when and why")
    .option("--groups", "show only counts by reason and column, with an example of each")
    .option("--counts", "show only counts by file, reason and column")
    .option("--limit <n>", "maximum number of rows", positive, 50)
    .addHelpText("after", HELP)
    .action(
      action(
        async (
          { client, print, json, tell },
          table: string | undefined,
          { limit, context, counts, groups, ...flags }: ListFlags,
        ) => {
          const filter = await rejectFilterOf(flags);
          const none = noRejectsText(flags);
          if (table === undefined || groups) {
            const path = table === undefined ? "/v1/rejects" : rejectsPath(table, "/groups");
            const answer = await client.send<GroupsAnswer>("GET", `${path}${queryOf(filter)}`);
            if (answer.total === 0 && table !== undefined) await assertTable(client, table);
            print(answer, (found) => (found.groups.length === 0 ? none : groupsText(found)));
            return EXIT.ok;
          }
          const count = () => client.send<CountsAnswer>("GET", rejectsPath(table, `/counts${queryOf(filter)}`));
          if (counts) {
            const answer = await count();
            if (answer.total === 0) await assertTable(client, table);
            print(answer, (found) => (found.groups.length === 0 ? none : countsText(found)));
          } else {
            const answer = await listAll(client, table, { ...filter, context }, limit);
            if (answer.rejects.length === 0) await assertTable(client, table);
            const shown = context === undefined ? rejectsText : contextText;
            print(answer, ({ rejects: found }) => (found.length === 0 ? none : shown(found)));
            if (answer.nextCursor !== null && !json)
              tell(`showing ${limit} of ${(await count()).total}; use --limit for more, --counts for a summary`);
          }
          return EXIT.ok;
        },
      ),
    );
  addExport(rejects);
  addDismiss(rejects);
  addCorrect(rejects);
  addReplay(rejects);
}

const HELP = `
Examples:
  tributary rejects
  tributary rejects sales --groups
  tributary rejects sales --file january.csv --context 2

To fix rejected rows:
  - change the contract (null markers, formats, types), then: tributary rejects replay sales
  - correct the cells: tributary rejects export sales january.csv --out sheet.csv
                       (edit the sheet), then: tributary rejects correct sales sheet.csv --wait
  - correct the source: upload the corrected file under the same name
  - accept that they are missing: tributary rejects dismiss sales --reason too_few_fields --why "totals rows"`;

function addExport(rejects: Command): void {
  rejects
    .command("export")
    .description("export a file's rejected rows as a CSV sheet to correct and send back")
    .argument("<table>")
    .argument("<file>", "name of the file within its table")
    .option("--out <sheet>", "output file (default: standard output)")
    .option(...FORCE)
    .action(
      action(async ({ client, print, tell }, table: string, file: string, { out, force }: OutFlags) => {
        const { text, headers } = await client.download(rejectsPath(table, `/export${queryOf({ file })}`));
        const leftOut = Number(headers["x-tributary-left-out"] ?? 0);
        if (leftOut > 0)
          tell(
            `${countText(leftOut, "rejected row")} not exported (unclosed quote, row too large, or sheet full): ` +
              "correct the source file",
          );
        if (out === undefined) process.stdout.write(text);
        else {
          await using output = await openOutput(out, force);
          await output.writeFile(text);
          print(
            { table, file, out, leftOut },
            () => `correct the cells in ${out}, then: tributary rejects correct ${table} ${out} --wait`,
          );
        }
        return EXIT.ok;
      }),
    );
}

function addCorrect(rejects: Command): void {
  rejects
    .command("correct")
    .description("send a corrected sheet back: its rows replace the rejected rows in a new version of the file")
    .argument("<table>")
    .argument("<sheet>", "a file; - is standard input")
    .option("--dry-run", "check the sheet and show what would change, without a new version")
    .option("--wait", "wait until the rows can be queried")
    .addOption(durationOption("--timeout <duration>", "maximum wait", "10m"))
    .addHelpText("after", "\nRows that are missing or unchanged in the sheet stay rejected. All other rows are kept.")
    .action(
      action(
        async (
          { client, print, tell },
          table: string,
          sheet: string,
          { dryRun, wait, timeout }: { dryRun?: true; wait?: boolean; timeout: number },
        ) => {
          const body = sheet === "-" ? process.stdin : createReadStream(sheet);
          const path = rejectsPath(table, `/corrections${queryOf({ dryRun: dryRun && "true" })}`);
          const answer = await client.send<CorrectionAnswer>("POST", path, { body, contentType: "text/csv" });
          const file = answer.file && wait ? await waitForEnd(client, answer.file, timeout) : answer.file;
          print({ ...answer, file }, correctionText);
          if (!file || !wait) return EXIT.ok;
          tellProblems({ tell }, [file]);
          return exitCodeOf({ tell }, [file]);
        },
      ),
    );
}

function addReplay(rejects: Command): void {
  withReplayFlags(rejects.command("replay"))
    .description("parse the files with rejected rows again, for instance after a change of the contract")
    .argument("<table>")
    .option("--file <name>", "only this file")
    .addHelpText(
      "after",
      "\nRows that now conform to the contract are added; rows of upsert and append tables are not overwritten.",
    )
    .action(
      action((session, table: string, flags: { file?: string; dryRun?: boolean; wait?: boolean; timeout: number }) => {
        const body = flags.file === undefined ? {} : { file: flags.file };
        const nothing = "no file with rejected rows to replay";
        return replay(session, rejectsPath(table, "/replay"), body, flags, nothing);
      }),
    );
}

function countsText({ total, groups, truncated }: CountsAnswer): string {
  const rows = groups.map(({ sourceFile, reason, column, rows: count }) => [sourceFile, reason, column, count]);
  const more = truncated ? "; not all groups are shown" : "";
  return `${tableText(["file", "reason", "column", "rows"], rows)}\n${countText(total, "rejected row")}${more}`;
}

/** Each reject with the lines before and after it; its own line is marked. */
function contextText(rejects: readonly RejectAnswer[]): string {
  const texts = rejects.map(({ sourceFile, line, column, reason, message, context, raw }) => {
    const cause = `${reason}${column === null ? "" : ` (${column})`}`;
    const head = `${lineText(sourceFile)}:${line}  ${cause}: ${lineText(message)}`;
    const lines = context?.lines ?? [{ line, text: raw }];
    const shown =
      context && context.lines[0]?.line !== 1 && context.header !== null
        ? [{ line: 1, text: context.header }, ...lines]
        : lines;
    return [
      head,
      ...shown.map((one) => `${one.line === line ? ">" : " "} ${String(one.line).padStart(7)} | ${lineText(one.text)}`),
    ].join("\n");
  });
  return texts.join("\n\n");
}

const correctionText = ({
  sourceFile,
  dryRun,
  rowsCorrected,
  rowsStillRejected,
  rowsUnchanged,
  rowsLeft,
  file,
}: CorrectionAnswer): string =>
  listText([
    ["file", sourceFile],
    [dryRun ? "would be corrected" : "rows sent", rowsCorrected],
    ["would still be rejected", rowsStillRejected],
    ["unchanged", rowsUnchanged],
    ["missing in the sheet", rowsLeft],
    ["new version", file && `${file.status}${file.rowsRejected === null ? "" : `, ${file.rowsRejected} rejected`}`],
    ["id", file?.fileId],
  ]);
