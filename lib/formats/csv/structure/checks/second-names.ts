import { familyOf, isTyped, kindOf } from "../kinds.ts";
import type { ColumnProfile } from "../profile.ts";
import type { SampleRow } from "../split.ts";

export const anyOf = (parts: readonly string[], flags: string): RegExp => new RegExp(`^(?:${parts.join("|")})$`, flags);

/** The usual units, and whatever stands in brackets or has a slash. */
export const UNIT = anyOf(
  [
    "[([].+[)\\]]",
    "[°%‰].*",
    "[^\\s/]{1,6}/[^\\s/]{1,6}",
    "[kcmµMG]?(?:m|g|s|l|L|W|Wh|A|V|Hz|Pa|B|J)[²³23]?",
    "min|h|hrs?|days?|sec|deg[CF]?|C|F|K|bar|ppm|pcs",
    "EUR|USD|GBP|CHF|NOK|SEK|DKK|JPY|CNY|INR|PLN|CZK|CAD|AUD",
  ],
  "u",
);
/** Types of database columns. */
export const TYPE = anyOf(
  [
    "(?:(?:small|big)?int(?:eger)?|long|float|double|real|num(?:ber|eric)?|decimal)(?:\\(.*\\))?",
    "(?:(?:var)?char|text|str(?:ing)?|date|time|datetime|timestamp|bool(?:ean)?)(?:\\(.*\\))?",
  ],
  "iu",
);

const isUnit = (cell: string): boolean => UNIT.test(cell.trim()) || TYPE.test(cell.trim());

const columnsOf = (profiles: readonly ColumnProfile[], isOf: (family: ColumnProfile["family"]) => boolean): number[] =>
  profiles.flatMap(({ family }, column) => (isOf(family) ? [column] : []));

const wordsIn = ({ cells }: SampleRow, columns: readonly number[]): string[] =>
  columns.flatMap((column) => {
    const text = (cells[column] ?? "").trim();
    return familyOf(kindOf(text)) === "none" ? [] : [text];
  });

/** True if a unit or a type stands above one of the columns of numbers or dates. */
const hasUnits = (row: SampleRow, profiles: readonly ColumnProfile[]): boolean =>
  wordsIn(row, columnsOf(profiles, isTyped)).some(isUnit);

/** True for the same word above all columns of numbers or dates, such as unknown: missing values. */
export function lacksValues(row: SampleRow, profiles: readonly ColumnProfile[]): boolean {
  const words = wordsIn(row, columnsOf(profiles, isTyped)).map((word) => word.toLowerCase());
  return words.length > 1 && new Set(words).size === 1 && !hasUnits(row, profiles);
}

/**
 * The row below the first one of a header that may be a row of the table, or the header below a title: the
 * first has a name of its own for every column. This one has words for columns of text, or a name of its own
 * for every column as well, but no units.
 */
export function rowInHeader(header: readonly SampleRow[], profiles: readonly ColumnProfile[]): SampleRow | undefined {
  const [first, ...below] = header;
  if (!hasOwnNames(first!)) return undefined;
  const texts = columnsOf(profiles, (family) => family === "text");
  return below.find((row) =>
    wordsIn(row, texts).length > 0 ? !hasUnits(row, profiles) : hasOwnNames(row) && !row.cells.every(isUnit),
  );
}

function hasOwnNames({ cells }: SampleRow): boolean {
  const names = cells.map((cell) => cell.trim().toLowerCase());
  return !names.includes("") && new Set(names).size === names.length;
}
