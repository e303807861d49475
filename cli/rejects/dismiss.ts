import type { Command } from "commander";
import { countText, EXIT, tableText, UsageError } from "../output.ts";
import { consentTo, YES } from "../requests/consent.ts";
import { action, type Session } from "../session.ts";
import { rejectFilterOf, rejectsPath, type RejectFilterFlags } from "./filter.ts";

/** `tributary rejects dismiss`, and rejected rows in groups. */

export interface GroupsAnswer {
  total: number;
  groups: { table: string; reason: string; column: string | null; rows: number; files: number; example: string }[];
  truncated: boolean;
}

interface DismissAnswer {
  table: string;
  dryRun: boolean;
  rowsDismissed: number;
  more: boolean;
}

export function addDismiss(rejects: Command): void {
  rejects
    .command("dismiss")
    .description(
      "dismiss rejected rows that nobody will correct: they leave lists, counts and sheet, and stay on record",
    )
    .argument("<table>")
    .requiredOption("--why <text>", "the reason for the record")
    .option("--file <name>", "only rows of this file")
    .option("--reason <reason>", "only rows with this reason")
    .option("--column <column>", "only rows rejected because of this column")
    .option("--lines <from-to>", "only these lines of the file: 17, or 10-20")
    .option("--since <time>", "only rows rejected at or after this date or time (ISO 8601, UTC)")
    .option("--until <time>", "only rows rejected at or before this date or time")
    .option("--all", "all rejected rows of the table; required without another option")
    .option("--dry-run", "only count the rows")
    .option(...YES)
    .addHelpText(
      "after",
      "\nThe dismissal also holds for the same rows of later versions of the file, as long as their text is the same.\n" +
        "tributary rejects <table> --dismissed lists them with who, when and why.",
    )
    .action(
      action(
        async (
          session,
          table: string,
          { why, dryRun, all, dismissed: _, yes, ...flags }: RejectFilterFlags & DismissFlags,
        ) => {
          const { lineFrom, lineTo, ...texts } = await rejectFilterOf(flags);
          const lines = lineFrom === undefined ? {} : { lineFrom: Number(lineFrom), lineTo: Number(lineTo) };
          const filter = { ...texts, ...lines };
          if (!all && Object.values(filter).every((value) => value === undefined)) {
            throw new UsageError(
              "dismiss which rows? Use --file, --reason, --column, --lines, --since, --until or --all",
            );
          }
          const dismiss = (isDry: boolean) => dismissAll(session, table, { ...filter, why, dryRun: isDry });
          const plan = async () => dismissText(await dismiss(true));
          const question = "Dismiss them?";
          if (!dryRun && !(await consentTo(session, { yes, reason: null }, { plan, question }))) return EXIT.no;
          session.print(await dismiss(dryRun === true), dismissText);
          return EXIT.ok;
        },
      ),
    );
}

interface DismissFlags {
  why: string;
  dryRun?: true;
  yes?: boolean;
}

async function dismissAll(
  { client }: Session,
  table: string,
  request: Record<string, unknown> & { dryRun: boolean },
): Promise<DismissAnswer> {
  const body = JSON.stringify(request);
  let rowsDismissed = 0;
  for (;;) {
    const path = rejectsPath(table, "/dismiss");
    const answer = await client.send<DismissAnswer>("POST", path, { body, contentType: "application/json" });
    rowsDismissed += answer.rowsDismissed;
    if (!answer.more || request.dryRun) return { ...answer, rowsDismissed };
  }
}

function dismissText({ table, dryRun, rowsDismissed, more }: DismissAnswer): string {
  const rows = `${more ? "at least " : ""}${countText(rowsDismissed, "rejected row")} of ${table}`;
  return dryRun ? `would dismiss ${rows}` : `dismissed ${rows}`;
}

export function groupsText({ total, groups, truncated }: GroupsAnswer): string {
  const rows = groups.map((one) => [one.table, one.reason, one.column, one.rows, one.files, one.example]);
  const more = truncated ? "; not all groups are shown" : "";
  const head = ["table", "reason", "column", "rows", "files", "example"];
  return `${tableText(head, rows)}\n${countText(total, "rejected row")}${more}`;
}
