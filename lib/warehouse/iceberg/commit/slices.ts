import { keyValues, type MergeInput } from "../../commit/merge.ts";

/** How many rows a batch has, and how many of them one MERGE may take. */
export interface SliceSize {
  rows: number;
  rowsMax: number;
}

/**
 * Divides an upsert by the hash of its keys: all rows of one key are in one slice, so the slices one after
 * the other change what the whole would. With deleteMissing the keys that the batch lacks count, too, so such
 * a batch stays whole. Pure.
 */
export function keySlices(input: MergeInput, size: SliceSize): MergeInput[] {
  return sliceFilters(input, size).map((of) => ({ ...input, rows: of(input.rows) }));
}

/** For each slice what limits a SELECT of rows to it; of the table's rows, too. */
export function sliceFilters(input: MergeInput, { rows, rowsMax }: SliceSize): ((select: string) => string)[] {
  const count = Math.ceil(rows / rowsMax);
  if (count <= 1 || input.layout.deleteMissing) return [(select) => select];
  const hash = `hash(${keyValues(input, "s").join(", ")})`;
  return Array.from({ length: count }, (_, slice) => {
    const condition = `${hash} % ${count} = ${slice}`;
    return (select: string) => `SELECT * FROM (${select}) AS s WHERE ${condition}`;
  });
}
