import { isFilled } from "../../reading/no-data.ts";
import { isIdentifier, isNaming, isOnlyNaming, startOf } from "../checks/header-words.ts";
import { familyOf, isTyped, kindOf } from "../kinds.ts";
import { isSame } from "../known.ts";
import { profilesOf, type ColumnProfile } from "../profile.ts";
import { isName, type FoundTable } from "../rows.ts";
import { isMeasure, isMoment, isNoValue, titleSign, type TitleSign } from "./title-words.ts";

/** Rows in which the real header is looked for, and rows below it that are compared with it. */
const SEARCHED_ROWS = 5;
const COMPARED_ROWS = 200;
/** Share of a column's values that may look like a name. */
const NAMING_SHARE = 0.2;

type Table = Pick<FoundTable, "body" | "width" | "header" | "headerCells" | "firstLine">;
type Line = Pick<FoundTable["body"][number], "line" | "cells" | "count">;

/**
 * Says which row below the first line is the header, if the first line may be a title that is as wide as the
 * table: `Export;31.12.2025` above `id;name`. Else the title would name the columns, and the header would be
 * a row.
 */
export function titleLine(table: Table): string | undefined {
  const { body, width, header, headerCells } = table;
  if (header.rows > 1 || header.named > 0) return undefined;
  const above = firstOf(table);
  const rows: Line[] = [...above, ...body.slice(0, SEARCHED_ROWS)];
  for (let at = 1; at < Math.min(SEARCHED_ROWS, above.length + body.length - 1); at++) {
    const row = rows[at]!;
    // Further rows above may be rows of the table, unless they say what the file is.
    if (at > 1 && !["words", "moment"].includes(titleSign(rows[at - 1]!.cells))) break;
    if (row.count !== width || isSame(row.cells, headerCells)) continue;
    const next = at + 1 - above.length;
    const below = body.slice(next, next + COMPARED_ROWS);
    const columns = columnsOf(row, profilesOf(below, width), below);
    if (!columns || rows.slice(1, at).some(({ cells }) => hasValueOf(cells, columns))) continue;
    if (!isHeaderBelow(columns, rows.slice(0, at))) continue;
    return `line ${row.line} looks like the header, and line ${rows[0]!.line} like a title above it`;
  }
  return undefined;
}

/** The header, as a row. A header of another width is no title that is taken for names. */
function firstOf({ header, headerCells, firstLine, width }: Table): Line[] {
  if (header.rows === 0) return [];
  const cells = headerCells.length === width + 1 && headerCells.at(-1) === "" ? headerCells.slice(0, -1) : headerCells;
  return [{ line: firstLine, cells: [...cells], count: cells.length }];
}

/** A cell of the row that may be the header, and what it has of a name. */
interface Column {
  at: number;
  cell: string;
  profile: ColumnProfile;
  isTyped: boolean;
  /** Has words that name columns, or is written like an identifier, and the cells below are not. */
  isNamed: boolean;
  /** Begins in another way than the cells below. */
  isOther: boolean;
}

/** The cells of a row that may name the columns; undefined: it has values, or cells that recur. */
function columnsOf(
  { cells }: Line,
  profiles: readonly ColumnProfile[],
  below: FoundTable["body"],
): Column[] | undefined {
  const filled = profiles.flatMap((profile, at) => (isFilled(cells[at] ?? "") ? [{ profile, at }] : []));
  const names = filled.map(({ at }) => cells[at]!.trim().toLowerCase());
  if (filled.length < 2 || filled.length < profiles.length - 1 || new Set(names).size < names.length) return undefined;
  if (!filled.every(({ profile, at }) => isName(cells[at]!) && !profile.values.has(cells[at]!.trim())))
    return undefined;
  return filled.map(({ profile, at }) => {
    const values = below.map((row) => row.cells[at] ?? "").filter(isFilled);
    return { at, ...columnOf(cells[at]!.trim(), profile, values) };
  });
}

