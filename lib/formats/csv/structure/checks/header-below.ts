import { familyOf, isTyped, kindOf } from "../kinds.ts";
import { profilesOf, type ColumnProfile } from "../profile.ts";
import { isSame } from "../known.ts";
import { isName, type FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";
import { isNaming } from "./header-words.ts";
import { lacksValues } from "./second-names.ts";

/** Rows in which another header is looked for, and rows that are compared with it. */
const SEARCHED_ROWS_MAX = 20;
const COMPARED_ROWS_MAX = 100;

/**
 * Says which row below the header may be the real one, or a part of the header: it has words, or no value
 * at all, where all rows below it have numbers or dates, and no row above it has such values.
 * `startDeclared`: the sender says where the table starts, so that no notes are above its header.
 */
export function headerBelow(
  table: Pick<FoundTable, "body" | "width" | "headerCells">,
  startDeclared: boolean,
): string | undefined {
  const { body, width, headerCells } = table;
  for (let at = 0; at < Math.min(SEARCHED_ROWS_MAX, body.length - 1); at++) {
    const row = body[at]!;
    if (row.count !== width || isSame(row.cells, headerCells)) continue;
    const profiles = profilesOf(body.slice(at + 1, at + 1 + COMPARED_ROWS_MAX), width);
    const families = profiles.map(({ family }) => family);
    const typed = families.flatMap((family, column) => (isTyped(family) ? [column] : []));
    const fits =
      ({ cells }: SampleRow) =>
      (column: number) =>
        familyOf(kindOf(cells[column] ?? "")) === families[column];
    if (typed.length === 0 || typed.some(fits(row)) || lacksAllValues(row, profiles)) continue;
    if (body.slice(0, at).some((above) => typed.every(fits(above)))) continue;
    const words = typed.filter((column) => isName(row.cells[column] ?? "")).length;
    const isLater =
      !startDeclared && words === typed.length && row.cells.every(isName) && isBelowNotes(table, at, typed.length);
    if (isLater || (at === 0 && isPartOfHeader(row, typed, words))) {
      const what =
        at === 0 ? "it may be a second row of the header" : "it may be the header, and the lines above notes";
      return `line ${row.line} has no value where the rows below it have numbers or dates: ${what}`;
    }
  }
  return undefined;
}

/**
 * True for a row with the same word instead of each value, such as closed, and with a text that names no
 * column.
 */
function lacksAllValues(row: SampleRow, profiles: readonly ColumnProfile[]): boolean {
  const texts = profiles.flatMap(({ family }, column) => (family === "text" ? [row.cells[column] ?? ""] : []));
  const isValue = (text: string): boolean => text.trim() !== "" && !isNaming(text);
  return texts.length > 0 && texts.every(isValue) && lacksValues(row, profiles);
}

/** True if the rows above are notes: by more than one column, by a blank line below them, or by a colon. */
function isBelowNotes(
  { body, headerCells }: Pick<FoundTable, "body" | "headerCells">,
  at: number,
  typed: number,
): boolean {
  const above = body.slice(0, at);
  const isApart = at > 0 && (typed > 1 || body[at]!.line > above.at(-1)!.line + 1);
  return isApart || [headerCells, ...above.map(({ cells }) => cells)].some(([key = ""]) => key.trim().endsWith(":"));
}

/** True for units or a second name; false for a row that lacks values, but has a first cell. */
function isPartOfHeader({ cells }: SampleRow, typed: readonly number[], words: number): boolean {
  if (typed.length < 2) return false;
  const isEmpty = (cells[0] ?? "").trim() === "";
  return words >= 2 || ((isEmpty || (words > 0 && typed[0] === 0)) && cells.some((cell) => cell.trim() !== ""));
}
