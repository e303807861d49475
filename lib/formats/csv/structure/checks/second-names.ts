import { isNaming } from "./header-words.ts";
import { familyOf, isTyped, kindOf } from "../kinds.ts";
import type { ColumnProfile } from "../profile.ts";
import type { SampleRow } from "../split.ts";

export const anyOf = (parts: readonly string[], flags: string): RegExp => new RegExp(`^(?:${parts.join("|")})$`, flags);

const CURRENCIES = "EUR|USD|GBP|CHF|NOK|SEK|DKK|JPY|CNY|INR|PLN|CZK|CAD|AUD";

/** The usual units, and whatever stands in brackets or has a slash. */
export const UNIT = anyOf(
  [
    "[([].+[)\\]]",
    "[°%‰].*",
    "[^\\s/]{1,6}/[^\\s/]{1,6}",
    "[kcmµMG]?(?:m|g|s|l|L|W|Wh|A|V|Hz|Pa|B|J)[²³23]?",
    "min|h|hrs?|days?|sec|deg[CF]?|C|F|K|bar|ppm|pcs",
    CURRENCIES,
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

/** What a unit is divided by. */
const PER =
  "h|hr|s|sec|min|d|day|yr|year|a|month|Monat|Jahr|k?g|t|[mck]?m[²³23]?|ha|d?m?[lL]|100 ?km|mol|K|V|A|k?Wh|Stk|pcs";
/** Units that are no grade, size or word for a missing value. */
const SURE_UNIT = anyOf(
  [
    "[(\\[]?[°‰µ].*|.*[²³]|%.*",
    `[\\p{L}µ%€$]{1,6}/(?:${PER})`,
    "[kcmµdMG](?:m|g|s|l|L|W|Wh|V|Hz|Pa|J)|hPa|kWh|Hz|Pa|Wh|mmHg|mbar|psi|ppm|ppb|deg[CF]?|pcs|Stk",
    `${CURRENCIES}|[€$£¥]`,
  ],
  "u",
);
const isSureUnit = (cell: string): boolean =>
  SURE_UNIT.test(cell.trim()) || SURE_UNIT.test(/^[([](.+)[)\]]$/.exec(cell.trim())?.[1] ?? "");

type Columns = readonly ColumnProfile[];

const columnsOf = (profiles: Columns, isOf: (family: ColumnProfile["family"]) => boolean): number[] =>
  profiles.flatMap(({ family }, column) => (isOf(family) ? [column] : []));

const wordsIn = ({ cells }: SampleRow, columns: readonly number[]): string[] =>
  columns.flatMap((column) => {
    const text = (cells[column] ?? "").trim();
    return familyOf(kindOf(text)) === "none" ? [] : [text];
  });

const wordsAboveValues = (row: SampleRow, profiles: Columns): string[] => wordsIn(row, columnsOf(profiles, isTyped));
const wordsAboveText = (row: SampleRow, profiles: Columns): string[] =>
  wordsIn(
    row,
    columnsOf(profiles, (family) => family === "text"),
  );

/** True for the same word above all columns of numbers or dates, such as unknown: missing values. */
export function lacksValues(row: SampleRow, profiles: Columns): boolean {
  const words = wordsAboveValues(row, profiles);
  const isSame = new Set(words.map((word) => word.toLowerCase())).size === 1;
  return words.length > 1 && isSame && !isUnitAlone(words[0]!);
}

/** A unit in brackets must be one that is known: `(null)` and `[offline]` are values. */
const isUnitAlone = (word: string): boolean => (/^[([]|\//.test(word) ? isSureUnit(word) : isUnit(word));

/**
 * The row below the names of a header that may be a row of the table, or the header below a title. The rows
 * above it have a name of its own for every column of numbers or dates. This one has words for columns of
 * text, or a name of its own for every column as well, but no units.
 */
export function rowInHeader(header: readonly SampleRow[], profiles: Columns): SampleRow | undefined {
  const typed = columnsOf(profiles, isTyped);
  return header.find((row, at) => at > 0 && hasOwnNames(header.slice(0, at), typed) && !hasUnits(row, profiles));
}

/** True if the rows together name these columns, each in its own way. */
function hasOwnNames(rows: readonly SampleRow[], columns: readonly number[]): boolean {
  const names = columns.map((column) => rows.map(({ cells }) => (cells[column] ?? "").trim().toLowerCase()).join(" "));
  return names.every((name) => name.trim() !== "") && new Set(names).size === names.length;
}

/**
 * True if the row has units or types rather than values. A word above text that is neither, such as a name,
 * needs units that are nothing else.
 */
function hasUnits(row: SampleRow, profiles: Columns): boolean {
  const words = wordsAboveValues(row, profiles);
  const names = wordsAboveText(row, profiles).filter((word) => !isUnit(word));
  if (names.length === 0) return row.cells.every(isUnit) || !hasOwnNames([row], [...row.cells.keys()]);
  const units = new Set(words.filter(isSureUnit));
  return names.every(isNaming) ? units.size > 0 : units.size > 1 && words.every(isSureUnit);
}
