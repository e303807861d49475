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
export function keySlices(input: MergeInput, { rows, rowsMax }: SliceSize): MergeInput[] {
  const count = Math.ceil(rows / rowsMax);
  if (count <= 1 || input.layout.deleteMissing) return [input];
  const hash = `hash(${keyValues(input, "s").join(", ")})`;
  return Array.from({ length: count }, (_, slice) => ({
    ...input,
    rows: `SELECT * FROM (${input.rows}) AS s WHERE ${hash} % ${count} = ${slice}`,
  }));
}
