import anyAscii from "any-ascii";
import { AUDIT_COLUMNS } from "../columns.ts";
import { TributaryError } from "../errors.ts";
import { formerHeader, HEADER_CHARS_MAX, headerHash, headerKey } from "../formats/headers.ts";

/** Longest table and column name, in characters. */
export const NAME_LENGTH_MAX = 128;

/** The column with values, as JSON, that do not fit their own columns (contract `onMismatch: rescue`). */
export const RESCUED_COLUMN = "_rescued";

/**
 * A name of [a-z0-9_]: transliterates other scripts, converts to lower case and replaces all other characters
 * by `_`. Collapses runs of `_` and strips the ends. May be empty.
 */
function plainName(text: string): string {
  return anyAscii(text)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_|_$/g, "");
}

/**
 * The table name for a folder or file name: letters, digits and underscores, starting with a letter (a
 * leading digit gets the prefix `t_`).
 * @throws TABLE_NAME_INVALID if no letter or digit is left, or the name exceeds 128 characters
 */
export function tableNameOf(text: string): string {
  const plain = plainName(text);
  if (plain === "") throw new TributaryError("TABLE_NAME_INVALID", `'${text}' contains no letter or digit`);
  const name = /^[0-9]/.test(plain) ? `t_${plain}` : plain;
  if (name.length > NAME_LENGTH_MAX) {
    throw new TributaryError("TABLE_NAME_INVALID", `'${name.slice(0, 60)}…' has ${name.length} characters`);
  }
  return name;
}

/**
 * The name for a header, before collisions are resolved: `Order ID` → `order_id`, `2024` → `col_2024`, `` →
 * `col`.
 */
export function columnNameOf(header: string): string {
  // Leaves room for a collision suffix.
  const plain = plainName(header)
    .slice(0, NAME_LENGTH_MAX - 8)
    .replace(/_$/, "");
  if (plain === "") return "col";
  return /^[0-9]/.test(plain) ? `col_${plain.slice(0, NAME_LENGTH_MAX - 12)}` : plain;
}

/** A column that a header may mean. */
export interface NamedColumn {
  name: string;
  header: string;
  /** Further headers that mean this column. */
  aliases?: readonly string[];
  /** The contract names the column, and no file has shown its header: a header with its plain name is it. */
  byPlainName?: boolean;
}

/**
 * One unique name per header. A header means the first existing column of these that no other header means:
 * 1. the column with exactly this header (the n-th of equal headers means the n-th such column);
 * 2. the column with the same header by `headerKey`;
 * 3. the column with this header among its aliases, by `headerKey`;
 * 4. a `byPlainName` column whose name is the header's plain name, if no other header of the file has it.
 *
 * Every other header gets a new column, and never the column of a different header. The new name is the plain
 * name; where that is taken, the plain name with a hash of the header. So names depend neither on the order
 * of the headers nor, but for who gets a plain name first, on the order of the files.
 */
export function nameColumns(headers: readonly string[], existing: readonly NamedColumn[] = []): string[] {
  const names: (string | undefined)[] = headers.map(() => undefined);
  const claimed = new Set<string>();
  const claim = (index: number, name: string): void => {
    names[index] = name;
    claimed.add(name);
  };
  const claimBy = (keysOf: (column: NamedColumn) => readonly string[], keyOf: (header: string) => string): void => {
    const columns = columnsBy(existing, keysOf);
    headers.forEach((header, index) => {
      const open = names[index] === undefined ? columns.get(keyOf(header)) : undefined;
      while (open && open.length > 0 && claimed.has(open[0]!)) open.shift();
      const name = open?.shift();
      if (name !== undefined) claim(index, name);
    });
  };
  claimBy(
    ({ header }) => [header],
    (header) => header,
  );
  claimBy(({ header }) => [headerKey(header)], headerKey);
  claimBy(
    ({ header }) => (header.length === HEADER_CHARS_MAX ? [header] : []),
    (header) => formerHeader(header) ?? "",
  );
  claimBy(({ aliases = [] }) => aliases.map(headerKey), headerKey);
  const single = singles(headers.filter((_, index) => names[index] === undefined).map(columnNameOf));
  claimBy(({ name, byPlainName }) => (byPlainName && single.has(name) ? [name] : []), columnNameOf);
  nameNew(headers, existing, names);
  return names;
}

