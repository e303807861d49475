import { DELIMITERS } from "../../options.ts";
import { familyOf, kindOf } from "../kinds.ts";
import type { FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";

/** Rows that are looked at. */
const ROWS_MAX = 200;
const NEARLY_ALL = 0.8;
const MOST = 0.6;

/** What shows that the lines of a file that reads as one column hold several fields, or no table at all. */
export function notOneColumn(table: FoundTable): string | undefined {
  const { body, header, headerText, headerCells } = table;
  if (header.rows === 0 || body.length === 0) return undefined;
  const rows = body.slice(0, ROWS_MAX);
  const isMost = (share: number, is: (text: string) => boolean): boolean =>
    is(headerText) && rows.filter(({ text }) => is(text)).length >= share * rows.length;
  const [name = ""] = headerCells;
  if (headerText.startsWith('"') && !name.startsWith('"')) return quotedLines(table);
  if (isMost(MOST, (text) => /\S(?: {2,}|\t)\S/.test(text)))
    return "its lines have gaps of blanks, like columns of a fixed width";
  if (isMost(NEARLY_ALL, (text) => /[\x00-\x08\x0e-\x1f]/.test(text))) return "its lines have control characters";
  if (isMost(NEARLY_ALL, (text) => BORDERED.test(text.trim()))) return "its lines are drawn, as around a table";
  if (/\s/.test(name.trim()) && /[,;:.!]$/.test(name.trim())) return "its first line is a sentence rather than a name";
  const mark = commonMark(headerText, rows);
  return quotedLines(table) ?? (mark && `all its lines have ${JSON.stringify(mark)} as often as the first`);
}

const BORDERED = /^[|+│┃║┌├└╔╠╚].*[|+│┃║┐┤┘╗╣╝]$/u;

/**
 * What shows that each line is in quotes as a whole, with its fields within: the first field has the
 * delimiters, and the others are empty.
 */
export function quotedLines({ body, headerCells }: Pick<FoundTable, "body" | "headerCells">): string | undefined {
  const rows = body.slice(0, ROWS_MAX);
  const isAlone = (cells: readonly string[]): boolean => cells.slice(1).every((cell) => cell.trim() === "");
  if (rows.length === 0 || !isAlone(headerCells)) return undefined;
  const fieldsIn = (cell: string, delimiter: string): number => cell.replace(/"[^"]*"/g, "").split(delimiter).length;
  const [name = ""] = headerCells;
  const within = DELIMITERS.find((delimiter) => {
    const count = fieldsIn(name, delimiter);
    const isAlike = ({ cells, quoted }: SampleRow): boolean =>
      quoted[0] === true && isAlone(cells) && fieldsIn(cells[0]!, delimiter) === count;
    return count > 1 && rows.filter(isAlike).length >= NEARLY_ALL * rows.length;
  });
  return within === undefined ? undefined : `whole lines are in quotes, with ${JSON.stringify(within)} within them`;
}

const COMPARED_ROWS_MIN = 3;
const TEXT_MARKS = /[\p{Script=Latin}\p{N}\s_'"()]/u;

/** A character that could separate fields: all lines have it, as often as the header, and twice at least. */
function commonMark(headerText: string, rows: readonly SampleRow[]): string | undefined {
  if (rows.length < COMPARED_ROWS_MIN) return undefined;
  const countIn = (text: string, mark: string): number => text.split(mark).length - 1;
  return Array.from(new Set(headerText)).find((mark) => {
    const count = countIn(headerText, mark);
    if (count < 2 || (TEXT_MARKS.test(mark) && mark !== "þ")) return false;
    return rows.every(({ text }) => countIn(text, mark) === count);
  });
}

/**
 * True if the mark only stands in sentences: the name of the column lacks it, some lines as well, a blank
 * follows it, and no number or date stands between two of them.
 */
export function isPunctuation(mark: string, { body, headerText }: Pick<FoundTable, "body" | "headerText">): boolean {
  const rows = body.slice(0, ROWS_MAX).map(({ text }) => text.split(mark));
  if (headerText.includes(mark) || !rows.some((parts) => parts.length === 1)) return false;
  const isWords = (part: string): boolean => ["text", "none", "boolean"].includes(familyOf(kindOf(part)));
  return rows.every(([first = "", ...parts]) =>
    parts.length === 0 ? true : isWords(first) && parts.every((part) => part.startsWith(" ") && isWords(part)),
  );
}
