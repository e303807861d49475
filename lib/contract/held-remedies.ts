import { ERRORS } from "../errors.ts";
import type { HeldReason } from "./held.ts";

const AGAIN = "`tributary files accept <file_id>`";

/** What to do about each reason, before the file is accepted or refused. */
const REMEDIES: Readonly<Record<HeldReason["reason"], string>> = {
  structure_unsure: `If it is read wrongly, accept it with the settings that it needs (${AGAIN} --delimiter, --header, --skip, --footer).`,
  several_tables: `Name the table to load: ${AGAIN} with --footer <rows below it> or --skip <lines above it>; send the others as files of their own.`,
  columns_renamed:
    "If they are the same columns, add the new names to `aliases` of the contract's columns, then accept the file. If they are new, just accept it.",
  columns_ambiguous:
    "Remove one of the headers from the file, or an alias from the contract; accepted, the file gives each header a column.",
  numbers_unsure:
    'Declare in the contract what the points are (`number: { decimal: ",", group: "." }` or `{ decimal: "." }` of the column), then accept the file.',
  encoding_unsure: `Compare readings with \`tributary files preview <file_id> --encoding <name>\`; accept it with the right one (${AGAIN} --encoding <name>).`,
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

const REASONS_MAX = 4;

/** What to do about a held file: one remedy for each reason, then the commands. */
export function heldRemedy(reasons: readonly HeldReason[]): string {
  const own = [...new Set(reasons.map(({ reason }) => REMEDIES[reason]))].slice(0, REASONS_MAX);
  return [...own, ERRORS.FILE_HELD.remedy].join(" ");
}
