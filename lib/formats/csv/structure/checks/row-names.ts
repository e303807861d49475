import { isLikeIdentifier } from "./header-words.ts";
import { profilesOf } from "../profile.ts";
import type { SampleRow } from "../split.ts";

/**
 * True if the text shows that the first fields of rows, which are one field longer than the header, are row
 * names, as R writes them. Else a field of the rows has an unquoted delimiter, like `1,50`, or the header
 * lacks one.
 */
export function hasRowNames(header: SampleRow, rows: readonly SampleRow[], delimiter: string): boolean {
  const first = rows.map(({ cells }) => cells[0]!.trim());
  const isDistinct = new Set(first).size === first.length && first.every((cell) => cell !== "");
  if (rows.length < 2 || !isDistinct || header.misquoted > 0) return false;
  return (isQuoted(header, rows) || delimiter === " ") && !isShifted(header, rows, delimiter);
}

/** R quotes all names, and leaves numbers as they are. */
const isQuoted = (header: SampleRow, rows: readonly SampleRow[]): boolean =>
  header.cells.every((cell, at) => header.quoted[at] && !cell.includes('"')) &&
  rows.every(({ quoted }) => quoted[0] === true);

/** True if a column may be the second part of the one before it. */
function isShifted(header: SampleRow, rows: readonly SampleRow[], delimiter: string): boolean {
  const values = profilesOf(
    rows.map((row) => ({ ...row, cells: row.cells.slice(1) })),
    header.count,
  );
  // A name of several words, which a blank divides, is text.
  if (delimiter === " " && !isQuoted(header, rows)) return values.some(({ family }) => family === "text");
  if (delimiter === " " || delimiter === "\t") return false;
  const isNumbered = rows.every(({ cells }, at) => cells[0]!.trim() === String(at + 1));
  // Cents like 05 and 00, and row names below a name like id.
  const isCents = rows.some(({ cells, quoted }) => cells.some((cell, at) => !quoted[at] && /^0\d/.test(cell)));
  return isCents || (!isNumbered && isLikeIdentifier(header.cells[0]!) && !isTextQuoted(rows));
}

/** True if a second column has quotes as well: then no delimiter stands in a number. */
const isTextQuoted = (rows: readonly SampleRow[]): boolean => rows.every(({ quoted }) => quoted[1] === true);
