import { familyOf, isDateOrTime, isTyped, kindOf, shapeOf, type Family } from "./kinds.ts";
import type { SampleRow } from "./split.ts";

/** Share of a column's cells that decides what the column is. */
const NEARLY_ALL = 0.85;
/** Cells that are looked at, of all columns. Bounds the time. */
const CELLS_MAX = 30_000;
export const COLUMNS_MAX = 500;

/** The columns of these rows. */
export function profilesOf(rows: readonly SampleRow[], width: number): ColumnProfile[] {
  const columns = Math.min(width, COLUMNS_MAX);
  const used = rows.slice(0, Math.max(3, Math.floor(CELLS_MAX / Math.max(1, columns))));
  return Array.from(
    { length: columns },
    (_, column) => new ColumnProfile(used.map(({ cells }) => cells[column] ?? "")),
  );
}

/** Which columns have numbers, dates and the like. */
export const typedColumns = (rows: readonly SampleRow[], width: number): boolean[] =>
  profilesOf(rows, width).map(({ family }) => isTyped(family));

/** What the cells of one column have in common. Most questions are about the family alone. */
export class ColumnProfile {
  /**
   * The family of nearly all cells that are not empty; `text` for mixed ones, `none` for an empty column.
   */
  readonly family: Family;
  /** The most digits of a whole number in the column. */
  readonly digitsMax: number;
  /** True if all numbers are whole. */
  readonly whole: boolean;
  readonly #cells: readonly string[];
  readonly #filled: number;
  #shape: { readonly is: string | undefined } | undefined;
  #prefix: { readonly is: string | undefined } | undefined;
  #values: ReadonlySet<string> | undefined;

  constructor(cells: readonly string[]) {
    const families = new Map<Family, number>();
    let [filled, digitsMax, whole] = [0, 0, true];
    for (const cell of cells) {
      const kind = kindOf(cell);
      const family = familyOf(kind);
      if (family === "none") continue;
      filled++;
      families.set(family, (families.get(family) ?? 0) + 1);
      if (kind === "integer") digitsMax = Math.max(digitsMax, cell.trim().replace(/^[+-]/, "").length);
      else whole = false;
    }
    const [family, count] = mostOf(families) ?? ["none", 0];
    this.family = filled > 0 && count < NEARLY_ALL * filled ? "text" : family;
    this.digitsMax = digitsMax;
    this.whole = whole;
    this.#cells = cells;
    this.#filled = filled;
  }