/** Several headers of a file that mean one column, which only one of them can have. */
export interface SharedColumn {
  /** Name of the column. */
  name: string;
  headers: string[];
  /** Names of the new columns that the headers without it have instead. */
  others: string[];
}

/**
 * The existing columns that more than one header means: by its header, by an alias or, for a `byPlainName`
 * column that no header has otherwise, by its name. Headers that have existing columns of their own are left
 * out. `names` are those of `nameColumns`.
 */
export function sharedColumns(
  headers: readonly string[],
  names: readonly string[],
  existing: readonly NamedColumn[],
): SharedColumn[] {
  const own = new Set(existing.map(({ name }) => name));
  const fieldOf = new Map(names.map((name, field) => [name, field]));
  const byKey = columnsBy(existing, ({ header, aliases = [] }) => [header, ...aliases].map(headerKey));
  const byPlain = columnsBy(existing, ({ name, byPlainName }) => (byPlainName && !fieldOf.has(name) ? [name] : []));
  const shared = new Map<string, SharedColumn>();
  headers.forEach((header, field) => {
    if (own.has(names[field]!)) return;
    const name = byKey.get(headerKey(header))?.[0] ?? byPlain.get(columnNameOf(header))?.[0];
    if (name === undefined) return;
    const taken = fieldOf.get(name);
    const column = shared.get(name) ?? { name, headers: taken === undefined ? [] : [headers[taken]!], others: [] };
    column.headers.push(header);
    column.others.push(names[field]!);
    shared.set(name, column);
  });
  return [...shared.values()].filter(({ headers: all }) => all.length > 1);
}

/** The names of columns, in the table's order, by the keys of each. */
function columnsBy(
  columns: readonly NamedColumn[],
  keysOf: (column: NamedColumn) => readonly string[],
): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const column of columns) {
    for (const key of keysOf(column)) {
      const own = names.get(key);
      if (own) own.push(column.name);
      else names.set(key, [column.name]);
    }
  }
  return names;
}

/** The texts that occur once. */
function singles(texts: readonly string[]): Set<string> {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return new Set(texts.filter((text) => counts.get(text) === 1));
}

/** Characters of a header's hash in a column name: 24 bits, and a number where even they are equal. */
const HASH_CHARS = 6;

/** Gives the headers without a name new ones, in an order that depends on the headers alone. */
function nameNew(
  headers: readonly string[],
  existing: readonly NamedColumn[],
  names: (string | undefined)[],
): asserts names is string[] {
  const keys = headers.map(headerKey);
  const bases = headers.map(columnNameOf);
  const wanted = new Set(bases);
  const taken = new Set([...existing, ...AUDIT_COLUMNS, { name: RESCUED_COLUMN }].map(({ name }) => name));
  /** By name: the header that has it without a suffix. */
  const meant = new Map(existing.map(({ name, header }) => [name, headerKey(header)]));
  const numbers = new Map<string, number>();
  const inOrder = (a: number, b: number): number =>
    keys[a]!.length - keys[b]!.length || compare(keys[a]!, keys[b]!) || compare(headers[b]!, headers[a]!) || a - b;
  const unnamed = headers.flatMap((_, index) => (names[index] === undefined ? [index] : []));
  for (const index of unnamed.sort(inOrder)) {
    const [base, key] = [bases[index]!, keys[index]!];
    let name = base;
    if (taken.has(base)) {
      const stem = meant.get(base) === key ? base : suffixed(base, headerHash(headers[index]!).slice(0, HASH_CHARS));
      let number = numbers.get(stem) ?? 1;
      do name = number === 1 ? stem : suffixed(stem, String(number));
      while (number++ && (taken.has(name) || wanted.has(name)));
      numbers.set(stem, number);
    } else {
      meant.set(base, key);
    }
    taken.add(name);
    names[index] = name;
  }
}

const compare = (a: string, b: string): number => Number(a > b) - Number(a < b);

const suffixed = (name: string, suffix: string): string =>
  `${name.slice(0, NAME_LENGTH_MAX - 1 - suffix.length)}_${suffix}`;
