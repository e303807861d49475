import { countNoun } from "../errors.ts";
import { decimalOf, type ColumnDefinition, type ColumnType } from "../columns.ts";
import type { Contract } from "../contract/contract.ts";
import type { Doubt } from "../formats/format.ts";
import { headerKey } from "../formats/headers.ts";
import { nearestOf } from "../nearest.ts";
import { columnNameOf, RESCUED_COLUMN, type SharedColumn } from "./names.ts";

/** A new column of a file that looks like a column of the table that the file lacks. */
export interface LooksRenamed {
  /** Name and header of the new column. */
  name: string;
  header: string;
  /** Name of the table's column. */
  former: string;
}

/** Columns that are compared, each with each. */
const COMPARED_MAX = 100;

/**
 * The new columns that look like missing ones, each missing one at most once: first those with the same plain
 * name, then those that are spelt nearly alike, then those where one has all the words of the other. Only
 * columns of the same kind of type are compared. This is a hint for people: it moves no value.
 */
export function renamedColumns(
  fresh: readonly ColumnDefinition[],
  missing: readonly ColumnDefinition[],
): LooksRenamed[] {
  const found: LooksRenamed[] = [];
  let left = missing.slice(0, COMPARED_MAX);
  let open = fresh.slice(0, COMPARED_MAX);
  for (const likeness of [hasSamePlainName, isSpeltAlike, hasAllWords]) {
    open = open.filter((column) => {
      const former = left.find((one) => kindOf(one.type) === kindOf(column.type) && likeness(column, one));
      if (!former) return true;
      found.push({ name: column.name, header: column.header, former: former.name });
      left = left.filter((one) => one !== former);
      return false;
    });
  }
  return found;
}

function kindOf(type: ColumnType): string {
  if (decimalOf(type) || ["INTEGER", "BIGINT", "DOUBLE"].includes(type)) return "number";
  return type.startsWith("TIMESTAMP") || type === "DATE" ? "moment" : type;
}

type Likeness = (a: ColumnDefinition, b: ColumnDefinition) => boolean;

const hasSamePlainName: Likeness = (a, b) => columnNameOf(a.header) === columnNameOf(b.header);

const isSpeltAlike: Likeness = (a, b) => nearestOf(headerKey(a.header), [headerKey(b.header)]) !== undefined;

const hasAllWords: Likeness = (a, b) => {
  const [some, others] = [wordsOf(a.header), wordsOf(b.header)];
  return some.every((word) => others.includes(word)) || others.every((word) => some.includes(word));
};

const wordsOf = (header: string): string[] => columnNameOf(header).split("_");

/** A file's columns beside those of its table. */
export interface ComparedColumns {
  contract: Contract;
  /** The table's columns before the file. */
  known: readonly ColumnDefinition[];
  /** The table's columns after the file. */
  columns: readonly ColumnDefinition[];
  /** By name of a column that the file has: its field. */
  present: ReadonlyMap<string, number>;
  /** False if each record names its own fields: those that a file lacks may only be empty. */
  fixedFields: boolean;
}

/**
 * Why the file's new columns may be columns of the table under other names: they look like missing ones, or
 * stand in their place with values that fit; or the file has no column of the table at all. Undefined if new
 * columns were only added or only left out, or if the contract says what becomes of new columns.
 */
export function renameDoubt(compared: ComparedColumns): Doubt | undefined {
  const { contract, known, columns, present, fixedFields } = compared;
  if (contract.accept.newColumns !== undefined && contract.accept.newColumns !== "hold") return undefined;
  const own = known.filter(({ name }) => name !== RESCUED_COLUMN);
  const names = new Set([...own, ...contract.columns].map(({ name }) => name));
  const fresh = columns.filter(({ name }) => present.has(name) && !names.has(name));
  const missing = own.filter(({ name }) => !present.has(name));
  if (fresh.length === 0 || missing.length === 0) return undefined;
  const reason = "columns_renamed";
  if (!columns.some(({ name }) => names.has(name) && present.has(name))) {
    const evidence = `the file has none of the table's ${countOf(own)}, but ${countOf(fresh)} that the table lacks: ${listed(fresh)}`;
    return { reason, evidence };
  }
  const alike = renamedColumns(fresh, missing);
  const placed = fixedFields ? inPlaceOf(compared, fresh, missing) : [];
  const pairs = new Map([...placed, ...alike].map(({ header, former }) => [header, former]));
  if (pairs.size === 0) return undefined;
  const shown = [...pairs].slice(0, LISTED_MAX).map(([header, former]) => `'${header.slice(0, 80)}' for '${former}'`);
  const more = pairs.size > LISTED_MAX ? ` and ${pairs.size - LISTED_MAX} more` : "";
  return { reason, evidence: `the file lacks columns of the table and has others instead: ${shown.join(", ")}${more}` };
}

/** Why a column may have the values of the wrong header: several headers of the file mean it. */
export function sharedDoubt(shared: readonly SharedColumn[]): Doubt | undefined {
  if (shared.length === 0) return undefined;
  const shown = shared
    .slice(0, LISTED_MAX)
    .map(({ name, headers }) => `${headersOf(headers)} mean the column '${name}'`);
  const more = shared.length > LISTED_MAX ? `; and ${shared.length - LISTED_MAX} more columns` : "";
  return { reason: "columns_ambiguous", evidence: `several headers mean one column: ${shown.join("; ")}${more}` };
}

const headersOf = (headers: readonly string[]): string =>
  headers
    .slice(0, LISTED_MAX)
    .map((header) => `'${header.slice(0, 80)}'`)
    .join(" and ") + (headers.length > LISTED_MAX ? " and more" : "");

/** The new columns that stand where a missing one was, beside the same column, and whose type fits it. */
function inPlaceOf(
  { known, columns, present }: ComparedColumns,
  fresh: readonly ColumnDefinition[],
  missing: readonly ColumnDefinition[],
): LooksRenamed[] {
  const before = neighboursIn(known.map(({ name }) => name));
  const inFile = columns.map(({ name }) => name).filter((name) => present.has(name));
  const now = neighboursIn(inFile.sort((a, b) => present.get(a)! - present.get(b)!));
  let left = missing.slice(0, COMPARED_MAX);
  return fresh.slice(0, COMPARED_MAX).flatMap(({ name, header, type }) => {
    const place = now.get(name)!;
    const former = left.find((one) => isSamePlace(before.get(one.name)!, place) && fits(type, one.type));
    if (!former) return [];
    left = left.filter((one) => one !== former);
    return [{ name, header, former: former.name }];
  });
}

interface Place {
  index: number;
  /** Names of the columns before and after; undefined at the ends. */
  previous: string | undefined;
  next: string | undefined;
}

const neighboursIn = (names: readonly string[]): Map<string, Place> =>
  new Map(names.map((name, index) => [name, { index, previous: names[index - 1], next: names[index + 1] }]));

const isSamePlace = (a: Place, b: Place): boolean =>
  a.index === b.index ||
  (a.previous !== undefined && a.previous === b.previous) ||
  (a.next !== undefined && a.next === b.next);

/** Every value fits text. */
const fits = (type: ColumnType, former: ColumnType): boolean => former === "VARCHAR" || kindOf(type) === kindOf(former);

const LISTED_MAX = 5;

const countOf = ({ length }: readonly unknown[]): string => countNoun(length, "column");

const listed = (columns: readonly ColumnDefinition[]): string =>
  columns
    .slice(0, LISTED_MAX)
    .map(({ header }) => `'${header.slice(0, 80)}'`)
    .join(", ") + (columns.length > LISTED_MAX ? ", …" : "");