function columnOf(cell: string, profile: ColumnProfile, values: readonly string[]): Omit<Column, "at"> {
  const isRare = (is: (value: string) => boolean): boolean =>
    values.filter(is).length < NAMING_SHARE * Math.max(1, values.length);
  const hasType = isTyped(profile.family);
  const isNamed = hasType
    ? isOnlyNaming(cell) || isIdentifier(cell) || isMeasure(cell)
    : (isNaming(cell) && isRare(isNaming)) || (isIdentifier(cell) && isRare(isIdentifier));
  const start = startOf(cell);
  return { cell, profile, isTyped: hasType, isNamed, isOther: hasType || isRare((value) => startOf(value) === start) };
}

/** True if the cells look like names, by themselves or because the lines above are no names. */
function isHeaderBelow(columns: readonly Column[], above: readonly Line[]): boolean {
  const typed = columns.filter(({ isTyped }) => isTyped);
  const sign = signOf(above.map(({ cells }) => titleSign(cells)));
  const named = columns.filter(({ isNamed }) => isNamed).length;
  const areOther = columns.every(({ isNamed, isOther }) => isNamed || isOther);
  if (areOther && areWordsAboveCodes(columns)) return true;
  if (typed.length === 0) return isHeaderOfText(columns, above, sign);
  if (typed.every(({ cell }) => isNoValue(cell))) return false;
  const isTypedNamed = typed.some(({ isNamed }) => isNamed);
  if (named === columns.length || (areOther && isTypedNamed)) return true;
  if (sign === "none" || above.some(({ cells }) => hasValueOf(cells, columns))) return false;
  if (isTypedNamed || (areOther && (named > 0 || sign === "moment"))) return true;
  // A date names no column of text.
  return above.some(({ cells }) => columns.some(({ at, isTyped }) => !isTyped && isMoment((cells[at] ?? "").trim())));
}

/**
 * True for names in columns of text, and words in all columns of numbers, dates or codes, of a form that no
 * row below has.
 */
function areWordsAboveCodes(columns: readonly Column[]): boolean {
  const hasForm = ({ isTyped, profile }: Column): boolean => isTyped || profile.shape?.includes("9") === true;
  if (!columns.some(hasForm) || !columns.some(({ isNamed, isTyped }) => isNamed && !isTyped)) return false;
  return columns.every((column) =>
    hasForm(column) ? WORD.test(column.cell) && !isNoValue(column.cell) : column.isNamed && column.isOther,
  );
}

const WORD = /^\p{L}[\p{L}_-]*$/u;

/** The same above text alone, where a row may have any words: more must show that it names the columns. */
function isHeaderOfText(columns: readonly Column[], above: readonly Line[], sign: TitleSign): boolean {
  const isPlain = ({ cell }: Column): boolean => isOnlyNaming(cell) || isIdentifier(cell);
  const isNameLike = (cell: string): boolean => isNaming(cell) || isIdentifier(cell);
  const areNames = above.some(({ cells }) => cells.every(isNameLike));
  if (areNames && sign !== "moment") return false;
  const areOther = columns.every(({ isNamed, isOther }) => isNamed || isOther);
  if (sign === "moment" && areOther && columns.some(({ isNamed }) => isNamed)) return true;
  if (sign !== "none" && columns.every((column) => column.isNamed && isPlain(column))) return true;
  if (sign === "words" && areOther && columns.some((column) => column.isNamed && isPlain(column))) return true;
  const isTitle = above.every(({ cells }) => !cells.some(isNameLike));
  return isTitle && columns.every((column) => column.isOther && isPlain(column));
}

const SIGNS: readonly TitleSign[] = ["moment", "words", "value"];

const signOf = (signs: readonly TitleSign[]): TitleSign => SIGNS.find((sign) => signs.includes(sign)) ?? "none";

/** True if a line above has a value of the kind of its column: then it may be a row. */
const hasValueOf = (cells: readonly string[], columns: readonly Column[]): boolean =>
  columns.some(({ at, profile, isTyped }) => isTyped && familyOf(kindOf(cells[at] ?? "")) === profile.family);
