import type { Command } from "commander";
import { countText, EXIT, listText, sizeText } from "../output.ts";
import { CONFIRM, nameAgain } from "../requests/consent.ts";
import { action, durationOption, type Session } from "../session.ts";

interface RenameAnswer {
  table: string;
  to: string;
  status: "planned" | "pending" | "done";
  rows: number;
  files: number;
  bytes: number;
  copied: number;
  waiting: number;
  failed: string[];
  held: string[];
  missing: string[];
  checkedBy: string[];
  problems: string[];
}

interface Flags {
  confirm?: string;
  reason?: string;
  dryRun?: boolean;
  timeout: number;
}

/** `tributary tables rename`; `tables` is the command that `addTables` has added. */
export function addRename(program: Command): void {
  const tables = program.commands.find((command) => command.name() === "tables")!;
  tables
    .command("rename")
    .description("give a table another name: its files are read again under it, then the old table goes")
    .argument("<table>", "the old name")
    .argument("<name>", "the new name")
    .option("--reason <text>", "why; it is recorded in the ledger and in the audit log")
    .option("--dry-run", "only show what would happen, or how far a rename is that has begun")
    .option(...CONFIRM)
    .addOption(
      durationOption("--timeout <duration>", "maximum wait for the end; the rename continues afterwards", "10m"),
    )
    .addHelpText(
      "after",
      "\nBoth tables are there until the end. A rename that was interrupted continues when it is run again. The new " +
        "name needs\nthe contract of the old one, if it has one. Files that come to the old name afterwards start a new table.",
    )
    .action(
      action(async (session, table: string, to: string, flags: Flags) => {
        const plan = async () => renameText(await untilRenamed(session, table, to, { timeout: 0, dryRun: true }));
        const change = { table, plan, question: `Rename the table to ${to}?` };
        const sure = flags.dryRun ? flags : await nameAgain(session, flags, change);
        if (!sure) return EXIT.no;
        const answer = await untilRenamed(session, table, to, sure);
        session.print(answer, renameText);
        if (answer.problems.length > 0) return EXIT.no;
        return answer.status === "pending" && !flags.dryRun ? EXIT.unfinished : EXIT.ok;
      }),
    );
}

/** The request waits some seconds for the end; the same request again continues to wait. */
async function untilRenamed(
  { client, tell }: Session,
  table: string,
  to: string,
  { timeout, dryRun = false, ...more }: Flags,
): Promise<RenameAnswer> {
  const body = JSON.stringify({ to, dryRun, ...more });
  const deadline = performance.now() + timeout;
  for (;;) {
    const path = `/v1/tables/${encodeURIComponent(table)}/rename`;
    const answer = await client.send<RenameAnswer>("POST", path, { body, contentType: "application/json" });
    if (dryRun || answer.status === "done" || performance.now() > deadline) return answer;
    tell(`${answer.copied} of ${countText(answer.files, "file version")} are in ${to}`);
  }
}

function renameText(answer: RenameAnswer): string {
  const { table, to, status, rows, files, bytes, copied, waiting, failed, held, missing, checkedBy, problems } = answer;
  const names = (all: string[]): string | null => (all.length === 0 ? null : all.join(", "));
  const state = status === "planned" ? "not started (dry run)" : status === "pending" ? "in progress" : status;
  return listText([
    ["table", table],
    ["new name", to],
    ["rename", state],
    ...problems.map((problem): [string, string] => ["refused", problem]),
    ["rows", rows],
    ["read again", `${countText(files, "file version")}, ${sizeText(bytes)}`],
    ["of these in the new table", status === "pending" ? copied : null],
    ["on their way", waiting === 0 ? null : countText(waiting, "file")],
    ["failed, stay behind", names(failed)],
    ["held", names(held)],
    ["raw bytes gone", names(missing)],
    ["named in the checks of", names(checkedBy)],
  ]);
}
