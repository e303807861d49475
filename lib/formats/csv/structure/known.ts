import type { ColumnDefinition } from "../../../columns.ts";
import { storedHeader } from "../../headers.ts";
import { familyOf, fitsType, kindOf } from "./kinds.ts";
import type { SampleRow } from "./split.ts";

/** What a table's columns say about a file. */
export interface KnownColumns {
  /** Names and headers of each column, as `plain` writes them. */
  names: readonly ReadonlySet<string>[];
  columns: readonly ColumnDefinition[];
  /** True if the table's files have no header: its columns are column_1, column_2 … */
  unnamed: boolean;
}

/** The same for spellings that people take for the same name. */
const plain = (name: string): string =>
  name
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "");

export function knownColumns(columns: readonly ColumnDefinition[]): KnownColumns {
  return {
    columns,
    names: columns.map(({ name, header }) => new Set([plain(name), plain(header)])),
    unnamed: columns.length > 0 && columns.every(({ header }, at) => header === `column_${at + 1}`),
  };
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
  if (named === 1 && (filled > 2 || known.names.length > 2)) return false;
  return named >= known.names.length / 2 || named >= filled / 2;
}

/**
 * How well rows fit the types of the table's columns, by position: the share of rows of which every cell
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

/** True if the names are all headers of the table, in order. Stray quotes are read in several ways. */
export function isSameHeader(names: readonly string[], columns: readonly ColumnDefinition[]): boolean {
  const text = (name: string): string => name.replaceAll('"', "").trim();
  const isSame = (name: string, at: number): boolean => text(storedHeader(name)) === text(columns[at]!.header);
  return names.length === columns.length && names.every(isSame);
}
