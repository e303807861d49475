import type { Command } from "commander";
import { FILE_ARGUMENT, findFile } from "../files/find-file.ts";
import { countText, EXIT, lineText, listText, sizeText } from "../output.ts";
import { CONFIRM, consentTo, nameAgain, YES } from "../requests/consent.ts";
import { action } from "../session.ts";

/** Commands that take something back: a file's rows, a table. */

export interface Flags {
  reason?: string;
  dryRun?: boolean;
}

export type Status = "planned" | "pending" | "done" | "failed";

interface UndoAnswer {
  table: string;
  file: string;
  status: Status;
  rows: number;
  versions: number;
  readAgain: { versions: number; bytes: number };
  missing: string[];
  /** Earlier gateways have none of these. */
  lost?: { file: string; error: string }[];
  error?: string | null;
  code?: string | null;
  remedy?: string | null;
  links: { self: string | null };
}

interface UndoFlags extends Flags {
  yes?: boolean;
  lossy?: boolean;
}

interface DropAnswer {
  table: string;
  status: Status;
  exists: boolean;
  rows: number;
  files: number;
  links: { self: string | null };
}

export const withFlags = (command: Command): Command =>
  command
    .option("--reason <text>", "why; it is recorded in the ledger and in the audit log")
    .option("--dry-run", "only show what would happen");

function queryOf({ reason, dryRun }: Flags, more: Record<string, string> = {}): string {
  const query = new URLSearchParams(more);
  if (reason !== undefined) query.set("reason", reason);
  if (dryRun) query.set("dryRun", "true");
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

export const exitOf = (status: Status): number =>
  status === "failed" ? EXIT.no : status === "pending" ? EXIT.unfinished : EXIT.ok;

export function stateText(status: Status, { self }: { self: string | null }): string {
  if (status === "planned") return "not started (dry run)";
  return status === "pending" ? `in progress: ${self}` : status;
}

const filePath = (name: string): string => name.split("/").map(encodeURIComponent).join("/");

/** `tributary files undo`; `files` is the command that `addFiles` has added. */
export function addUndo(program: Command): void {
  const files = program.commands.find((command) => command.name() === "files")!;
  withFlags(
    files
      .command("undo")
      .description("take back a file: its rows go, and upsert tables get the earlier version of each key back")
      .argument("<table>", `the table; or, without a name, ${FILE_ARGUMENT}`)
      .argument("[name]", "the file's name, as `tributary status` shows it"),
  )
    .option("--lossy", "upsert tables: also if the present contract refuses earlier rows of other files")
    .option(...YES)
    .addHelpText(
      "after",
      "\nThe raw bytes stay. To bring the file back, upload it again, or go back to an offset before the undo's (see\n" +
        "tributary status --table <table>): tributary replay <table> --only <name> --to <offset> --as-newest",
    )
    .action(
      action(async (session, given: string, givenName: string | undefined, flags: UndoFlags) => {
        const { client, print } = session;
        const { table, sourceFile: name } =
          givenName === undefined ? await findFile(client, given) : { table: given, sourceFile: givenName };
        const path = `/v1/tables/${encodeURIComponent(table)}/files/${filePath(name)}`;
        const undo = (asked: UndoFlags) =>
          client.send<UndoAnswer>("DELETE", `${path}${queryOf(asked, flags.lossy ? { lossy: "true" } : {})}`);
        const question = `Take back '${lineText(name)}'?`;
        const plan = async () => undoText(await undo({ dryRun: true }));
        const sure = flags.dryRun ? flags : await consentTo(session, flags, { plan, question });
        if (!sure) return EXIT.no;
        const answer = await undo(sure);
        print(answer, undoText);
        const isRefused = answer.status === "planned" && (answer.error ?? null) !== null;
        return isRefused ? EXIT.no : exitOf(answer.status);
      }),
    );
}

function undoText(answer: UndoAnswer): string {
  const { file, status, rows, versions, readAgain, missing, lost = [], error, code, remedy, links } = answer;
  const again = `${countText(readAgain.versions, "version")} of other files, ${sizeText(readAgain.bytes)}`;
  return listText([
    ["file", file],
    ["undo", stateText(status, links)],
    ["why not", error && code ? `${code}: ${error}` : error],
    ["remedy", remedy],
    ["rows of the file", rows],
    ["versions of the file", versions],
    ["read again", readAgain.versions === 0 ? "nothing" : again],
    ["raw bytes gone", missing.length === 0 ? null : missing.join(", ")],
    ["rows lost", lost.length === 0 ? null : [...new Set(lost.map((one) => one.file))].join(", ")],
  ]);
}

/** `tributary tables drop`; `tables` is the command that `addTables` has added. */
export function addTableOperations(program: Command): void {
  const tables = program.commands.find((command) => command.name() === "tables")!;
  withFlags(
    tables
      .command("drop")
      .description("drop a table with its rows and the record of its files; a later upload starts a new one")
      .argument("<table>"),
  )
    .option(...CONFIRM)
    .addHelpText("after", "\nRaw bytes, the contract and objects in the drop store stay.")
    .action(
      action(async (session, table: string, flags: Flags & { confirm?: string }) => {
        const drop = async ({ confirm, ...asked }: Flags & { confirm?: string }): Promise<DropAnswer> => {
          const query = queryOf(asked, confirm === undefined ? {} : { confirm });
          return session.client.send<DropAnswer>("DELETE", `/v1/tables/${encodeURIComponent(table)}${query}`);
        };
        const plan = async () => dropText(await drop({ dryRun: true }));
        const change = { table, plan, question: "Drop the table?" };
        const sure = flags.dryRun ? flags : await nameAgain(session, flags, change);
        if (!sure) return EXIT.no;
        const answer = await drop(sure);
        session.print(answer, dropText);
        return exitOf(answer.status);
      }),
    );
}

function dropText({ table, status, rows, files, links }: DropAnswer): string {
  return listText([
    ["table", table],
    ["drop", stateText(status, links)],
    ["rows", rows],
    ["files on record", files],
  ]);
}
