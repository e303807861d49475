import anyAscii from "any-ascii";
import { AUDIT_COLUMNS, type ColumnDefinition } from "../columns.ts";
import { TributaryError } from "../errors.ts";

/** Longest table and column name, in characters. */
export const NAME_LENGTH_MAX = 128;

/** The column that keeps, as JSON, the values that their own columns could not hold (contract `onMismatch: rescue`). */
export const RESCUED_COLUMN = "_rescued";

/**
 * A name of [a-z0-9_]: other scripts are transliterated, case is lost, every other character becomes `_`. Runs of `_` collapse
 * and the ends are stripped; may be empty.
 */
function plainName(text: string): string {
  return anyAscii(text)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_|_$/g, "");
}

/**
 * The table a folder or file name stands for: letters, digits and underscores, beginning with a letter (`t_` goes before a digit).
 * @throws TABLE_NAME_INVALID if nothing usable is left, or more than 128 characters.
 */
export function tableNameOf(text: string): string {
  const plain = plainName(text);
  if (plain === "") throw new TributaryError("TABLE_NAME_INVALID", `'${text}' holds no letter or digit`);
  const name = /^[0-9]/.test(plain) ? `t_${plain}` : plain;
  if (name.length > NAME_LENGTH_MAX) {
    throw new TributaryError("TABLE_NAME_INVALID", `'${name.slice(0, 60)}…' has ${name.length} characters`);
  }
  return name;
}

/** The name a header asks for, before collisions are settled: `Order ID` → `order_id`, `2024` → `col_2024`, `` → `col`. */
export function columnNameOf(header: string): string {
  // Room for a collision suffix stays within the limit.
  const plain = plainName(header)
    .slice(0, NAME_LENGTH_MAX - 8)
    .replace(/_$/, "");
  if (plain === "") return "col";
  return /^[0-9]/.test(plain) ? `col_${plain.slice(0, NAME_LENGTH_MAX - 12)}` : plain;
}

/**
 * One name for each header, all different. A header that an existing column carries keeps that column's name, whatever the order
 * of the columns (the n-th of equal headers means the n-th such column); next, a header whose plain name is that of an existing
 * column means that column; the rest get new names, in order, with `_2`, `_3` … where the plain name is taken.
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
