import { DELIMITERS } from "../../options.ts";
import { isFilled } from "../../reading/no-data.ts";
import { isNumber, isTyped, isTypedCell, kindOf } from "../kinds.ts";
import { ColumnProfile, typedColumns } from "../profile.ts";
import { countsRows, endingOf, endingOfOneColumn, isSumOf, numberOf } from "./ending.ts";
import { failedLine, isSentence, TYPED_ROWS } from "./failed-rows.ts";
import { NOTE } from "./failure-words.ts";
import { saysFailure } from "./failures.ts";
import { isReport } from "./reports.ts";
import { COUNT, TOTAL, TOTAL_ALONE, TOTAL_OF } from "./words.ts";
import type { SampleRow } from "../split.ts";

/** Rows at the end of the file that are no data. */
export interface Footer {
  rows: number;
  confidence: number;
  evidence?: string;
  doubt?: string;
}

/** Rows of a footer that are looked for. */
const ROWS_MAX = 20;

/** The end of the file: how many rows of the table stand between the heading and the rows that are shown. */
export interface ShownEnd {
  rowsBefore: number;
}

/** The footer below `rows[0]`, the first of the table. Without the end of the file there is none. */
export function footerOf([heading, ...rows]: readonly SampleRow[], width: number, end: ShownEnd | undefined): Footer {
  const none = { rows: 0, confidence: 1 };
  if (!end) return none;
  if (width < 2) {
    // Blank lines are rows there: how many rows to leave out is not clear.
    const failed = failedLine(rows, heading);
    const doubt = failed ? failureIn(failed) : endingOfOneColumn(rows);
    return doubt === undefined ? none : { ...none, confidence: 0.6, doubt };
  }
  const { start, typed } = startOfNotes(rows, width);
  const total = totalAbove(rows, start, width, end);
  if (total) return total;
  const ending = endingOf(rows.slice(0, start), heading, { width, ...end });
  if (ending && !rows.slice(ending.at, start).some((row) => isOtherRow(row, width, typed, false))) {
    const { at, certain, evidence } = ending;
    const found = { rows: rows.length - at, confidence: certain ? 0.95 : 0.6, evidence };
    return certain ? found : { ...found, doubt: evidence };
  }
  // Rows of nothing but delimiters are left out by themselves, unless a note follows them.
  const isBlank = ({ cells }: SampleRow): boolean => cells.every((cell) => cell.trim() === "");
  if (rows.slice(start).every(isBlank)) return none;
  const [first, count] = [rows[start]!, rows.length - start];
  const notesText = count === 1 ? "a note" : `${count} notes`;
  const evidence = `${notesText} from line ${first.line} on, not rows of ${width} fields: ${shownText(first)}`;
  if (count === 1 && first.text === DOS_END) return { rows: 1, confidence: 1, evidence: "the mark of a file's end" };
  const failure = rows.slice(start).find(({ text }) => saysFailure(text));
  if (failure) return { rows: count, confidence: 0.6, evidence, doubt: failureIn(failure) };
  const isCount = count === 1 && countsRows(first.text, end.rowsBefore + start);
  const doubt =
    !isCount && isLikeRow(first, rows[start - 1]!, typed)
      ? { doubt: `line ${first.line} is a note, or a row without the delimiters of the others` }
      : {};
  return { rows: count, confidence: 0.9, evidence, ...doubt };
}

/** Index of the first of the last rows that are no rows of the table; which columns have values above. */
function startOfNotes(rows: readonly SampleRow[], width: number): { start: number; typed: readonly boolean[] } {
  let start = rows.length;
  const isEnd = (at: number): boolean => isNote(rows[at]!, width) || isSentence(rows[at]!, rows.slice(0, at), width);
  while (start > 2 && rows.length - start < ROWS_MAX && isEnd(start - 1)) start--;
  const typed = typedIn(rows.slice(0, start), width);
  const notes = rows.slice(start);
  const isApart = notes.length > 0 && notes[0]!.line > (rows[start - 1]?.line ?? 0) + 1;
  const failed = notes.findIndex(({ text }) => saysFailure(text));
  const before = failed < 0 ? notes : notes.slice(0, failed);
  const others = before.findLastIndex((note) => isOtherRow(note, width, typed, isApart)) + 1;
  return { start: start + others, typed };
}

/** The footer that begins with a row of totals, right above the notes from `start` on. */
function totalAbove(
  rows: readonly SampleRow[],
  start: number,
  width: number,
  { rowsBefore }: ShownEnd,
): Footer | undefined {
  const total = rows[start - 1];
  const sums = total && start > 1 ? sumsIn(rows.slice(0, start - 1), total, width) : undefined;
  if (!total || sums === undefined) return undefined;
  const rowCount = rows.length - start + 1;
  const evidence = `line ${total.line} is a total`;
  const whole = `${evidence}: it has the sums of the rows above`;
  // The sum of one row is that row: two rows may be alike.
  if (sums === "equal" && isLabel(total) && start > 2) return { rows: rowCount, confidence: 0.95, evidence: whole };
  if (sums === "equal") {
    return { rows: rowCount, confidence: 0.6, evidence: whole, doubt: `${whole}, but may be named so` };
  }
  const what =
    sums === "none"
      ? "and all numbers are 0"
      : rowsBefore > 0
        ? "and the file is too long to compare sums"
        : "but not the sum of the rows";
  return { rows: rowCount, confidence: 0.6, evidence, doubt: `${evidence} by its first cell, ${what}` };
}

