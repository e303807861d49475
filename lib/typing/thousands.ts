import { MARK, type Facts } from "./infer.ts";
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
}

const NUMBERS = KIND.INTEGER | KIND.DECIMAL;

/**
 * The columns in which every point has three digits behind it, and one to three before it. None if another
 * column has points that can only be decimal: then the file writes its decimals with points.
 */
export function possibleThousands(columns: readonly NumberColumn[]): PossibleThousands {
  const isOf = ({ facts: { kinds } }: NumberColumn, allowed: number): boolean => (kinds & ~allowed) === 0;
  const has = ({ facts }: NumberColumn, mark: number): boolean => (facts.marks & mark) !== 0;
  const pointed = columns.filter((column) => isOf(column, NUMBERS) && (column.facts.kinds & KIND.DECIMAL) !== 0);
  if (pointed.some((column) => has(column, MARK.DECIMAL_POINT))) return { columns: [], commas: [] };
  const isComma = (column: NumberColumn): boolean =>
    isOf(column, NUMBERS | KIND.TEXT) && has(column, MARK.DECIMAL_COMMA) && !has(column, MARK.DECIMAL_POINT);
  const commas = columns.filter((column) => column.declaresComma || isComma(column));
  return { columns: pointed.map(({ name }) => name), commas: commas.map(({ name }) => name) };
}

/**
 * True if the file has decimal commas, or is separated by semicolons: programs do so where commas are in the
 * numbers. Then the points of `columns` are in doubt.
 */
export const mayHaveCommas = ({ commas }: PossibleThousands, delimiter: unknown): boolean =>
  commas.length > 0 || delimiter === ";";
