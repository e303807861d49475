import { messageOf, TributaryError, type ErrorCode } from "../../errors.ts";
import { engineError } from "../duckdb-engine/errors.ts";
import { CatalogError } from "./catalog/errors.ts";
import { GuardError, isSortRefusal } from "./tables/guards.ts";

/** The port's errors for what the catalog and DuckDB's Iceberg extension report. */

const CODES: Partial<Record<ErrorCode, ErrorCode>> = {
  CATALOG_UNAVAILABLE: "WAREHOUSE_UNAVAILABLE",
  CATALOG_CONFLICT: "WAREHOUSE_CONFLICT",
  CATALOG_REFUSED: "WAREHOUSE_REFUSED",
};

/** Runs a request to the catalog. */
export async function catalogCall<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (thrown) {
    if (!(thrown instanceof CatalogError)) throw thrown;
    throw new TributaryError(CODES[thrown.code] ?? "WAREHOUSE_FAILED", thrown.message, { cause: thrown });
  }
}

export const isMissing = (thrown: unknown): boolean =>
  thrown instanceof CatalogError && thrown.code === "CATALOG_NOT_FOUND";

export const concurrentWrite = (table: string): TributaryError =>
  new TributaryError("WAREHOUSE_CONFLICT", `table '${table}' has been written by somebody else meanwhile`);

/** Converts an error of DuckDB. */
export function icebergError(thrown: unknown): unknown {
  if (thrown instanceof TributaryError) return thrown;
  const message = messageOf(thrown);
  if (isSortRefusal(thrown)) return new GuardError("sort_order", "WAREHOUSE_REFUSED", message, thrown);
  if (/Table with name stage_\d+ does not exist/.test(message)) {
    const lost = "DuckDB failed and was opened again, and rows staged before are gone: restart this process, which";
    return new TributaryError("WAREHOUSE_UNAVAILABLE", `${lost} reads them from the log again`, { cause: thrown });
  }
  if (/\bHTTP code 40[13]\b|AccessDenied|returned HTTP 40[13]\b/.test(message))
    return new TributaryError("WAREHOUSE_REFUSED", message, { cause: thrown });
  if (/^(HTTP|IO) Error|\b(HTTP code|returned HTTP) 5\d\d\b|Could not establish connection|timed? ?out/i.test(message))
    return new TributaryError("WAREHOUSE_UNAVAILABLE", message, { cause: thrown });
  return engineError(thrown);
}
