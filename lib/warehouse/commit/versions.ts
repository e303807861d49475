import type { Dialect } from "../sql/dialect.ts";
import type { CommitReceipt, FileVersion, MicroBatch, WriteMode } from "../warehouse.ts";

/** Selects the file versions of a micro-batch that a commit applies, for every warehouse. Pure. */

/** The receipt of a commit that changed nothing. */
export const NOTHING: CommitReceipt = {
  snapshotId: null,
  strategy: "none",
  rowsInserted: 0,
  rowsUpdated: 0,
  rowsDeleted: 0,
};

type Version = Pick<FileVersion, "sourceFile" | "sourceOffset">;

/** The newest offset of each file. */
export function newestOffsets(versions: readonly Version[]): Map<string, number> {
  const newest = new Map<string, number>();
  for (const { sourceFile, sourceOffset } of versions) {
    newest.set(sourceFile, Math.max(sourceOffset, newest.get(sourceFile) ?? sourceOffset));
  }
  return newest;
}

/**
 * The versions that can change the table. A deleted file changes the table only if the table removes the
 * rows of deleted files.
 */
export function effective({ layout, files }: MicroBatch): FileVersion[] {
  return files.filter(({ stage }) => stage ?? (layout.mode === "replace" || layout.deleteMissing));
}

/**
 * The versions to apply. `recorded` holds the newest committed offset of each file in the ledger. A recorded
 * version is not applied, nor is an older version of the same file. `replace` needs only the newest of
 * several versions of a file. `append` needs all versions, because it identifies each row by its own
 * version.
 */
export function applicable<V extends Version>(
  mode: WriteMode,
  versions: readonly V[],
  recorded: ReadonlyMap<string, number>,
): V[] {
  if (mode === "append") return [...versions];
  const fresh = versions.filter(({ sourceFile, sourceOffset }) => sourceOffset > (recorded.get(sourceFile) ?? -1));
  if (mode !== "replace") return fresh;
  const newest = newestOffsets(fresh);
  return fresh.filter(({ sourceFile, sourceOffset }) => sourceOffset === newest.get(sourceFile));
}

/** A query for the ledger rows that `applicable` needs. `ledger` is the quoted name of `_ingest_files`. */
export function recordedStatement(
  dialect: Dialect,
  ledger: string,
  table: string,
  versions: readonly Version[],
): string {
  const files = [...new Set(versions.map(({ sourceFile }) => sourceFile))];
  return `SELECT file_key, max(source_offset) FROM ${ledger}
     WHERE table_name = ${dialect.stringLiteral(table)} AND status = 'committed' AND file_key IN (${dialect.stringList(files)})
     GROUP BY 1`;
}

/** Converts the rows of `recordedStatement` for `applicable`. */
export const recordedOffsets = (rows: readonly unknown[][]): Map<string, number> =>
  new Map(rows.map(([file, offset]) => [file as string, Number(offset)]));
