import { isLikeRows } from "./checks/header-words.ts";
import { axisIn, quotesOnlyHere } from "./checks/number-header.ts";
import { lacksValues, rowInHeader } from "./checks/second-names.ts";
import { isTitleRow } from "./checks/title-row.ts";
import { familyOf, isTyped, kindOf, shapeOf } from "./kinds.ts";
import { compare, profilesOf, YEAR, type Comparison } from "./profile.ts";
import {
  fitOf,
  isHeaderOf,
  isSame,
  joinedCells,
  namesIn,
  ownHeaderIn,
  HEADER_ROWS_MAX,
  SEARCHED_ROWS_MAX,
  type KnownColumns,
} from "./known.ts";
import type { SampleRow } from "./split.ts";

/** Whether the first rows of a table are its header. */
export interface HeaderDecision {
  /** Rows of the header; 0: none. */
  rows: number;
  /** Rows before it that are no part of the table. */
  skipped: number;
  confidence: number;
  evidence: string;
  /** True if the cells themselves say so; false if a header is only assumed. */
  certain: boolean;
  /** Why the decision may be wrong. */
  doubt?: string;
  /** Table columns that the header names. */
  named: number;
}

/** Decides for `rows`, which begin with the first row of the table, with `width` fields. */
export function headerOf(rows: readonly SampleRow[], width: number, known: KnownColumns): HeaderDecision {
  const own = known.columns.length > 0 && !known.unnamed ? headerOfTable(rows, known) : undefined;
  if (own) return own;
  const decided = headerByCells(rows, width);
  return known.columns.length === 0 ? decided : againstTable(rows, width, known, decided);
}

/** The rows that are the table's header, or the first row or two that name its columns. */
function headerOfTable(rows: readonly SampleRow[], known: KnownColumns): HeaderDecision | undefined {
  const all = known.names.length;
  const own = ownHeaderIn(rows, known);
  if (own) {
    const [first, last] = [rows[own.at]!, rows[own.at + own.rows - 1]!];
    const which = own.rows > 1 ? `lines ${first.line} to ${last.line} together are` : `line ${first.line} is`;
    const found = { confidence: 1, evidence: `${which} the table's header`, certain: true, named: all };
    return { rows: own.rows, skipped: own.at, ...found };
  }
  for (const [at, row] of rows.slice(0, SEARCHED_ROWS_MAX).entries()) {
    if (at + 1 < rows.length && !isHeaderOf(row.cells, known)) {
      const joined = joinedCells([row, rows[at + 1]!]);
      if (!isHeaderOf(joined, known) || namesIn(joined, known) <= namesIn(rows[at + 1]!.cells, known)) continue;
      const evidence = `lines ${row.line} and ${rows[at + 1]!.line} together name columns of the table`;
      return { rows: 2, skipped: at, confidence: 1, evidence, certain: true, named: namesIn(joined, known) };
    }
    if (!isHeaderOf(row.cells, known)) continue;
    const named = namesIn(row.cells, known);
    // A value may spell like a name: of rows that name as many columns, the first one counts.
    const first = rows.slice(0, at).findIndex(({ cells }) => namesIn(cells, known) >= named);
    return first >= 0 ? headerNaming(rows[first]!, first, named, all) : headerNaming(row, at, named, all);
  }
  return undefined;
}

function headerNaming({ line }: SampleRow, at: number, named: number, all: number): HeaderDecision {
  const evidence = `line ${line} names ${named} of the table's ${all} columns`;
  return { rows: 1, skipped: at, confidence: 1, evidence, certain: true, named };
}

/**
 * No row names the table's columns: the first is data if it fits them, else the header of other columns.
 */
function againstTable(
  rows: readonly SampleRow[],
  width: number,
  known: KnownColumns,
  decided: HeaderDecision,
): HeaderDecision {
  const [first] = rows;
  // A row without its end may name columns there.
  if (!first || first.cut) return decided;
  const fit = fitOf([first], known);
  const data = { rows: 0, skipped: 0, named: 0 };
  const sameWidth = width === known.columns.length;
  const widths = `it has ${width} fields for ${known.columns.length} columns`;
  if (fit === 1 && (sameWidth || known.unnamed || !decided.certain)) {
    const evidence = `line ${first.line} names no column of the table, and its cells fit their types`;
    // A table without names lacks columns at its end that have no value yet.
    const fits = sameWidth || (known.unnamed && width > known.columns.length);
    const doubt = fits ? {} : { doubt: `${evidence}, but ${widths}` };
    return { ...data, confidence: fits ? 0.95 : 0.6, evidence, certain: true, ...doubt };
  }
  if (known.unnamed && !(decided.rows > 0 && decided.certain)) {
    const evidence = "the table's columns have no names";
    return { ...data, confidence: 0.9, evidence, certain: true };
  }
  if (sameWidth && !decided.certain) {
    const evidence = `line ${first.line} names no column of the table`;
    const doubt = `line ${first.line} is a row without a header above it, or a header with other names`;
    return { ...data, confidence: 0.6, evidence, certain: false, doubt };
  }
  if (rows.length === 1 && decided.rows > 0 && !known.unnamed) {
    return {
      ...decided,
      confidence: 0.6,
      doubt: `line ${first.line} is the only row, and names no column of the table`,
    };
  }
  if (decided.rows === 0 && !sameWidth && !known.unnamed) {
    return { ...decided, confidence: 0.6, doubt: `line ${first.line} is no header, and ${widths}` };
  }
  return decided;
}

