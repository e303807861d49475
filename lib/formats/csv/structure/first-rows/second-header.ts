import { isFilled } from "../../reading/no-data.ts";
import { isDateOrTime, isTypedCell } from "../kinds.ts";
import { isSame } from "../known.ts";
import { profilesOf, YEAR, type ColumnProfile } from "../profile.ts";
import type { FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";

/** Rows below that are compared, and those that show what the columns are. */
const COMPARED_ROWS = 200;
const SHOWING_ROWS_MIN = 2;
/** Share of other numbers that may look like years. */
const YEARS_SHARE_MAX = 0.34;
/** Shorter names are in many words. */
const NAME_CHARS_MIN = 3;

/**
 * Says that the first row below the header may belong to the header: it has years or dates above other
 * numbers, numbers the columns, or says their names once more.
 */
export function secondHeader(table: Pick<FoundTable, "body" | "width" | "header" | "headerCells">): string | undefined {
  const { body, width, header, headerCells } = table;
  const [row, ...others] = body;
  if (header.rows === 0 || header.named > 0 || width < 2 || row?.count !== width) return undefined;
  if (isSame(row.cells, headerCells)) return undefined;
  const below = others.slice(0, COMPARED_ROWS);
  if (below.length < SHOWING_ROWS_MIN) return undefined;
  const profiles = profilesOf(below, width);
  const found =
    (momentsAbove(row, profiles) ? "has years or dates where the rows below it have other numbers" : undefined) ??
    (countsColumns(row, below, profiles) ? "counts the columns" : undefined) ??
    (repeatsNames(row, headerCells) && !below.some((one) => repeatsNames(one, headerCells))
      ? "has names like those of the header"
      : undefined);
  return found && `line ${row.line} ${found}: it may be a second row of the header`;
}

/** True for years that follow each other, or for dates or times, in all columns of numbers. */
function momentsAbove({ cells }: SampleRow, profiles: readonly ColumnProfile[]): boolean {
  const numbers = profiles.flatMap(({ family, values }, column) =>
    family === "number" && isFilled(cells[column] ?? "") ? [{ text: cells[column]!.trim(), values }] : [],
  );
  if (numbers.length < 2) return false;
  if (numbers.every(({ text }) => isDateOrTime(text))) return true;
  const areYears = (values: ReadonlySet<string>): boolean =>
    [...values].filter((value) => YEAR.test(value)).length > YEARS_SHARE_MAX * values.size;
  if (!numbers.every(({ text, values }) => YEAR.test(text) && !areYears(values))) return false;
  const years = [...new Set(numbers.map(({ text }) => Number(text)))].sort((a, b) => a - b);
  return years.every((year, at) => at === 0 || year === years[at - 1]! + 1);
}

/** True for 1, 2, 3 …, also above text, where no row below has a number. */
function countsColumns({ cells }: SampleRow, below: readonly SampleRow[], profiles: readonly ColumnProfile[]): boolean {
  if (cells.length < 3 || !cells.every((cell, at) => cell.trim() === String(at + 1))) return false;
  return profiles.some(
    ({ family }, column) => family === "text" && !below.some((row) => isTypedCell(row.cells[column] ?? "")),
  );
}

/** True if most cells say the name above them in more or fewer words, as `SKU` below `item_sku`. */
function repeatsNames({ cells }: SampleRow, names: readonly string[]): boolean {
  const alike = cells.filter((cell, at) => {
    const [value, name] = [wordsOf(cell), wordsOf(names[at] ?? "")];
    const [few, many] = value.length < name.length ? [value, name] : [name, value];
    return few.join("").length >= NAME_CHARS_MIN && few.every((word) => many.includes(word));
  });
  return alike.length >= 2 && 2 * alike.length > cells.length;
}

const wordsOf = (text: string): string[] =>
  text
    .replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2")
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter((word) => word !== "");
