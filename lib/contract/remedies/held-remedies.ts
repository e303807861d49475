import { ERRORS } from "../../errors.ts";
import type { HeldReason } from "../held.ts";
import { structureRemedy } from "./structure-remedies.ts";

type Remedies = Readonly<Record<HeldReason["reason"], string | ((evidence: string) => string)>>;

/** What to do about each reason, before the file is accepted or refused. */
const REMEDIES: Remedies = {
  structure_unsure: structureRemedy,
  several_tables:
    "Name the table to load: accept it with `--footer <rows below it>` or `--skip <lines above it>`; send the others as files of their own.",
  columns_renamed:
    "If they are the same columns, add the new names to `aliases` of the contract's columns, then accept the file. If they are new, just accept it.",
  columns_ambiguous:
    "Remove one of the headers from the file, or an alias from the contract; accepted, the file gives each header a column.",
  numbers_unsure: numbersRemedy,
  encoding_unsure:
    "Compare readings with `tributary files preview <file_id> --encoding <name>`; accept it with the right `--encoding <name>`.",
  empty_version: "If the file has ended on purpose, accept it: its rows go. If not, refuse it, or send the whole file.",
  shrunk: "If rows are missing, send the file whole. If it is right, accept it, or raise `accept.shrinkMax`.",
  grown: "If rows are doubled, send the file without them. If it is right, accept it, or raise `accept.growMax`.",
  row_count:
    "If rows are missing or too many, send the file again. If it is right, accept it, or change `rowsMin`, `rowsMax`.",
  many_rejects:
    "See in its preview why rows are rejected, and correct file or contract. Accepted, it loads the other rows.",
  control_total:
    "Rows or the total are wrong, or the file is cut off: send it whole. Accept it if only the total is wrong.",
  duplicate_content: "Refuse it if it was sent twice under two names. Accepted, its rows are in the table twice.",
  new_columns:
    "If the table should get the columns, accept the file. If never, refuse it, and set `unexpectedColumns: ignore` or `fail`.",
};

/** Says how to declare the column of the evidence, whatever its points are. */
function numbersRemedy(evidence: string): string {
  const [, name = "<column>"] = /in the column '([^']{1,200})'/.exec(evidence) ?? [];
  return (
    "Declare in `columns` of the contract what the points are, then accept the file: for thousands " +
    `\`- { name: ${name}, type: "DECIMAL(18,2)", number: { decimal: ",", group: "." } }\`, ` +
    `for decimals \`- { name: ${name}, type: "DECIMAL(18,3)" }\`.`
  );
}

/** What to do about one reason. */
export function remedyOf({ reason, evidence }: HeldReason): string {
  const remedy = REMEDIES[reason];
  return typeof remedy === "string" ? remedy : remedy(evidence);
}

export type RemediedReason = HeldReason & { remedy: string };

/** Each reason with what to do about it. */
export const withRemedies = (reasons: readonly HeldReason[]): RemediedReason[] =>
  reasons.map(({ reason, evidence }) => ({ reason, evidence, remedy: remedyOf({ reason, evidence }) }));

const REASONS_MAX = 4;

/** What to do about a held file: one remedy for each reason, then the commands. */
export function heldRemedy(reasons: readonly HeldReason[]): string {
  const own = [...new Set(reasons.map(remedyOf))].slice(0, REASONS_MAX);
  return [...own, ERRORS.FILE_HELD.remedy].join(" ");
}
