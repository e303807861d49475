import { familyOf, kindOf } from "../kinds.ts";
import { profilesOf } from "../profile.ts";
import type { FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";

/** Rows with line ends within quotes that are looked at, and lines of each. Bounds the time. */
const ROWS_MAX = 200;
const LINES_MAX = 50;

/**
 * The first row with lines within quotes that read as rows by themselves: each has as many fields as the
 * table's rows, of the same kinds. Two stray quotes join such lines.
 */
export function swallowingRow({ body, width }: FoundTable, delimiter: string): SampleRow | undefined {
  if (width < 2) return undefined;
  const isLong = ({ cells }: SampleRow): boolean => cells.some((cell) => /[\r\n]/.test(cell));
  const long = body.filter(isLong).slice(0, ROWS_MAX);
  if (long.length === 0) return undefined;
  const families = profilesOf(
    body.filter((row) => !isLong(row)),
    width,
  ).map(({ family }) => family);
  const isPadded = body.some((row) => !isLong(row) && hasBlankAfter(row.cells));
  const isRow = (line: string): boolean => {
    const cells = line.split(delimiter);
    if (cells.length !== width || (!isPadded && hasBlankAfter(cells))) return false;
    return families.every((family, at) => {
      // A stray quote is part of the cell.
      const own = familyOf(kindOf(cells[at]!.trim().replace(/^"|"$/g, "")));
      return family === "text" || family === "none" || own === "none" || own === family;
    });
  };
  return long.find(({ cells, quoted }) => {
    const text = cells.map((cell, at) => (quoted[at] ? `"${cell}"` : cell)).join(delimiter);
    return text.split(/\r\n|\n|\r/, LINES_MAX).every(isRow);
  });
}

/** True if a cell after the first begins with a blank, as text does after a comma. */
const hasBlankAfter = (cells: readonly string[]): boolean => cells.slice(1).some((cell) => cell.startsWith(" "));
