import type { FileStatus } from "../http/schemas.ts";

type Counts = Pick<FileStatus, "status" | "kind" | "operation" | "rowsRead">;

/** A file that is committed with no row may look like a loss: its table may not even exist. */
export function noRowsWarnings({ status, kind, operation, rowsRead }: Counts): FileStatus["warnings"] {
  if (status !== "committed" || kind !== "put" || operation !== null || rowsRead !== 0) return [];
  const message = "the file has no row: it makes no table that did not exist; the first file with a row makes it";
  return [{ rule: "no_rows", rows: 0, line: 1, message }];
}