export const withDoubt = (footer: Footer, doubt: string | undefined): Footer =>
  doubt === undefined ? footer : { ...footer, confidence: Math.min(footer.confidence, 0.6), doubt };

/** Why the last of the comments shows that the file is not whole. `rows`: the lines without comments. */
export function failedComment(lines: readonly SampleRow[], rows: readonly SampleRow[]): string | undefined {
  const last = lines.at(-1);
  return last && last !== rows.at(-1) && saysFailure(last.text) ? failureIn(last) : undefined;
}

const failureIn = (row: SampleRow): string =>
  `line ${row.line} says that the file was not written to its end: ${shownText(row)}`;
const SHOWN_CHARS_MAX = 80;
const shownText = ({ text }: SampleRow): string => JSON.stringify(text.trim().slice(0, SHOWN_CHARS_MAX));

/** True if the row's first cell is the label of a total and no name that begins like one. */
const isLabel = ({ cells }: SampleRow): boolean =>
  TOTAL_ALONE.test((cells.find((cell) => cell.trim() !== "") ?? "").trim());

/**
 * True if a note right below the rows begins with a number, or has as many words as they have fields, and
 * as many values.
 */
function isLikeRow(note: SampleRow, above: SampleRow, typed: readonly boolean[]): boolean {
  if (note.count > 1 || note.line > above.line + 1 || note.text.includes(":")) return false;
  if (COUNT.test(note.text) || isReport(note.text)) return false;
  if (/^\W*\d/.test(note.text)) return true;
  const words = wordsOf(note);
  const isAsLong = words.length === typed.length || words.length === typed.length + 1;
  return isAsLong && words.filter(isTypedCell).length >= typed.filter(Boolean).length;
}

const wordsOf = ({ text }: SampleRow): string[] => text.trim().split(/\s+/);

/** Which columns have numbers, dates or times. */
const typedIn = (rows: readonly SampleRow[], width: number): boolean[] =>
  typedColumns(rows.slice(0, TYPED_ROWS), width);

/**
 * True for a row of data that is written with another delimiter: nothing that may be left out. Below a blank
 * line, it begins like the rows.
 */
function isOtherRow(row: SampleRow, width: number, typed: readonly boolean[], isApart: boolean): boolean {
  if (row.count !== 1 || row.quoted[0]) return false;
  if (isReport(row.text) || NOTE.test(row.text) || saysFailure(row.text)) return false;
  if (DELIMITERS.some((delimiter) => row.text.split(delimiter).length === width)) return true;
  const words = wordsOf(row);
  if (isApart && typed[0] === true && !isTypedCell(words[0]!)) return false;
  const values = typed.filter(Boolean).length;
  return values > 0 && words.length >= width && words.filter(isTypedCell).length >= values;
}

/** What DOS programs write at the end of a file. */
const DOS_END = "\x1a";

/** A line of words, a count of rows, or a total that has fewer fields than the rows. */
function isNote({ cells, count, text }: SampleRow, width: number): boolean {
  const filled = cells.filter((cell) => cell.trim() !== "");
  if (count >= width && (filled.length > 1 || width < 3)) return filled.length === 0;
  const [first] = filled;
  if (first === undefined || text === DOS_END) return true;
  if (COUNT.test(text) || TOTAL.test(first.trim())) return count < width;
  if (isReport(text) && count < width) return true;
  if (filled.length > 1 || count > 2) return false;
  return kindOf(first) === "text" && /\s/.test(first.trim());
}

/**
 * For a row that is a total by its first cell: whether it holds the sums of the rows, or nothing but numbers
 * and blanks. `none`: all of them are 0, which any row may hold. Undefined for other rows.
 */
function sumsIn(rows: readonly SampleRow[], total: SampleRow, width: number): "equal" | "other" | "none" | undefined {
  const first = total.cells.find(isFilled);
  if (total.count !== width || first === undefined || !TOTAL.test(first.trim())) return undefined;
  let [numbers, among, zeros] = [0, 0, 0];
  for (let column = 0; column < width; column++) {
    const own = total.cells[column]!;
    if (!isNumber(own)) continue;
    numbers++;
    if (isNumeric(rows, column)) among++;
    if (!isSumOf(own, rows, column)) continue;
    if (numberOf(own) !== 0) return "equal";
    zeros++;
  }
  if (zeros > 0) return "none";
  const blank = total.cells.filter((cell) => !isFilled(cell)).length;
  // Names begin with such words, too: `Total Fitness`. They have values of all kinds, or other words behind.
  const isName = among === 0 || !(isLabel(total) || TOTAL_OF.test(first.trim()));
  if (blank === 0 && isName && !isForeign(rows, total.cells.indexOf(first))) return undefined;
  return numbers > 0 && blank > 0 && blank + numbers + 1 === width && width > 3 ? "equal" : "other";
}

/** True if the column has numbers, dates or codes, which are no names. */
function isForeign(rows: readonly SampleRow[], column: number): boolean {
  const { family, shape } = new ColumnProfile(rows.slice(0, TYPED_ROWS).map(({ cells }) => cells[column] ?? ""));
  return isTyped(family) || shape !== undefined;
}

/** True if most rows have a number in the column. */
const isNumeric = (rows: readonly SampleRow[], column: number): boolean =>
  rows.filter(({ cells }) => isNumber(cells[column] ?? "")).length > rows.length / 2;
