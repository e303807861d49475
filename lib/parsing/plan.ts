import type { ColumnDefinition, ColumnType } from "../columns.ts";
import type { Contract, ContractColumn } from "../contract/contract.ts";
import { TributaryError } from "../errors.ts";
import { CAST, cast, castColumn, FAMILY, setType, type CastColumn, type Notation } from "../typing/cast.ts";
import { momentFormat } from "../typing/date-formats.ts";
import { numberFormat } from "../typing/number-formats.ts";
import { truthWords } from "../typing/truth-words.ts";
import { GROUP_DIGITS, observe, typeOf, type Facts } from "../typing/infer.ts";
import { classify, KIND, type Scan } from "../typing/scan.ts";
import type { RecordFields, Row } from "../formats/format.ts";
import { headerKey, positionalHeader, positionIn, storedHeader } from "../formats/headers.ts";
import { isNullMarker } from "../typing/null-markers.ts";
import { nameColumns, RESCUED_COLUMN, sharedColumns, type NamedColumn, type SharedColumn } from "./names.ts";

/** One column of the table as this file fills it. */
export interface PlannedColumn extends CastColumn {
  /** Index of the record field with its values; -1 if the file does not have the column. */
  field: number;
  /** An empty field rejects the row: the contract requires the column, or it is part of the key. */
  required: boolean;
  /** Texts that mean NULL, besides the empty field. */
  nullMarkers: readonly Buffer[];
  /** The table did not have the column before this file. */
  fresh: boolean;
  /** The table has never had three decimals in it, so its points may separate thousands now. */
  hasFewDecimals: boolean;
  /** Facts about the values at the file's beginning, where an earlier reading found the type. */
  beginning: Facts | undefined;
  /** A value with a stray quote was seen: text, if the column has no other values. */
  hasStray: boolean;
}

type PlannedField = Pick<PlannedColumn, "field" | "required" | "nullMarkers" | "fresh">;

/** All columns are objects of one shape, because every value of a file asks for one. */
function plannedColumn(
  { name, header, type, authority, family, precision, scale, format, number, words, facts }: CastColumn,
  { field, required, nullMarkers, fresh }: PlannedField,
): PlannedColumn {
  const made = { name, header, type, authority, family, precision, scale, format, number, words, facts, field };
  const hasFewDecimals = authority === "known" && family === FAMILY.DECIMAL && scale < GROUP_DIGITS;
  const rest = { required, nullMarkers, fresh, hasFewDecimals, beginning: undefined, hasStray: false };
  return Object.assign(made, rest);
}

/** How a file's fields become the table's columns. */
export interface Plan {
  /** All columns of the table after this file, in the table's order, new ones last. */
  columns: PlannedColumn[];
  /**
   * New columns without a value so far. They have no type, so the table does not get them: the first file
   * with a value decides their types.
   */
  untyped: PlannedColumn[];
  /** Fields that a row must have. */
  fieldCount: number;
  /** Index in `columns` of the column for rescued values; -1 if the contract does not rescue. */
  rescued: number;
  /** Columns of the table or the contract that more than one header of the file means. */
  shared: readonly SharedColumn[];
}

export interface PlanInput {
  /** What the format's reader says about the file's fields. */
  fields: Pick<RecordFields, "names" | "count" | "final">;
  contract: Contract;
  /** The table's columns so far, in order; empty for a new table. */
  known: readonly ColumnDefinition[];
  /** Types of new columns that an earlier reading of the whole file found; those without a value lack. */
  inferred?: ReadonlyMap<string, ColumnType>;
  /** Find the types of known columns again, unless the contract declares them. */
  retypeKnown?: boolean;
}

/**
 * Maps a file's fields to columns: those of contract and table by header or name in any order, the rest are
 * new.
 * @throws HEADER_COLUMN_MISSING if a required or key column is missing and fields are final,
 * HEADER_COLUMN_UNEXPECTED (contract `unexpectedColumns: fail`), CONTRACT_INVALID for an invalid column
 * format, FILE_TOO_MANY_COLUMNS
 */
