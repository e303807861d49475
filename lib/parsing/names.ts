import anyAscii from "any-ascii";
import { AUDIT_COLUMNS, type ColumnDefinition } from "../columns.ts";
import { TributaryError } from "../errors.ts";

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

/**
 * One unique name per header, by these rules in order:
 * 1. A header of an existing column gets that column's name, in any order (the n-th of equal headers is the
 *    n-th such column).
 * 2. A header whose plain name is that of an existing column gets that name.
 * 3. All others get new names, with `_2`, `_3` … where the plain name is taken.
 */
export function nameColumns(
  headers: readonly string[],
  existing: readonly Pick<ColumnDefinition, "name" | "header">[] = [],
): string[] {
  const names: (string | undefined)[] = headers.map(() => undefined);
  const claimed = new Set<string>();
  const claim = (index: number, name: string): void => {
    names[index] = name;
    claimed.add(name);
  };
  const byHeader = new Map<string, string[]>();
  for (const { name, header } of existing) byHeader.set(header, [...(byHeader.get(header) ?? []), name]);
  headers.forEach((header, index) => {
    const name = byHeader.get(header)?.shift();
    if (name !== undefined && !claimed.has(name)) claim(index, name);
  });
  const known = new Set(existing.map(({ name }) => name));
  const bases = headers.map(columnNameOf);
  bases.forEach((base, index) => {
    if (names[index] === undefined && known.has(base) && !claimed.has(base)) claim(index, base);
  });
  const wanted = new Set(bases);
  const reserved = new Set([...known, ...AUDIT_COLUMNS.map(({ name }) => name), RESCUED_COLUMN]);
  const nextSuffix = new Map<string, number>();
  bases.forEach((base, index) => {
    if (names[index] !== undefined) return;
    if (!reserved.has(base) && !claimed.has(base)) return claim(index, base);
    let suffix = nextSuffix.get(base) ?? 2;
    while (taken(`${base}_${suffix}`)) suffix++;
    nextSuffix.set(base, suffix + 1);
    claim(index, `${base}_${suffix}`);
  });
  return names as string[];

  function taken(name: string): boolean {
    return reserved.has(name) || claimed.has(name) || wanted.has(name);
  }
}
