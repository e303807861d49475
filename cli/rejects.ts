import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { ERRORS } from "../lib/errors.ts";
import type { Client } from "./client.ts";
import { EXIT, lineText, listText, tableText, UsageError } from "./output.ts";
import { replay, withReplayFlags } from "./replay.ts";
import { action, durationMs, positive } from "./session.ts";
import { rejectsText, type RejectAnswer } from "./show.ts";
import { hasEnded, waitForEnd, type FileAnswer } from "./upload.ts";

/** `tributary rejects …`: the rows that could not be typed, found and mended. */

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
  rowsUnchanged: number;
  rowsLeft: number;
  file: FileAnswer | null;
}

const pathOf = (table: string, rest: string): string => `/v1/tables/${encodeURIComponent(table)}/rejects${rest}`;

const queryOf = (parameters: Readonly<Record<string, string | number | undefined>>): string => {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return `?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString()}`;
};

interface FilterFlags {
  file?: string;
  reason?: string;
  column?: string;
  lines?: string;
  since?: string;
  until?: string;
  all?: true;
}

function filterOf({ lines, all, file, reason, column, since, until }: FilterFlags) {
  const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(lines ?? "1") ?? [];
  if (from === undefined) throw new UsageError(`--lines ${lines}: write one line, 17, or some, 10-20`);
  const range = lines === undefined ? {} : { lineFrom: from, lineTo: to ?? from };
  return { file, reason, column, since, until, ...range, ...(all ? { all: "true" } : {}) };
}

/** Answers hold a thousand at most. */
const PAGE_MAX = 1_000;

async function listAll(client: Client, table: string, filter: object, limit: number): Promise<ListAnswer> {
  const rejects: RejectAnswer[] = [];
  let cursor: string | null = null;
  do {
    const page = { ...filter, limit: Math.min(PAGE_MAX, limit - rejects.length), cursor: cursor ?? undefined };
    const answer: ListAnswer = await client.send<ListAnswer>("GET", pathOf(table, queryOf(page)));
    rejects.push(...answer.rejects);
    cursor = answer.nextCursor;
  } while (cursor !== null && rejects.length < limit);
  return { rejects, nextCursor: cursor };
}

export function addRejects(program: Command): void {
  const rejects = program
    .command("rejects")
    .description("rows that could not be typed: where they stand and why; and how to mend them")
    .argument("<table>")
    .option("--file <name>", "only of this file")
    .option("--reason <reason>", "only for this reason (docs/errors.md lists them)")
    .option("--column <column>", "only because of this column")
    .option("--lines <from-to>", "only on these lines of the file: 17, or 10-20")
    .option("--since <time>", "only rejected at or after this date or time (ISO 8601, UTC)")
    .option("--until <time>", "only rejected at or before")
    .option("--all", "also those that a newer version of their file has settled")
    .option("--context <n>", "show so many lines of the file around each", positive)
    .option("--counts", "only how many, by file, reason and column")
    .option("--limit <n>", "how many", positive, 50)
    .addHelpText("after", HELP)
    .action(
      action(
        async (
          { client, print, json, tell },
          table: string,
          { limit, context, counts, ...flags }: FilterFlags & { limit: number; context?: number; counts?: true },
        ) => {
          const filter = filterOf(flags);
          const count = () => client.send<CountsAnswer>("GET", pathOf(table, `/counts${queryOf(filter)}`));
          if (counts) print(await count(), countsText);
          else {
            const answer = await listAll(client, table, { ...filter, context }, limit);
            print(answer, ({ rejects: found }) => (context === undefined ? rejectsText(found) : contextText(found)));
            if (answer.nextCursor !== null && !json)
              tell(`${limit} of ${(await count()).total}; --limit shows more, --counts sums up`);
          }
          return EXIT.ok;
        },
      ),
    );
  addExport(rejects);
  addCorrect(rejects);
  addReplay(rejects);
}

const HELP = `
Examples:
  tributary rejects sales --counts
  tributary rejects sales --file january.csv --context 2

To mend them:
  - in the contract (null markers, formats, types), then: tributary rejects replay sales
  - by hand: tributary rejects export sales january.csv --out sheet.csv
             (correct the cells), then: tributary rejects correct sales sheet.csv --wait
  - at their source: send the mended file under the same name`;

