import type { ColumnDefinition } from "../../../columns.ts";
import { positionalHeader, positionIn, storedHeader } from "../../headers.ts";
import { joinHeader, withRowName } from "../reading/header.ts";
import { isFilled } from "../reading/no-data.ts";
import { familyOf, fitsType, kindOf } from "./kinds.ts";
import type { SampleRow } from "./split.ts";

/** What a table's columns say about a file. */
export interface KnownColumns {
  /** Names and headers of each column, as `plain` writes them. */
  names: readonly ReadonlySet<string>[];
  columns: readonly ColumnDefinition[];
  /**
   * True if the table's files have no header: its columns are column_1, column_2 … A column that the table
   * lacks, because it has no value yet, is text in `columns`, which says nothing.
   */
  unnamed: boolean;
}

/** The same for spellings that people take for the same name. */
const plain = (name: string): string =>
  name
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "");

export function knownColumns(columns: readonly ColumnDefinition[]): KnownColumns {
  const placed = byPlace(columns);
  const all = placed ?? columns;
  return {
    columns: all,
    names: all.map(({ name, header }) => new Set([plain(name), plain(header)])),
    unnamed: placed !== undefined,
  };
}

/** The columns by their numbers; undefined if some have names. */
function byPlace(columns: readonly ColumnDefinition[]): ColumnDefinition[] | undefined {
  const placed = new Map(columns.map((column) => [positionIn(column.header), column]));
  if (placed.size !== columns.length || placed.has(undefined) || columns.length === 0) return undefined;
  const last = Math.max(...columns.map(({ header }) => positionIn(header)!));
  return Array.from({ length: last + 1 }, (_, at): ColumnDefinition => {
    const header = positionalHeader(at);
    return placed.get(at) ?? { name: header, header, type: "VARCHAR" };
  });
}

/** How many of the table's columns the cells name. Each column counts once. */
export function namesIn(cells: readonly string[], { names }: KnownColumns): number {
  const shown = new Set(cells.map(plain));
  // Names without letters and digits say nothing by themselves.
  shown.delete("");
  return names.filter((own) => [...own].some((name) => shown.has(name))).length;
}

/**
 * True if the cells are a header of the table: they name most of its columns, or are mostly names of
 * them.
 */
export function isHeaderOf(cells: readonly string[], known: KnownColumns): boolean {
  const { columns } = known;
  const named = namesIn(cells, known);
  if (columns.length > 0 && isSameHeader(cells, columns)) return true;
  const filled = cells.filter((cell) => cell.trim() !== "").length;
  if (named === 0) return false;
  // Columns without a value are none of the table's yet, so that it may have one of the names only.
  if (hasHeaders(cells, columns)) return true;
  if (named === 1 && (filled > 2 || known.names.length > 2)) return false;
  return named >= known.names.length / 2 || named >= filled / 2;
}

/**
 * How well rows fit the types of the table's columns, by position: the share of rows in which every cell
 * fits. Undefined if the types say nothing, because all are text or all cells are empty.
 */
export function fitOf(rows: readonly SampleRow[], { columns }: KnownColumns): number | undefined {
  let [fitting, telling] = [0, 0];
  for (const { cells } of rows) {
    const typed = cells.slice(0, columns.length).flatMap((cell, at) => {
      const { type } = columns[at]!;
      return type === "VARCHAR" || familyOf(kindOf(cell)) === "none" ? [] : [fitsType(cell, type)];
    });
    if (typed.length === 0) continue;
    telling++;
    if (typed.every((fits) => fits)) fitting++;
  }
  return telling === 0 ? undefined : fitting / telling;
}

/** True if the names are all headers of the table, in order. Blanks may be a row without a value. */
export const isSameHeader = (names: readonly string[], columns: readonly ColumnDefinition[]): boolean =>
  names.length === columns.length &&
  names.some(isFilled) &&
  names.every((name, at) => textOf(storedHeader(name)) === textOf(columns[at]!.header));

/** True if each column's header is one of the names, as it is written. Blank ones alone say nothing. */
export const hasHeaders = (names: readonly string[], columns: readonly ColumnDefinition[]): boolean =>
  columns.some(({ header }) => isFilled(header)) &&
  columns.every(({ header }) => names.some((name) => textOf(storedHeader(name)) === textOf(header)));

/** Stray quotes are read in several ways. */
const textOf = (name: string): string => name.replaceAll('"', "").trim();

/** Rows of a header that are looked at. */
export const HEADER_ROWS_MAX = 5;
/** Rows in which the table's own header is looked for. */
export const SEARCHED_ROWS_MAX = 60;

/**
 * The rows that are exactly the table's header, or the first with all of its names: other columns may have
 * had no value yet. Only titles and notes may stand above them.
 */
export function ownHeaderIn(rows: readonly SampleRow[], known: KnownColumns): { at: number; rows: number } | undefined {
  const { length } = known.columns;
  for (const [at, { cells, count }] of rows.slice(0, SEARCHED_ROWS_MAX).entries()) {
    const found = ownHeaderAt(rows, at, known);
    if (found > 0) return { at, rows: found };
    if (hasHeaders(cells, known.columns)) return { at, rows: 1 };
    if (count === length && cells.filter(isFilled).length > length / 2) return undefined;
  }
  return undefined;
}

/** How many rows from this one on are together exactly the table's header; 0: they are not. */
export function ownHeaderAt(rows: readonly SampleRow[], at: number, { columns }: KnownColumns): number {
  const [first] = columns;
  const beginning = textOf(rows[at]!.cells[0] ?? "").slice(0, 100);
  if (!first || !textOf(first.header).startsWith(beginning)) return 0;
  for (let count = 1; count <= Math.min(HEADER_ROWS_MAX, rows.length - at); count++) {
    const header = rows.slice(at, at + count);
    const last = header.at(-1)!;
    if (last.count > columns.length + 1 || (count > 1 && !header[0]!.cells.some(isFilled))) return 0;
    const names = joinedCells(header);
    if (last.cut || (names.length > columns.length && names.at(-1) === "")) names.pop();
    const shown = last.cut && names.length > 0 ? columns.slice(0, names.length) : columns;
    if (isSameHeader(names, shown)) return count;
  }
  return 0;
}

/** The names of the columns under these header rows, as the reader joins them. */
export const joinedCells = (rows: readonly SampleRow[]): string[] => joinHeader(rows.map(({ cells }) => cells));

/** The columns' names, as the reader makes them from the header's rows. */
export function namesUnder(
  header: readonly SampleRow[],
  shape: { rowNames: boolean; trailingDelimiter: boolean; dropBlankNames: boolean },
): string[] {
  const { rowNames, trailingDelimiter, dropBlankNames } = shape;
  const joined = joinedCells(header);
  const names = dropBlankNames ? joined.filter((name) => name !== "") : joined;
  while (trailingDelimiter && names.length > 1 && names.at(-1) === "") names.pop();
  return rowNames ? withRowName(names) : names;
}

/** True if the cells are the same names, but for case and blanks around them. */
export const isSame = (cells: readonly string[], others: readonly string[]): boolean =>
  cells.length === others.length && cells.every((cell, at) => folded(cell) === folded(others[at]!));

const folded = (cell: string): string => cell.trim().toUpperCase();
