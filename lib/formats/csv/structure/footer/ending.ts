import { isBlankRow, isFilled } from "../../reading/no-data.ts";
import { familyOf, isNumber, isTypedCell, kindOf, shapeOf } from "../kinds.ts";
import { isSame } from "../known.ts";
import type { SampleRow } from "../split.ts";
import { numberIn } from "./reports.ts";
import { ALL, BALANCE, COUNT, STATISTIC, TOTAL, TOTAL_ALONE } from "./words.ts";

/** Last rows that look like no data, though they have as many fields as the others. */
export interface Ending {
  /** Index of the first of them. */
  at: number;
  evidence: string;
  /** False if the rows may be data. */
  certain: boolean;
}

/** Rows of an ending. */
const ROWS_MAX = 6;
/** Rows above it that show what the columns are. */
const SHOWING_ROWS_MIN = 2;
/** First rows that may belong to a header of several rows. */
const HEADER_ROWS_MAX = 2;
const COUNTED = /^\W*(?:(\d{1,3}(?:[.,' \u00a0]\d{3})+|\d+) \p{L}+\W*$|eof\W*$|end of \p{L}+\W*$)/iu;
/** Bounds the time of the expression. */
const COUNT_CHARS_MAX = 100;

/**
 * Finds the ending of the rows below the header: words where all rows above have numbers, dates or codes,
 * sums of the columns, or a count of the rows.
 */
export function endingOf(
  rows: readonly SampleRow[],
  header: SampleRow | undefined,
  { width, rowsBefore }: { width: number; rowsBefore: number },
): Ending | undefined {
  const data = rows.filter(({ cells }) => !isBlankRow(cells) && !(header && isSame(cells, header.cells)));
  const last = data.at(-1);
  if (!last || data.length <= SHOWING_ROWS_MIN || width < 2) return undefined;
  const sum = rowsBefore > 0 ? largeIn(data, width) : sumIn(data, width);
  const found = countIn(data, rowsBefore) ?? sum ?? oddIn(data, width) ?? statisticIn(data) ?? labelledSumIn(data);
  return found && { ...found, at: rows.indexOf(data[found.at]!) };
}

/** A last row that says how many rows there are, or that the file ends, and has no other cell. */
function countIn(data: readonly SampleRow[], rowsBefore: number): Ending | undefined {
  const at = data.length - 1;
  const { cells, line } = data[at]!;
  const filled = cells.filter(isFilled);
  const match = filled.length === 1 && filled[0]!.length <= COUNT_CHARS_MAX ? COUNTED.exec(filled[0]!.trim()) : null;
  if (!match) return undefined;
  const certain = numberIn(match[1] ?? "") === rowsBefore + at;
  if (match[1] !== undefined && !certain && familyOf(kindOf(data[0]!.cells[0] ?? "")) === "text") return undefined;
  const what = certain ? "has the number of the rows above" : "looks like the end of a report, or is a row";
  return { at, certain, evidence: `line ${line} ${what}` };
}

/** True if the text is a number and a word, and the number that of the rows above: `3 lignes`. */
export const countsRows = (text: string, rows: number): boolean =>
  text.length <= COUNT_CHARS_MAX && COUNTED.test(text.trim()) && numberIn(text) === rows;

/** A last row with sums, and no value where all rows above have one. */
function sumIn(data: readonly SampleRow[], width: number): Ending | undefined {
  const at = data.length - 1;
  const { cells, line } = data[at]!;
  const above = data.slice(0, at);
  const numbers = numbersWithoutKey(data, width);
  const sums = numbers.filter((column) => isStatistic(above, column, cells[column]!, SUM_ONLY));
  if (sums.length === 0 || sums.length < numbers.length) return undefined;
  const certain = sums.length > 1 && above.length > 2;
  return { at, certain, evidence: `line ${line} has the ${certain ? "sums" : "sum"} of the rows above` };
}

/** Such a row whose numbers are at least the sums of the last rows, where the others are not shown. */
function largeIn(data: readonly SampleRow[], width: number): Ending | undefined {
  const at = data.length - 1;
  const { cells, line } = data[at]!;
  const above = data.slice(0, at);
  const numbers = numbersWithoutKey(data, width);
  const isLarge = (column: number): boolean => {
    const own = above.map((row) => numberOf(row.cells[column] ?? ""));
    const sum = own.reduce((before, number) => before + number, 0);
    return sum > 0 && own.every((number) => number >= 0) && numberOf(cells[column]!) >= sum;
  };
  if (numbers.length === 0 || !numbers.every(isLarge)) return undefined;
  return { at, certain: false, evidence: `line ${line} has no key, and numbers like sums of the rows above` };
}

/** The columns with numbers of a last row that has no first cell, though all rows above have one. */
function numbersWithoutKey(data: readonly SampleRow[], width: number): number[] {
  const { cells, count } = data.at(-1)!;
  if (count !== width || isFilled(cells[0]!)) return [];
  if (!data.slice(0, -1).every((row) => isFilled(row.cells[0] ?? ""))) return [];
  const numbers = cells.flatMap((cell, column) => (isNumber(cell) ? [column] : []));
  const isOther = cells.some((cell, column) => isFilled(cell) && !numbers.includes(column) && isTypedCell(cell));
  return isOther ? [] : numbers;
}

/** Rows that begin with words where the first cells of all rows above have a number, date or code. */
function oddIn(data: readonly SampleRow[], width: number): Ending | undefined {
  const start = data.slice(0, HEADER_ROWS_MAX).findIndex(({ cells }) => formOf(cells[0]!) !== undefined);
  if (start < 0) return undefined;
  const form = formOf(data[start]!.cells[0]!);
  let at = start;
  while (at < data.length && formOf(data[at]!.cells[0]!) === form) at++;
  const tail = data.slice(at);
  const above = data.slice(start, at);
  if (above.length < SHOWING_ROWS_MIN || tail.length === 0 || tail.length > ROWS_MAX) return undefined;
  // One form of codes needs more rows to be one.
  if (form!.includes("A") && above.length <= SHOWING_ROWS_MIN) return undefined;
  const [first] = tail;
  const before = above.at(-1)!;
  const isApart = first!.line > before.line + before.cells.join("").split("\n").length;
  const isOdd = (row: SampleRow): boolean => {
    const column = row.cells.findIndex(isFilled);
    const lead = row.cells[column]!;
    if (column > 0 && BALANCE.test(lead.trim())) return true;
    if (!isWords(lead) || !above.every(({ cells }) => formOf(cells[column] ?? "") !== undefined)) return false;
    const others = row.cells.slice(1).filter(isFilled).length;
    if (row.count < width || others <= (width - 1) / 2 || isApart || form === "moment" || isStatisticWord(lead))
      return true;
    return row.cells.some((cell, place) => isNumber(cell) && isStatistic(above, place, cell, ANY));
  };
  if (!tail.every(isOdd) || isTable(tail)) return undefined;
  const shown = JSON.stringify(first!.cells.find(isFilled)!.trim().slice(0, 40));
  const what = `begins with ${shown}, where all rows above have a ${NAMES.get(form!) ?? "code of one form"}`;
  return { at, certain: false, evidence: `line ${first!.line} ${what}: it may be a note or a total` };
}

const isStatisticWord = (cell: string): boolean => STATISTIC.test(cell.trim()) || BALANCE.test(cell.trim());

/** Rows that begin with the name of a statistic, and have it of a column. */
function statisticIn(data: readonly SampleRow[]): Ending | undefined {
  let at = data.length;
  while (at > 0 && data.length - at < ROWS_MAX && STATISTIC.test(data[at - 1]!.cells.find(isFilled)!.trim())) at--;
  const [above, tail] = [data.slice(0, at), data.slice(at)];
  if (tail.length === 0 || above.length < SHOWING_ROWS_MIN) return undefined;
  const isRight = ({ cells }: SampleRow): boolean =>
    cells.some((cell, column) => isNumber(cell) && isStatistic(above, column, cell, ANY));
  if (!tail.some(isRight)) return undefined;
  const evidence = `line ${tail[0]!.line} has a statistic of the rows above: it may be no row`;
  return { at, certain: false, evidence };
}

/** A last row with a word for a total in any cell, and the sum of a column. */
function labelledSumIn(data: readonly SampleRow[]): Ending | undefined {
  const at = data.length - 1;
  const { cells, line } = data[at]!;
  const above = data.slice(0, at);
  const isLabelled = cells.some(
    (cell, column) =>
      (TOTAL_ALONE.test(cell.trim()) || ALL.test(cell.trim())) &&
      !above.some((row) => row.cells[column]?.trim().toLowerCase() === cell.trim().toLowerCase()),
  );
  const isSum = (cell: string, column: number): boolean => isNumber(cell) && isStatistic(above, column, cell, SUM_ONLY);
  if (!isLabelled || !cells.some(isSum)) return undefined;
  return { at, certain: false, evidence: `line ${line} has a word for a total, and the sum of the rows above` };
}

/** Why the last row of a file of one column may be no value. */
export function endingOfOneColumn(rows: readonly SampleRow[]): string | undefined {
  const data = rows.filter(({ cells }) => !isBlankRow(cells));
  const at = data.findLastIndex(({ cells }) => !isWords(cells[0]!)) + 1;
  const tail = data.slice(at);
  if (tail.length === 0 || tail.length > ROWS_MAX || at <= SHOWING_ROWS_MIN) return undefined;
  const start = data.slice(0, HEADER_ROWS_MAX).findIndex(({ cells }) => isTypedCell(cells[0]!));
  if (start < 0 || !data.slice(start, at).every(({ cells }) => isTypedCell(cells[0]!))) return undefined;
  const [first] = tail;
  const [text] = first!.cells.map((cell) => cell.trim());
  const isNote =
    (/\s/.test(text!) || [TOTAL, COUNT, STATISTIC].some((words) => words.test(text!))) && !first!.quoted[0];
  return isNote ? `line ${first!.line} has words below numbers or dates: it may be a note or a total` : undefined;
}

/** True if the first row is a header by the cells below it: another table begins. */
const isTable = ([first, ...below]: readonly SampleRow[]): boolean =>
  below.length > 0 &&
  first!.cells.every((cell) => isFilled(cell) && isWords(cell)) &&
  below.every(({ cells }) => cells.some(isTypedCell));

const NAMES: ReadonlyMap<string, string> = new Map([
  ["number", "number"],
  ["moment", "date"],
  ["time", "time"],
]);

/** What a first cell has in common with others: a family of values, or the form of a code. */
function formOf(cell: string): string | undefined {
  const kind = kindOf(cell);
  const family = familyOf(kind);
  if (family === "text") return isWords(cell) ? undefined : shapeOf(cell);
  return NAMES.has(family) ? family : undefined;
}

/** True for text that is no code, nor a misspelt number. */
const isWords = (cell: string): boolean =>
  familyOf(kindOf(cell)) === "text" && (!/\d/.test(cell) || /\s/.test(cell.trim()));

const SUM_ONLY = ["sum"] as const;
const ANY = ["sum", "mean", "least", "most"] as const;

/** True if the cell is such a number of the column, in which all rows have one. */
function isStatistic(
  rows: readonly SampleRow[],
  column: number,
  cell: string,
  which: readonly ("sum" | "mean" | "least" | "most")[],
): boolean {
  const cells = rows.map((row) => row.cells[column] ?? "").filter(isFilled);
  if (cells.length < SHOWING_ROWS_MIN || !cells.every(isNumber)) return false;
  const numbers = cells.map(numberOf);
  if (numbers.filter((number) => number !== 0).length < SHOWING_ROWS_MIN) return false;
  const sum = numbers.reduce((before, number) => before + number, 0);
  const least = numbers.reduce((a, b) => Math.min(a, b));
  const most = numbers.reduce((a, b) => Math.max(a, b));
  const values = { sum, mean: sum / numbers.length, least, most };
  const own = numberOf(cell);
  return which.some((one) => Math.abs(values[one] - own) < 0.006 + Math.abs(own) * 1e-6);
}

/** True if the cell is the sum of the rows' cells in this column, but for rounding. */
export function isSumOf(cell: string, rows: readonly SampleRow[], column: number): boolean {
  const sum = rows.reduce((before, { cells }) => before + numberOf(cells[column] ?? ""), 0);
  return Math.abs(sum - numberOf(cell)) < 0.01 + Math.abs(sum) * 1e-6;
}

/** The number in a cell with a decimal point or comma; 0 for anything else. */
export function numberOf(cell: string): number {
  if (familyOf(kindOf(cell)) !== "number") return 0;
  const digits = cell.replace(/[^\d.,-]/g, "");
  const decimal = Math.max(digits.lastIndexOf("."), digits.lastIndexOf(","));
  const isGroup = decimal >= 0 && /^\d{3}$/.test(digits.slice(decimal + 1)) && /[.,].*[.,]/.test(digits);
  const plain =
    decimal < 0 || isGroup
      ? digits.replace(/[.,]/g, "")
      : `${digits.slice(0, decimal).replace(/[.,]/g, "")}.${digits.slice(decimal + 1)}`;
  const number = Number(plain);
  return Number.isFinite(number) ? number : 0;
}
