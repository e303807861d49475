import { codeOf, messageOf, TributaryError, type ErrorCode } from "../../../errors.ts";
import type { TableMetadata } from "../catalog/schemas.ts";

/** What DuckDB's Iceberg writer cannot do although the table or the rows are sound. Trino can. */
export type Guard = "format_version" | "sort_order" | "partition_text" | "memory";

/** A write that is refused before it begins: DuckDB would damage the table, or lose what it declares. */
export class GuardError extends TributaryError {
  readonly guard: Guard;

  constructor(guard: Guard, code: ErrorCode, message: string, cause?: unknown) {
    super(code, message, cause === undefined ? {} : { cause });
    this.guard = guard;
  }
}

/** The guard that an error stands for; undefined for every other failure. */
export function guardOf(thrown: unknown): Guard | undefined {
  if (thrown instanceof GuardError) return thrown.guard;
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
    new GuardError(guard, "WAREHOUSE_REFUSED", `table '${table}' ${what}; or give Tributary a Trino for such tables`);
  if (formatVersion !== 2) {
    const remedy = formatVersion === 1 ? ": set its property format-version to 2" : "";
    const what = `has format version ${formatVersion}, and DuckDB writes only version 2${remedy}`;
    throw refused("format_version", what);
  }
  if (isSorted)
    throw refused("sort_order", "has a sort order, which DuckDB does not keep: ALTER TABLE … WRITE UNORDERED");
}

/** DuckDB's own refusal, if a sort order came after the table was read. */
export const isSortRefusal = (thrown: unknown): boolean => /unsafe_iceberg_ignore_sort_order/.test(messageOf(thrown));