  /** The form of nearly all cells of a text column, if it has digits or signs: `A-9`. */
  get shape(): string | undefined {
    return (this.#shape ??= { is: this.#findShape() }).is;
  }

  /** The letters that nearly all cells begin with, if `shape` has any: `A` of. */
  get prefix(): string | undefined {
    return (this.#prefix ??= { is: this.#findPrefix() }).is;
  }

  /** The cells without blanks around them. */
  get values(): ReadonlySet<string> {
    return (this.#values ??= new Set(this.#cells.map((cell) => cell.trim())));
  }

  #findShape(): string | undefined {
    if (this.#filled < 3) return undefined;
    const shape = this.#common(shapeOf);
    return shape !== undefined && /[^A\s]/.test(shape) ? shape : undefined;
  }

  #findPrefix(): string | undefined {
    return this.shape?.startsWith("A") ? this.#common(prefixOf) : undefined;
  }

  /** What nearly all cells have in common. */
  #common(of: (cell: string) => string): string | undefined {
    const counts = new Map<string, number>();
    for (const cell of this.#cells) {
      if (familyOf(kindOf(cell)) !== "text") continue;
      const one = of(cell);
      counts.set(one, (counts.get(one) ?? 0) + 1);
    }
    const [common, count] = mostOf(counts) ?? ["", 0];
    return count >= NEARLY_ALL * this.#filled ? common : undefined;
  }
}

const prefixOf = (cell: string): string => /^\p{L}*/u.exec(cell.trim())![0];

function mostOf<T>(counts: ReadonlyMap<T, number>): [T, number] | undefined {
  let most: [T, number] | undefined;
  for (const one of counts) if (!most || one[1] > most[1]) most = one;
  return most;
}

/** How a row's cells compare with the columns below it. */
export interface Comparison {
  /** Words above numbers, dates or codes: what a header has. */
  header: number;
  /** Signs of a header that occur in data, too: a year above other numbers. */
  weakHeader: number;
  /** Those of `weakHeader` that may as well be data: a year above years, a number above dates. */
  unsureHeader: number;
  /** Cells of the same kind as those below. */
  data: number;
  /** Those of `data` that are text of the form of the texts below: a code above codes. */
  codes: number;
  /** Cells that are data by their kind: nobody names a column by a date or a price. */
  strongData: number;
  /** Text cells that recur below. */
  weakData: number;
  /** Columns that are not text. */
  typed: number;
}

export function compare(row: SampleRow, profiles: readonly ColumnProfile[]): Comparison {
  const result = { header: 0, weakHeader: 0, unsureHeader: 0, data: 0, codes: 0, strongData: 0, weakData: 0, typed: 0 };
  const counted = isCounting(row);
  const moments = momentsAboveNumbers(row, profiles);
  profiles.forEach((column, index) => {
    const cell = row.cells[index] ?? "";
    const kind = kindOf(cell);
    const family = familyOf(kind);
    const typed = isTyped(column.family);
    if (typed) result.typed++;
    if (family === "none") return;
    if (typed && family === "text") result.header++;
    else if (typed && family === column.family) {
      if (kind === "integer" && (counted || isMisfit(cell, column))) {
        result.weakHeader++;
        if ([...column.values].every((value) => YEAR.test(value))) result.unsureHeader++;
      } else {
        result.data++;
        if (kind !== "integer") result.strongData++;
      }
    } else if (typed) {
      result.weakHeader++;
      if (!YEAR.test(cell.trim()) && !moments.includes(index)) result.unsureHeader++;
    } else if (family === "text" && column.shape !== undefined) {
      if (shapeOf(cell) === column.shape && hasOtherPrefix(cell, column)) {
        result.weakHeader++;
        if (!isName(cell, column.prefix!)) result.unsureHeader++;
      } else if (shapeOf(cell) === column.shape) {
        result.data++;
        result.codes++;
      } else if (kind === "word" || kind === "text") result.header++;
    } else if (column.values.has(cell.trim())) result.weakData++;
  });
  return result;
}

/**
 * The columns that a table by days or hours has: each has a date or time of its own above numbers. One alone
 * may be a value.
 */
function momentsAboveNumbers({ cells }: SampleRow, profiles: readonly ColumnProfile[]): number[] {
  const found = profiles.flatMap(({ family }, column) =>
    family === "number" && isDateOrTime(cells[column] ?? "") ? [column] : [],
  );
  const own = new Set(found.map((column) => cells[column]!.trim()));
  return own.size > 1 && own.size === found.length ? found : [];
}

/** True if the cell begins with other letters than the codes below it: prop0 above value0, value1. */
const hasOtherPrefix = (cell: string, { prefix }: ColumnProfile): boolean =>
  prefix !== undefined && prefix !== prefixOf(cell);

/** True if both are words with a number, rather than the letters of a sequence of codes: B1 above A1. */
const isName = (cell: string, prefix: string): boolean => /^\p{L}{2,}\d+$/u.test(cell.trim()) && prefix.length > 1;

export const YEAR = /^(?:19|20)\d\d$/;

/** True if the row's numbers only count its columns: 2023, 2024 … or 1, 2, 3. */
function isCounting({ cells }: SampleRow): boolean {
  const numbers = cells
    .map((cell) => cell.trim())
    .filter((cell) => /^\d{1,6}$/.test(cell))
    .map(Number);
  const inSteps = numbers.every((one, at) => at === 0 || one === numbers[at - 1]! + 1);
  const years = numbers.filter((one) => YEAR.test(String(one))).length === numbers.length;
  return inSteps && numbers.length >= 2 && years;
}

/** A whole number of another length than all numbers below, like the year 2023 above shares. */
const isMisfit = (cell: string, { digitsMax, whole }: ColumnProfile): boolean =>
  YEAR.test(cell.trim()) && (!whole || digitsMax < 4);
