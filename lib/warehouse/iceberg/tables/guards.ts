import { codeOf, messageOf, TributaryError, type ErrorCode } from "../../../errors.ts";
import type { TableMetadata } from "../catalog/schemas.ts";

/** What DuckDB's Iceberg writer cannot do although the table or the rows are sound. */
export type Guard = "format_version" | "sort_order" | "partition_text" | "memory";

/** A write that is refused before it begins: DuckDB would damage the table, or lose what it declares. */
export class GuardError extends TributaryError {
  readonly guard: Guard;

  constructor(guard: Guard, code: ErrorCode, message: string, cause?: unknown) {
    super(code, message, cause === undefined ? {} : { cause });
    this.guard = guard;
  }
}

/**
 * The guard that an error stands for, if Trino can do the write; undefined for every other failure. Trino 476
 * has no MERGE for tables of format version 1 or 3.
 */
export function guardForTrino(thrown: unknown): Guard | undefined {
  if (thrown instanceof GuardError) return thrown.guard === "format_version" ? undefined : thrown.guard;
  return codeOf(thrown) === "WAREHOUSE_LIMIT" ? "memory" : undefined;
}

/**
 * @throws GuardError for a table of format version 1, which an INSERT of DuckDB leaves unreadable for Trino,
 *   of version 3, or with a sort order
 */
export function checkWritable(
  table: string,
  { formatVersion, isSorted }: Pick<TableMetadata, "formatVersion" | "isSorted">,
): void {
  const refused = (guard: Guard, what: string): GuardError =>
    new GuardError(guard, "WAREHOUSE_REFUSED", `table '${table}' has ${what}`);
  if (formatVersion === 1) {
    const remedy = "ALTER TABLE … SET PROPERTIES format_version = 2 in Trino, or set format-version in Spark";
    throw refused("format_version", `format version 1, and only version 2 is written: ${remedy}`);
  }
  if (formatVersion !== 2) {
    throw refused("format_version", `format version ${formatVersion}, and only version 2 is written: copy its rows`);
  }
  if (isSorted) {
    const remedy = "ALTER TABLE … WRITE UNORDERED in Spark, or TRIBUTARY_COMMIT_ENGINE=auto with a Trino";
    throw refused("sort_order", `a sort order, which DuckDB does not keep: ${remedy}`);
  }
}

/** DuckDB's own refusal, if a sort order came after the table was read. */
export const isSortRefusal = (thrown: unknown): boolean => /unsafe_iceberg_ignore_sort_order/.test(messageOf(thrown));