function addExport(rejects: Command): void {
  rejects
    .command("export")
    .description("a file's rejected rows as a sheet (CSV) to be corrected and sent back")
    .argument("<table>")
    .argument("<file>", "name of the file within its table")
    .option("--out <sheet>", "where to (default: standard output)")
    .action(
      action(async ({ client, print, tell }, table: string, file: string, { out }: { out?: string }) => {
        const { text, headers } = await client.download(pathOf(table, `/export${queryOf({ file })}`));
        const leftOut = Number(headers["x-tributary-left-out"] ?? 0);
        if (leftOut > 0)
          tell(
            `${leftOut} rejected rows are on no sheet (open quotes, rows too large, or no room): mend the file itself`,
          );
        if (out === undefined) process.stdout.write(text);
        else {
          await writeFile(out, text);
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
    .description("send an exported sheet back, corrected: its rows take their place in a new version of the file")
    .argument("<table>")
    .argument("<sheet>", "- is standard input")
    .option("--dry-run", "only check the sheet, and say what would be done")
    .option("--wait", "until the rows can be queried")
    .option("--timeout <time>", "how long to wait", durationMs, 600_000)
    .addHelpText(
      "after",
      "\nRows that are left out, or left as they are, stay rejected. Every other row of the file stays where it is.",
    )
    .action(
      action(
        async (
          { client, print, tell },
          table: string,
          sheet: string,
          { dryRun, wait, timeout }: { dryRun?: true; wait?: boolean; timeout: number },
        ) => {
          const body = sheet === "-" ? process.stdin : createReadStream(sheet);
          const path = pathOf(table, `/corrections${queryOf({ dryRun: dryRun && "true" })}`);
          const answer = await client.send<CorrectionAnswer>("POST", path, { body, contentType: "text/csv" });
          const file = answer.file && wait ? await waitForEnd(client, answer.file, timeout) : answer.file;
          print({ ...answer, file }, correctionText);
          if (!file || !wait) return EXIT.ok;
          if (file.error) tell(`${file.error.code}: ${file.error.message}\n→ ${file.error.remedy}`);
          if (file.status === "committed") return EXIT.ok;
          if (hasEnded(file)) return EXIT.no;
          tell(`WAIT_TIMEOUT: it was not committed in time\n→ ${ERRORS.WAIT_TIMEOUT.remedy}`);
          return EXIT.unfinished;
        },
      ),
    );
}

function addReplay(rejects: Command): void {
  withReplayFlags(rejects.command("replay"))
    .description("read the files that have rejected rows again, for instance after the contract was mended")
    .argument("<table>")
    .option("--file <name>", "only this file")
    .addHelpText(
      "after",
      "\nWhat fits now is added; in upsert and append tables nothing that is there already is gone over.",
    )
    .action(
      action((session, table: string, flags: { file?: string; dryRun?: boolean; wait?: boolean; timeout: number }) => {
        const body = flags.file === undefined ? {} : { file: flags.file };
        const nothing = "no file with rejected rows is left to read again";
        return replay(session, pathOf(table, "/replay"), body, flags, nothing);
      }),
    );
}

function countsText({ total, groups, truncated }: CountsAnswer): string {
  if (groups.length === 0) return "no rejected rows";
  const rows = groups.map(({ sourceFile, reason, column, rows: count }) => [sourceFile, reason, column, count]);
  const more = truncated ? ", and more in further groups" : "";
  return `${tableText(["file", "reason", "column", "rows"], rows)}\n${total} rejected rows${more}`;
}

/** Each reject with the lines around it, its own marked. */
function contextText(rejects: readonly RejectAnswer[]): string {
  if (rejects.length === 0) return "no rejected rows";
  const texts = rejects.map(({ sourceFile, line, column, reason, message, context, raw }) => {
    const head = `${lineText(sourceFile)}:${line}  ${reason}${column === null ? "" : ` (${column})`}: ${lineText(message)}`;
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
  rowsUnchanged,
  rowsLeft,
  file,
}: CorrectionAnswer): string =>
  listText([
    ["file", sourceFile],
    [dryRun ? "would be corrected" : "corrected", rowsCorrected],
    ["sent unchanged", rowsUnchanged],
    ["not sent", rowsLeft],
    ["new version", file && `${file.status}${file.rowsRejected === null ? "" : `, ${file.rowsRejected} rejected`}`],
    ["id", file?.fileId],
  ]);