/** By what the cells are, compared with those below. */
function headerByCells(table: readonly SampleRow[], width: number): HeaderDecision {
  const [first] = table;
  // Concatenated files repeat the header: it says nothing about the columns.
  const others = table.slice(1).filter((row) => !isRepetition(row, first!));
  const rest = others.length > 0 ? others : table.slice(1);
  const rows = first ? [first, ...rest] : [];
  if (!first) return { rows: 1, skipped: 0, confidence: 0.5, evidence: "no rows", certain: false, named: 0 };
  if (rest.length === 0) return ofOnlyRow(first);
  // The lower half shows what the columns are, whatever the first rows are.
  const lower = profilesOf(rows.slice(Math.min(HEADER_ROWS_MAX, Math.ceil(rows.length / 2))), width);
  let count = 0;
  while (count < Math.min(HEADER_ROWS_MAX, rows.length - 1) && isHeaderRow(rows, count, lower)) count++;
  const group = count === 0 && isGroupHeader(rows, lower) ? 2 : 0;
  const headerRows = Math.max(count, group);
  if (headerRows > 1) {
    const evidence = `lines ${first.line} to ${rows[headerRows - 1]!.line} have words above columns of numbers or dates`;
    const found = { rows: headerRows, skipped: 0, evidence, certain: true, named: 0 };
    const title = rows.slice(0, headerRows - 1).find((row) => isTitleRow(row, rows[headerRows - 1]!));
    if (title) {
      return { ...found, confidence: 0.6, doubt: `line ${title.line} is a row of the header, or a line above it` };
    }
    const value = rowInHeader(rows.slice(0, headerRows), lower);
    if (!value) return { ...found, confidence: 0.9 };
    return { ...found, confidence: 0.6, doubt: `line ${value.line} is a row of the header, or the first row below it` };
  }
  const all = compare(first, profilesOf(rest, width));
  // A few rows show no form of codes: then those of all rows count.
  const decided = ofComparison(first, all, rows.length < 2 * SHAPED_ROWS_MIN ? all : compare(first, lower));
  if (!(decided.rows > 0 && decided.certain) && quotesOnlyHere(first, rest)) {
    const evidence = `line ${first.line} has quotes around its numbers, and the rows below it have none`;
    return { rows: 1, skipped: 0, confidence: 0.95, evidence, certain: true, named: 0 };
  }
  const axis = decided.rows === 0 ? axisIn(first, rest) : undefined;
  if (axis !== undefined) {
    return { ...decided, confidence: 0.6, doubt: `line ${first.line} ${axis}: it may be the header` };
  }
  if (decided.rows === 0 && isNumbering(first) && lower.some(({ family }) => family === "text")) {
    return { ...decided, confidence: 0.6, doubt: `line ${first.line} counts the columns: it may be the header` };
  }
  if (decided.rows === 0 || decided.certain || decided.doubt !== undefined) return decided;
  const alike = hasCodesOf(rest, first) ? "codes" : isLikeRows(first, rest) ? "words" : undefined;
  if (alike === undefined) return decided;
  return { ...decided, confidence: 0.6, doubt: `line ${first.line} has ${alike} like those below it: it may be a row` };
}

/** True for cells 1, 2, 3 … or 0, 1, 2 … */
const isNumbering = ({ cells }: SampleRow): boolean =>
  cells.length > 1 && cells.every((cell, at) => cell.trim() === String(at + Number(cells[0])));

/** Rows from which a column's cells have one form. */
const SHAPED_ROWS_MIN = 3;

/** True if the row has a code, and the cells below it have its form, though they are few. */
const hasCodesOf = (below: readonly SampleRow[], { cells }: SampleRow): boolean =>
  below.length < SHAPED_ROWS_MIN &&
  cells.some((cell, at) => {
    const shape = shapeOf(cell);
    return shape.includes("9") && below.every((row) => shapeOf(row.cells[at] ?? "") === shape);
  });

const isRepetition = (row: SampleRow, first: SampleRow): boolean =>
  row.count === first.count && row.count > 1 && isSame(row.cells, first.cells);