export function planColumns(input: PlanInput, columnsMax: number): Plan {
  const { contract, inferred } = input;
  const existing = existingColumns(contract, input.known);
  const declared = new Map(contract.columns.map((column) => [column.name, column]));
  const headers = input.fields.names ?? positionalHeaders(input.fields.count, existing);
  const named = asNamed(existing, contract);
  const names = nameColumns(headers, named);
  if (input.fields.final) checkMissing(contract, names);
  const isNew = newColumns(input, names, headers, existing);
  const fieldOf = new Map(names.map((name, field) => [name, field]));
  const nullMarkers = contract.nullMarkers.map((text) => Buffer.from(text));
  const columns = existing.map((column) => {
    const field = fieldOf.get(column.name) ?? -1;
    // The table keeps the header that it has; the file is described by its own.
    const header = headers[field] ?? column.header;
    if (input.retypeKnown && field >= 0 && !declared.has(column.name)) {
      const cast = castColumn({ ...column, header }, "inferred");
      return plannedColumn(cast, { field, nullMarkers, required: false, fresh: true });
    }
    return planned({ ...column, header }, declared.get(column.name), { field, nullMarkers });
  });
  const fresh = names.flatMap((name, field) => (isNew(name) ? [{ name, header: headers[field]!, field }] : []));
  for (const { name, header, field } of fresh) {
    const type = inferred?.get(name);
    const cast = castColumn({ name, header, type: type ?? "VARCHAR" }, type ? "known" : "inferred");
    columns.push(plannedColumn(cast, { field, nullMarkers, required: false, fresh: true }));
  }
  for (const column of columns) column.required ||= contract.key.includes(column.name);
  const rescued = contract.onMismatch === "rescue" ? rescuedIndex(columns) : -1;
  if (columns.length > columnsMax) {
    const sum = `the table would have ${columns.length} columns`;
    throw new TributaryError("FILE_TOO_MANY_COLUMNS", `${sum}; the limit is ${columnsMax}`);
  }
  const shared = sharedColumns(headers, names, named);
  return { columns, untyped: [], fieldCount: headers.length, rescued, shared };
}

/** A new column in which no row has a value. */
export type UntypedColumn = Pick<ColumnDefinition, "name" | "header">;

/** The planned columns, those without a type last. */
export const allColumns = (plan: Plan | undefined): PlannedColumn[] => (plan ? [...plan.columns, ...plan.untyped] : []);

/** A column of a file: its declared type, or facts about all its values. Plain data. */
export type ObservedColumn = Pick<ColumnDefinition, "name" | "header"> & ({ type: ColumnType } | { facts: Facts });

/** The columns that the file has, with the facts of those whose types it decides. */
export function observedColumns(plan: Plan | undefined, contract: Contract): ObservedColumn[] {
  const declared = new Set(contract.columns.map(({ name }) => name));
  return allColumns(plan)
    .filter(({ field }) => field >= 0)
    .map(({ name, header, type, facts }) => (declared.has(name) ? { name, header, type } : { name, header, facts }));
}

/** @throws FILE_EMPTY if a new table would have rows, or the file has them, but nothing has a value */
export function checkValues({ columns }: Plan, rows: number): void {
  if (columns.length > 0 || rows === 0) return;
  throw new TributaryError("FILE_EMPTY", `none of the file's ${rows} rows has a value`);
}

/**
 * Moves the columns without a value to `untyped`. Of equal headers the n-th means the n-th column, so only
 * the last of these may be left out.
 */
