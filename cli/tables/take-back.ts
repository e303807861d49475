import type { Command } from "commander";
import { countText, EXIT, listText, sizeText } from "../output.ts";
import { action } from "../session.ts";

/** Commands that take something back: a file's rows, a table. */

interface Flags {
  reason?: string;
  dryRun?: boolean;
}

type Status = "planned" | "pending" | "done" | "failed";

interface UndoAnswer {
  table: string;
  file: string;
  status: Status;
  rows: number;
  versions: number;
  readAgain: { versions: number; bytes: number };
  missing: string[];
  links: { self: string | null };
}

interface RebuildAnswer {
  table: string;
  status: Status;
  files: number;
  bytes: number;
  missing: string[];
  waiting: number;
  rows: { now: number; inFiles: number | null };
  columns: { name: string; change: "type" | "new" | "gone"; from: string | null; to: string | null }[] | null;
  unreadable: { file: string; error: string }[];
  complete: boolean;
  error: string | null;
  links: { self: string | null };
}

interface DropAnswer {
  table: string;
  status: Status;
  exists: boolean;
  rows: number;
  files: number;
  links: { self: string | null };
}

const withFlags = (command: Command): Command =>
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

const exitOf = (status: Status): number =>
  status === "failed" ? EXIT.no : status === "pending" ? EXIT.unfinished : EXIT.ok;

function stateText(status: Status, { self }: { self: string | null }): string {
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
      .argument("<table>")
      .argument("<name>", "the file's name, as `tributary status` shows it"),
  )
    .addHelpText(
      "after",
      "\nThe raw bytes stay. To bring the file back, upload it again, or: tributary replay <table> --only <name> --as-newest",
    )
    .action(
      action(async ({ client, print }, table: string, name: string, flags: Flags) => {
        const path = `/v1/tables/${encodeURIComponent(table)}/files/${filePath(name)}${queryOf(flags)}`;
        const answer = await client.send<UndoAnswer>("DELETE", path);
        print(answer, undoText);
        return exitOf(answer.status);
      }),
    );
}

function undoText({ file, status, rows, versions, readAgain, missing, links }: UndoAnswer): string {
  const again = `${countText(readAgain.versions, "version")} of other files, ${sizeText(readAgain.bytes)}`;
  return listText([
    ["file", file],
    ["undo", stateText(status, links)],
    ["rows of the file", rows],
    ["versions of the file", versions],
    ["read again", readAgain.versions === 0 ? "nothing" : again],
    ["raw bytes gone", missing.length === 0 ? null : missing.join(", ")],
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
    .option("--confirm <table>", "the table's name again; not needed with --dry-run")
    .addHelpText("after", "\nRaw bytes, the contract and objects in the drop store stay.")
    .action(
      action(async ({ client, print }, table: string, { confirm, ...flags }: Flags & { confirm?: string }) => {
        const query = queryOf(flags, confirm === undefined ? {} : { confirm });
        const answer = await client.send<DropAnswer>("DELETE", `/v1/tables/${encodeURIComponent(table)}${query}`);
        print(answer, dropText);
        return exitOf(answer.status);
      }),
    );
}

/** `tributary tables rebuild`; as `addTableOperations`. */
export function addRebuild(program: Command): void {
  const tables = program.commands.find((command) => command.name() === "tables")!;
  withFlags(
    tables
      .command("rebuild")
      .description("read a table's kept raw files again under the present contract, into a new table that replaces it")
      .argument("<table>"),
  )
    .option("--confirm <table>", "the table's name again; not needed with --dry-run")
    .addHelpText(
      "after",
      "\nTypes that the contract does not declare are found in all files together. If any file cannot be read, the " +
        "table stays as it is.",
    )
    .action(
      action(async ({ client, print }, table: string, flags: Flags & { confirm?: string }) => {
        const { dryRun = false, ...body } = flags;
        const path = `/v1/tables/${encodeURIComponent(table)}/rebuild`;
        const answer = await client.send<RebuildAnswer>("POST", path, {
          body: JSON.stringify({ ...body, dryRun }),
          contentType: "application/json",
        });
        print(answer, rebuildText);
        const isSound = answer.missing.length + answer.unreadable.length === 0;
        return isSound ? exitOf(answer.status) : EXIT.no;
      }),
    );
}

const CHANGES_SHOWN_MAX = 50;

function rebuildText(answer: RebuildAnswer): string {
  const { table, status, files, bytes, missing, waiting, rows, columns, unreadable, complete, error, links } = answer;
  const changes = (columns ?? [])
    .slice(0, CHANGES_SHOWN_MAX)
    .map(({ name, change, from, to }): [string, string] => [
      `  ${name}`,
      change === "type" ? `${from} → ${to}` : change === "new" ? `new, ${to}` : `goes, ${from}`,
    ]);
  return listText([
    ["table", table],
    ["rebuild", stateText(status, links)],
    ["why not", error],
    ["read again", `${countText(files, "file version")}, ${sizeText(bytes)}`],
    ["on their way", waiting === 0 ? null : countText(waiting, "file")],
    ["rows now", rows.now],
    ["rows in the files", rows.inFiles],
    ["columns that change", columns === null ? null : columns.length],
    ...changes,
    ["raw bytes gone", missing.length === 0 ? null : missing.join(", ")],
    ...unreadable.map(({ error: why }): [string, string] => ["cannot be read", why]),
    ["note", complete ? null : "not all files were read: the changes may be more"],
  ]);
}

function dropText({ table, status, rows, files, links }: DropAnswer): string {
  return listText([
    ["table", table],
    ["drop", stateText(status, links)],
    ["rows", rows],
    ["files on record", files],
  ]);
}