function isHeaderRow(rows: readonly SampleRow[], at: number, lower: ReturnType<typeof profilesOf>): boolean {
  const { header, data, typed } = compare(rows[at]!, lower);
  if (data > 0 || header === 0) return false;
  // One odd value makes no second header row: all columns that are not text must have words.
  return at === 0 || (header >= 2 && header >= typed && !lacksValues(rows[at]!, lower));
}

/** A row with few cells that group the columns of the header below it. */
function isGroupHeader(rows: readonly SampleRow[], lower: ReturnType<typeof profilesOf>): boolean {
  const [group, header] = rows;
  if (!group || !header || rows.length < 4) return false;
  const filled = group.cells.filter((cell) => cell.trim() !== "").length;
  const { header: words, data } = compare(header, lower);
  return filled >= 2 && filled < header.cells.length - 1 && words >= 2 && data === 0;
}

function ofOnlyRow(row: SampleRow): HeaderDecision {
  const base = { skipped: 0, certain: false, named: 0 };
  const kinds = row.cells.map((cell) => ({ cell: cell.trim(), family: familyOf(kindOf(cell)) }));
  const words = kinds.filter(({ family }) => family === "text").length;
  const values = kinds.filter(({ cell, family }) => isTyped(family) && !YEAR.test(cell)).length;
  const filled = kinds.some(({ family }) => family !== "none");
  if (values === 0 && (words > 0 || !filled)) {
    return { ...base, rows: 1, confidence: 0.8, evidence: `line ${row.line} is the only row` };
  }
  const evidence = `line ${row.line} is the only row and has numbers or dates`;
  return { ...base, rows: 0, confidence: 0.6, evidence, doubt: `${evidence}: it may be a header` };
}

/** Words above numbers from which a row is a header in spite of its codes: for each code, and in all. */
const WORDS_PER_CODE = 2;
const WORDS_MIN = 3;

function ofComparison(first: SampleRow, all: Comparison, lower: Comparison): HeaderDecision {
  const base = { skipped: 0, named: 0 };
  const header = Math.max(all.header, lower.header);
  const data = Math.min(all.data, lower.data);
  const line = `line ${first.line}`;
  if (header > 0 && header >= data) {
    const evidence = `${line} has words above ${header} ${header === 1 ? "column" : "columns"} of numbers, dates or codes`;
    if (data === 0) return { ...base, rows: 1, confidence: 1, evidence, certain: true };
    // Names have digits, too: GEOID10 above 2708, and LSAD10 above C2.
    const onlyCodes = [all, lower].some(({ data: found, codes }) => found === codes);
    const names = first.cells.map((cell) => cell.trim()).filter((cell) => cell !== "");
    const isDistinct = new Set(names).size === names.length;
    if (onlyCodes && isDistinct && header >= Math.max(WORDS_MIN, WORDS_PER_CODE * data)) {
      return { ...base, rows: 1, confidence: 0.9, evidence, certain: true };
    }
    return { ...base, rows: 1, confidence: 0.6, evidence, certain: false, doubt: mixed(line, data) };
  }
  if (data > 0 && (header === 0 || data > 2 * header)) {
    const evidence = `${line} has the same kinds of cells as the rows below it`;
    const strong = all.strongData > 0 || data >= 2;
    return { ...base, rows: 0, confidence: strong ? 0.95 : 0.8, evidence, certain: true };
  }
  if (all.weakHeader > 0 && data === 0) {
    const evidence = `${line} has other kinds of cells than the rows below it`;
    if (all.unsureHeader === 0) return { ...base, rows: 1, confidence: 0.9, evidence, certain: true };
    return { ...base, rows: 1, confidence: 0.6, evidence, certain: false, doubt: `${evidence}, but may be a row` };
  }
  if (all.weakData >= 2 && header === 0) {
    const evidence = `${line} has cells that recur below it`;
    return { ...base, rows: 0, confidence: 0.7, evidence, certain: false };
  }
  if (data > 0) {
    const evidence = `${line} has words above ${header} of the columns`;
    return { ...base, rows: 1, confidence: 0.6, evidence, certain: false, doubt: mixed(line, data) };
  }
  const evidence = `${line} is taken for the header: all cells are text`;
  return { ...base, rows: 1, confidence: 0.85, evidence, certain: false };
}

const mixed = (line: string, data: number): string =>
  `${line} has words above some columns and values like those below above ${data} ${data === 1 ? "other" : "others"}: it may be a row`;

/** A name that begins or ends with a quote without being quoted. */
export function strayNameIn(header: SampleRow | undefined, quote: string | null): string | undefined {
  if (!header || quote === null) return undefined;
  const isStray = (cell: string): boolean => cell.startsWith(quote) || cell.endsWith(quote);
  return header.cells.find((cell, at) => !header.quoted[at] && isStray(cell.trim()));
}
