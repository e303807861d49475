import { codeOf, messageOf, TributaryError } from "../../../errors.ts";
import type { SliceSize } from "./slices.ts";

/** The last of them has the memory for itself. */
const ATTEMPTS_MAX = 3;

/**
 * Runs a commit that is rolled back if it runs out of memory, and then runs it again in twice as many slices.
 * The last attempt runs without other statements beside it, so that its failure is that of the batch.
 * @throws WAREHOUSE_LIMIT, not retryable
 */
export async function withinMemory<T>(
  size: SliceSize,
  attempt: (size: SliceSize, alone: boolean) => Promise<T>,
): Promise<T> {
  const { rows } = size;
  let rowsMax = Math.max(1, Math.min(rows, size.rowsMax));
  for (let n = 1; ; n++) {
    try {
      return await attempt({ rows, rowsMax }, n === ATTEMPTS_MAX);
    } catch (thrown) {
      if (codeOf(thrown) !== "WAREHOUSE_LIMIT") throw thrown;
      if (n === ATTEMPTS_MAX) throw exhausted({ rows, rowsMax }, thrown);
      rowsMax = Math.ceil(rowsMax / 2);
    }
  }
}

function exhausted({ rows, rowsMax }: SliceSize, cause: unknown): TributaryError {
  const [why] = messageOf(cause).split("\n");
  return new TributaryError(
    "WAREHOUSE_LIMIT",
    `${rows} rows need more memory than DuckDB's writer has, also in steps of ${rowsMax} rows: raise ` +
      `TRIBUTARY_COMMIT_MEMORY_MAX, or send smaller files (${why})`,
    { cause },
  );
}