export function setUntypedAside(plan: Plan): void {
  const needed = new Set<string>();
  const untyped = new Set<PlannedColumn>();
  for (const column of plan.columns.toSorted((a, b) => b.field - a.field)) {
    const { authority, facts, field, header, hasStray } = column;
    if (field < 0) continue;
    const isUntyped = authority === "inferred" && facts.kinds === 0 && !hasStray && !needed.has(headerKey(header));
    if (isUntyped) untyped.add(column);
    else needed.add(headerKey(header));
  }
  plan.untyped.push(...plan.columns.filter((column) => untyped.has(column)));
  plan.columns = plan.columns.filter((column) => !untyped.has(column));
  if (plan.rescued >= 0) plan.rescued = plan.columns.length - 1;
}

/**
 * Ends the contract's sample: values that do not fit from here on are handled by `onMismatch`. A column of
 * which the sample has no value takes its type from all later ones. `retype`: take the types from the facts.
 */
export function endSample({ columns }: Plan, retype: boolean): void {
  for (const column of columns) {
    if (column.authority !== "inferred" || column.facts.kinds === 0) continue;
    if (retype) setType(column, typeOf(column.facts));
    column.authority = "known";
  }
}

/** The columns that several headers mean, but for those where only one of these has values. */
export function sharedIn(plan: Plan | undefined): readonly SharedColumn[] {
  const untyped = new Set(plan?.untyped.map(({ name }) => name));
  return plan?.shared.filter(({ others }) => !others.every((name) => untyped.has(name))) ?? [];
}

/** Adds the row's values to the facts about the columns whose types the file decides. */
export function observeValues(columns: readonly PlannedColumn[], row: Row, scan: Scan): void {
  for (const column of columns) {
    if (column.authority === "inferred" && hasText(column, row)) {
      if (row.stray?.[column.field]) {
        column.hasStray = true;
        continue;
      }
      const [start, end] = [row.bounds[2 * column.field]!, row.bounds[2 * column.field + 1]!];
      observe(column.facts, classify(row.bytes, start, end, scan), scan, row.bytes);
    }
  }
}

/** Rows that show what the columns are, and columns that a row of words cannot be part of. */
const SHOWING_ROWS_MIN = 100;
const TYPED_COLUMNS_MIN = 2;

/**
 * Whether the row has different words in every column of numbers or dates: a heading, a comment or another
 * header far down in the file. It decides no type, and is rejected.
 */
export function isForeign(columns: readonly PlannedColumn[], row: Row, rowsBefore: number, scan: Scan): boolean {
  if (rowsBefore < SHOWING_ROWS_MIN) return false;
  const words = new Set<string>();
  let typed = 0;
  for (const { authority, facts, field } of columns) {
    if (authority !== "inferred" || facts.kinds === 0 || (facts.kinds & (KIND.TEXT | KIND.BOOLEAN)) !== 0) continue;
    typed++;
    if (field >= row.count) return false;
    const [start, end] = [row.bounds[2 * field]!, row.bounds[2 * field + 1]!];
    if (end - start > WORD_BYTES_MAX || classify(row.bytes, start, end, scan) !== KIND.TEXT) return false;
    const text = Buffer.from(row.bytes.buffer, row.bytes.byteOffset + start, end - start)
      .toString()
      .trim();
    if (/\d/.test(text) || !/\p{L}/u.test(text)) return false;
    words.add(text.toLowerCase());
  }
  return typed >= TYPED_COLUMNS_MIN && words.size === typed;
}

/** Longer texts are no names. */
const WORD_BYTES_MAX = 400;

/** Whether the row has a value of a column that has no type yet. Blanks are no value. Asked for every row. */
export function hasValueOf(untyped: readonly PlannedColumn[], row: Row, scan: Scan): boolean {
  for (const column of untyped) {
    if (!hasText(column, row)) continue;
    const [start, end] = [row.bounds[2 * column.field]!, row.bounds[2 * column.field + 1]!];
    if (start < end && classify(row.bytes, start, end, scan) !== KIND.EMPTY) return true;
  }
  return false;
}

