import { TributaryError } from "../errors.ts";

const MIB = 1024 * 1024;

/**
 * The largest result of a user's query, in bytes of JSON. Further rows are cut off, whatever their number: a
 * single row may be very wide.
 */
export const RESULT_BYTES_MAX = 16 * MIB;

/** Counts the rows of one result. */
export class ResultSize {
  #rows = 0;
  #bytes = 0;

  /**
   * Counts the row and returns true, or returns false if it no longer fits.
   * @throws QUERY_FAILED if the first row alone does not fit
   */
  takes(row: readonly unknown[]): boolean {
    const bytes = Buffer.byteLength(JSON.stringify(row));
    if (this.#bytes + bytes > RESULT_BYTES_MAX) {
      if (this.#rows > 0) return false;
      const limit = `${RESULT_BYTES_MAX / MIB} MiB`;
      throw new TributaryError(
        "QUERY_FAILED",
        `one row of the result is larger than ${limit}: select fewer columns or shorter values`,
      );
    }
    this.#rows += 1;
    this.#bytes += bytes;
    return true;
  }
}
