import { isBlankRow } from "../../reading/no-data.ts";
import { familyOf, kindOf, shapeOf } from "../kinds.ts";
import { isSame } from "../known.ts";
import type { SampleRow } from "../split.ts";

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
const STATISTIC =
  /^(?:average|avg|mean|median|min|max|minimum|maximum|count|balance|saldo|stand|anzahl|mittelwert|durchschnitt|moyenne|media|promedio|solde)\b/iu;
const COUNT = /^\W*(?:(\d+) \p{L}+\W*$|eof\W*$|end of \p{L}+\W*$)/iu;
/** Bounds the time of the expression. */
const COUNT_CHARS_MAX = 100;

/**
 * Finds the ending of the rows below the header: words where all rows above have numbers, dates or codes,
 * sums of the columns, or a count of the rows.
 */
export function endingOf(rows: readonly SampleRow[], header: SampleRow | undefined, width: number): Ending | undefined {
  const data = rows.filter(({ cells }) => !isBlankRow(cells) && !(header && isSame(cells, header.cells)));
  const last = data.at(-1);
  if (!last || data.length <= SHOWING_ROWS_MIN || width < 2) return undefined;
  const found = countIn(data) ?? sumIn(data, width) ?? oddIn(data, width);
  return found && { ...found, at: rows.indexOf(data[found.at]!) };
}

/** A last row that says how many rows there are, or that the file ends, and has no other cell. */
function countIn(data: readonly SampleRow[]): Ending | undefined {
  const at = data.length - 1;
  const { cells, line } = data[at]!;
  const filled = cells.filter(isFilled);
  const match = filled.length === 1 && filled[0]!.length <= COUNT_CHARS_MAX ? COUNT.exec(filled[0]!.trim()) : null;
  if (!match) return undefined;
  const certain = Number(match[1]) === at;
  if (match[1] !== undefined && !certain && familyOf(kindOf(data[0]!.cells[0] ?? "")) === "text") return undefined;
  const what = certain ? "has the number of the rows above" : "looks like the end of a report, or is a row";
  return { at, certain, evidence: `line ${line} ${what}` };
}

/** A last row with sums, and no value where all rows above have one. */
function sumIn(data: readonly SampleRow[], width: number): Ending | undefined {
  const at = data.length - 1;
  const { cells, count, line } = data[at]!;
  const above = data.slice(0, at);
  if (count !== width || isFilled(cells[0]!) || !above.every((row) => isFilled(row.cells[0]!))) return undefined;
  const numbers = cells.flatMap((cell, column) => (isNumber(cell) ? [column] : []));
  const sums = numbers.filter((column) => isStatistic(above, column, cells[column]!, SUM_ONLY));
  if (sums.length === 0 || sums.length < numbers.length) return undefined;
  if (cells.some((cell, column) => isFilled(cell) && !numbers.includes(column) && isTyped(cell))) return undefined;
  const certain = sums.length > 1 && above.length > 2;
  return { at, certain, evidence: `line ${line} has the ${certain ? "sums" : "sum"} of the rows above` };
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
    if (!isWords(lead) || !above.every(({ cells }) => formOf(cells[column] ?? "") !== undefined)) return false;
    const others = row.cells.slice(1).filter(isFilled).length;
    if (row.count < width || others <= (width - 1) / 2 || isApart || form === "moment" || STATISTIC.test(lead.trim()))
      return true;
    return row.cells.some((cell, place) => isNumber(cell) && isStatistic(above, place, cell, ANY));
  };
  if (!tail.every(isOdd) || isTable(tail)) return undefined;
  const shown = JSON.stringify(first!.cells.find(isFilled)!.trim().slice(0, 40));
  const what = `begins with ${shown}, where all rows above have a ${NAMES.get(form!) ?? "code of one form"}`;
  return { at, certain: false, evidence: `line ${first!.line} ${what}: it may be a note or a total` };
}

/** True if the first row is a header by the cells below it: another table begins. */
const isTable = ([first, ...below]: readonly SampleRow[]): boolean =>
  below.length > 0 &&
  first!.cells.every((cell) => isFilled(cell) && isWords(cell)) &&
  below.every(({ cells }) => cells.some(isTyped));

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

const isFilled = (cell: string): boolean => cell.trim() !== "";
const isNumber = (cell: string): boolean => familyOf(kindOf(cell)) === "number";
const isTyped = (cell: string): boolean => !["text", "none"].includes(familyOf(kindOf(cell)));
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