/** Whether the row has the column's field, and it is not a text that means NULL. */
export function hasText({ field, nullMarkers }: PlannedColumn, { bytes, bounds, count }: Row): boolean {
  if (field >= count) return false;
  return nullMarkers.length === 0 || !isNullMarker(nullMarkers, bytes, bounds[2 * field]!, bounds[2 * field + 1]!);
}

/** Where the encoding of a row ended: at which column, with which code, and after how many rows. */
export interface GivenUp {
  index: number;
  code: number;
  rowsBefore: number;
}

/**
 * Whether the row has, from the column on at which it was given up, a value that changes the type of its
 * column. Types must not depend on the order of columns, so all its new values count.
 */
export function changesTypes(plan: Plan, { index, code, rowsBefore }: GivenUp, row: Row, scan: Scan): boolean {
  const column = plan.columns[index];
  // The cast has recorded the value: a row that is rejected must leave no trace of it.
  if (code === CAST.RETYPE && column) column.facts.kinds &= ~KIND.TEXT;
  if (isForeign(plan.columns, row, rowsBefore, scan)) return false;
  const isStray = row.stray?.[column?.field ?? -1] === true;
  return (code === CAST.RETYPE && !isStray) || hasNewKinds(plan, index, row, scan);
}

const hasNewKinds = ({ columns, untyped }: Plan, from: number, row: Row, scan: Scan): boolean =>
  hasValueOf(untyped, row, scan) ||
  columns.some((column, index) => {
    if (column.authority !== "inferred" || index < from || !hasText(column, row)) return false;
    if (row.stray?.[column.field]) return false;
    const [start, end] = [row.bounds[2 * column.field]!, row.bounds[2 * column.field + 1]!];
    return cast(column, row.bytes, start, end, scan) === CAST.RETYPE;
  });

/** Types of the new columns that hold all values observed so far. A column without a value has none. */
export function typesFound(columns: readonly PlannedColumn[]): Map<string, ColumnType> {
  return new Map(
    columns
      .filter(({ fresh }) => fresh)
      .flatMap(({ name, type, authority, facts, hasStray }) => {
        if (authority !== "inferred") return [[name, type]];
        return facts.kinds === 0 && !hasStray ? [] : [[name, typeOf(facts)]];
      }),
  );
}

/** A column of the table or the contract, with the headers that mean it. */
type ExistingColumn = ColumnDefinition & NamedColumn;

/**
 * The table's columns in their order, then the contract's columns that the table lacks. A column that the
 * contract declares without a header takes its name for one. Until a file shows another, its plain name is
 * enough.
 */
function existingColumns(contract: Contract, known: readonly ColumnDefinition[]): ExistingColumn[] {
  const declared = new Map(contract.columns.map((column) => [column.name, column]));
  const kept = known
    .filter(({ name }) => name !== RESCUED_COLUMN)
    .map((column): ExistingColumn => {
      const own = declared.get(column.name);
      if (!own) return column;
      const { name, type, aliases = [] } = own;
      if (own.header !== undefined) return { name, type, header: storedHeader(own.header), aliases };
      // The header from the files may differ from the name.
      return { name, type, header: column.header, aliases: [name, ...aliases], byPlainName: column.header === name };
    });
  const names = new Set(kept.map(({ name }) => name));
  const added = contract.columns.flatMap(({ name, type, header, aliases = [] }): ExistingColumn[] => {
    if (names.has(name)) return [];
    return [{ name, type, header: storedHeader(header ?? name), aliases, byPlainName: header === undefined }];
  });
  return [...kept, ...added];
}

/**
 * A column that a header made before it was an alias stays in the table, but no header means it any more: the
 * contract's word counts.
 */
