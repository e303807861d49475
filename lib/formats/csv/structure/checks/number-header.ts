import { isNumber } from "../kinds.ts";
import type { SampleRow } from "../split.ts";
import { isNaming } from "./header-words.ts";

/** Signs that a first row with numbers is a header: that of a table by years, sizes or classes. Pure. */

/** Numbers from which their order is no chance; fewer are enough if their steps are even. */
const ORDERED_MIN = 4;
const EVEN_MIN = 3;
/** Share of the rows below that may be in the same order. */
const ORDERED_BELOW_MAX = 0.5;

/** True if the row's numbers are in quotes, and the numbers below them are not. */
export function quotesOnlyHere(row: SampleRow, below: readonly SampleRow[]): boolean {
  const numbers = numbersAt(row);
  if (numbers.length === 0 || !numbers.every((at) => row.quoted[at])) return false;
  let plain = 0;
  for (const { cells, quoted } of below) {
    for (const at of numbers) {
      if (!isNumber(cells[at] ?? "")) continue;
      if (quoted[at]) return false;
      plain++;
    }
  }
  return plain >= below.length / 2;
}

/** What the row has of the header of such a table; undefined: nothing. */
export function axisIn(row: SampleRow, below: readonly SampleRow[]): string | undefined {
  const numbers = numbersAt(row);
  const [first] = row.cells;
  const texts = row.cells.filter((cell, at) => !numbers.includes(at) && cell.trim() !== "").length;
  if (numbers.length === 0 || numbers.includes(0) || texts > 1) return undefined;
  const values = numbers.map((at) => numberOf(row.cells[at]!));
  const isCorner = first!.trim() === "" && values.length > 1 && below.length > 1;
  if (isCorner && new Set(values).size === values.length && below.every(hasFirst)) {
    return "has no value in its first column, where all rows below have one";
  }
  const isLong = values.length >= ORDERED_MIN || (values.length >= EVEN_MIN && isEven(values));
  if (!isLong || !isRising(values)) return undefined;
  const valuesOf = ({ cells }: SampleRow): number[] => numbers.map((at) => numberOf(cells[at] ?? ""));
  const alike = below.filter((one) => isRising(valuesOf(one)));
  if (alike.length <= ORDERED_BELOW_MAX * below.length) {
    return "has numbers that rise from column to column, unlike the rows below";
  }
  // Prices rise as sizes do.
  const isDecimal = (cells: readonly string[]): boolean => numbers.every((at) => /[.,]\d/.test(cells[at] ?? ""));
  if (values.every(Number.isInteger) && below.every(({ cells }) => isDecimal(cells))) {
    return "has whole numbers that rise from column to column, above others with decimals";
  }
  if (isEven(values) && below.length > 1 && !below.some((one) => isEven(valuesOf(one)))) {
    return "has numbers that rise in even steps, unlike the rows below";
  }
  if (isNaming(first!) && !below.some(({ cells }) => isNaming(cells[0] ?? ""))) {
    return `begins with ${JSON.stringify(first!.trim().slice(0, 40))} before numbers that rise from column to column`;
  }
  return undefined;
}

const numbersAt = ({ cells }: SampleRow): number[] => cells.flatMap((cell, at) => (isNumber(cell) ? [at] : []));

const numberOf = (cell: string): number => (cell.trim() === "" ? NaN : Number(cell.replace(",", ".")));

const hasFirst = ({ cells }: SampleRow): boolean => (cells[0] ?? "").trim() !== "";

const isRising = (values: readonly number[]): boolean =>
  values.every((value, at) => at === 0 || value > values[at - 1]!) && values.length > 1;

/** True for 0, 0.5, 1, 1.5: steps of one size, but for the last digit's rounding. */
function isEven(values: readonly number[]): boolean {
  const step = values[1]! - values[0]!;
  return values.every((value, at) => at === 0 || Math.abs(value - values[at - 1]! - step) <= Math.abs(step) / 1_000);
}
