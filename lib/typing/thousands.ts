import type { Facts } from "./infer.ts";
import { MARK } from "./number-marks.ts";
import { KIND } from "./scan.ts";

/** A column of a file, with facts about the values at its beginning. */
export interface NumberColumn {
  name: string;
  facts: Facts;
  /** The contract says that its numbers have a decimal comma. */
  declaresComma: boolean;
}

/** Columns whose points may separate thousands, though they read as decimals: `1.234` as 1.234, not 1234. */
export interface PossibleThousands {
  columns: string[];
  /** Columns of the same file with decimal commas. */
  commas: string[];
  /** Columns whose commas separate decimals, or two numbers of a list. */
  pairs: string[];
  /** Some of the points have other digits behind them than tens: `1.234` rather than `1.230`. */
  fine: boolean;
}

const NUMBERS = KIND.INTEGER | KIND.DECIMAL;
/** NaN and yes may stand between numbers with commas. */
const BESIDE_COMMAS = NUMBERS | KIND.DOUBLE | KIND.BOOLEAN | KIND.TEXT;

/**
 * The columns in which every point has three digits behind it, and one to three before it. None if another
 * column has points that can only be decimal: then the file writes its decimals with points.
 */
export function possibleThousands(columns: readonly NumberColumn[]): PossibleThousands {
  const pointed = columns.filter(({ facts }) => isOf(facts, NUMBERS) && (facts.kinds & KIND.DECIMAL) !== 0);
  if (pointed.some(({ facts }) => has(facts, MARK.DECIMAL_POINT | MARK.UNGROUPED))) {
    return { columns: [], commas: [], pairs: [], fine: true };
  }
  const readings = columns.map(({ name, facts, declaresComma }) => ({
    name,
    reading: declaresComma ? "commas" : commasOf(facts),
  }));
  const named = (as: string): string[] => readings.filter(({ reading }) => reading === as).map(({ name }) => name);
  const fine = pointed.some(({ facts }) => has(facts, MARK.FINE));
  return { columns: pointed.map(({ name }) => name), commas: named("commas"), pairs: named("pairs"), fine };
}

const isOf = ({ kinds }: Facts, allowed: number): boolean => (kinds & ~allowed) === 0;
const has = ({ marks }: Facts, mark: number): boolean => (marks & mark) !== 0;

/** What the commas of a column are. */
function commasOf(facts: Facts): "commas" | "pairs" | undefined {
  if (!isOf(facts, BESIDE_COMMAS) || has(facts, MARK.LIST | MARK.DECIMAL_POINT)) return undefined;
  if (has(facts, MARK.DECIMAL_COMMA) || (has(facts, MARK.GROUPED) && !has(facts, MARK.DOTTED))) return "commas";
  if (!has(facts, MARK.PAIR)) return undefined;
  // A list may have one number, and a column of lists may have words.
  return (facts.kinds & KIND.INTEGER) !== 0 || has(facts, MARK.NO_NUMBER) ? "pairs" : "commas";
}

/**
 * The columns with decimal commas. A file that is separated by commas has quotes around lists of numbers, as
 * around decimals: there a pair shows nothing, unless all points look like those of round thousands.
 */
export const decimalCommas = ({ commas, pairs, fine }: PossibleThousands, delimiter: unknown): string[] =>
  delimiter === "," && fine ? commas : [...commas, ...pairs];

/**
 * True if the file has decimal commas, or is separated by semicolons: programs do so where commas are in the
 * numbers. Then the points of `columns` are in doubt.
 */
export const mayHaveCommas = (possible: PossibleThousands, delimiter: unknown): boolean =>
  delimiter === ";" || decimalCommas(possible, delimiter).length > 0;