function asNamed(existing: readonly ExistingColumn[], { columns }: Contract): NamedColumn[] {
  const declared = new Set(columns.map(({ name }) => name));
  const aliases = new Set(columns.flatMap(({ aliases: own = [] }) => own.map(headerKey)));
  if (aliases.size === 0) return [...existing];
  return existing.map((column) =>
    !declared.has(column.name) && aliases.has(headerKey(column.header)) ? { ...column, header: NO_HEADER } : column,
  );
}

/** Headers are trimmed, so that none is this one. */
const NO_HEADER = " ";

/**
 * Headers for a file without any: those of existing columns by position, then column_<n>. A column that an
 * earlier file without a header made keeps its number, also if a column before it has no type yet.
 */
function positionalHeaders(fieldCount: number, existing: readonly ColumnDefinition[]): string[] {
  return Array.from({ length: fieldCount }, (_, index) => {
    const header = existing[index]?.header;
    return header === undefined || positionIn(header) !== undefined ? positionalHeader(index) : header;
  });
}

function planned(
  column: ColumnDefinition,
  own: ContractColumn | undefined,
  { field, nullMarkers }: Pick<PlannedColumn, "field" | "nullMarkers">,
): PlannedColumn {
  return plannedColumn(castColumn(column, own ? "declared" : "known", own ? notationOf(own) : {}), {
    field,
    required: own?.required ?? false,
    nullMarkers: own?.nullMarkers ? [...nullMarkers, ...own.nullMarkers.map((text) => Buffer.from(text))] : nullMarkers,
    fresh: false,
  });
}

function notationOf({ format, number, trueWords, falseWords }: ContractColumn): Notation {
  return {
    ...(format === undefined ? {} : { format: momentFormat(format) }),
    ...(number === undefined ? {} : { number: numberFormat(number) }),
    ...(trueWords || falseWords ? { words: truthWords(trueWords, falseWords) } : {}),
  };
}

/**
 * Decides which columns of the file are added to the table. Expected are the contract's columns, or the
 * table's if the contract declares none; `unexpectedColumns` decides about all others. In the first file of
 * an undeclared table every column is expected.
 */
function newColumns(
  { contract }: PlanInput,
  names: readonly string[],
  headers: readonly string[],
  existing: readonly ColumnDefinition[],
): (name: string) => boolean {
  const known = new Set(existing.map(({ name }) => name));
  if (known.size === 0) return () => true;
  const expected = contract.columns.length > 0 ? new Set(contract.columns.map(({ name }) => name)) : known;
  const unexpected = headers.filter((_, index) => !expected.has(names[index]!));
  if (contract.unexpectedColumns === "fail" && unexpected.length > 0) {
    throw new TributaryError("HEADER_COLUMN_UNEXPECTED", `the header has unexpected columns: ${listed(unexpected)}`);
  }
  return (name) => contract.unexpectedColumns === "add" && !known.has(name);
}

function checkMissing(contract: Contract, names: readonly string[]): void {
  const needed = contract.columns.filter((column) => column.required).map((column) => column.name);
  const present = new Set(names);
  const missing = [...new Set([...needed, ...contract.key])].filter((name) => !present.has(name));
  if (missing.length === 0) return;
  throw new TributaryError("HEADER_COLUMN_MISSING", `the header lacks ${listed(missing)}; it has ${listed(names)}`);
}

function rescuedIndex(columns: PlannedColumn[]): number {
  const column = castColumn({ name: RESCUED_COLUMN, header: RESCUED_COLUMN, type: "VARCHAR" }, "known");
  return columns.push(plannedColumn(column, { field: -1, nullMarkers: [], required: false, fresh: false })) - 1;
}

const LISTED_MAX = 20;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED_MAX).map((name) => `'${name.slice(0, 80)}'`);
  return shown.join(", ") + (names.length > LISTED_MAX ? ` and ${names.length - LISTED_MAX} more` : "");
}

/** The columns' current definitions. */
export const definitionsOf = (columns: readonly CastColumn[]): ColumnDefinition[] =>
  columns.map(({ name, type, header }) => ({ name, type, header }));
