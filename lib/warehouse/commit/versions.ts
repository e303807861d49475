import type { Dialect } from "../sql/dialect.ts";
import type { CommitReceipt, FileVersion, MicroBatch, WriteMode } from "../warehouse.ts";

/** Which file versions of a micro-batch a commit applies, for every warehouse. Pure. */

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

/** Versions that can change the table: a deleted file changes nothing unless the table loses rows with its files. */
export function effective({ layout, files }: MicroBatch): FileVersion[] {
  return files.filter(({ stage }) => stage ?? (layout.mode === "replace" || layout.deleteMissing));
}

/**
 * The versions to apply, given the newest offset that the ledger has of each file as committed: none that is recorded, nor an older version
 * of the same file. Of several versions of a file `replace` needs the newest only. `append` needs all: it tells rows apart by themselves.
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

/** A query for what `applicable` needs of the ledger; `ledger` is the quoted name of `_ingest_files`. */
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

/** The rows of `recordedStatement` as `applicable` takes them. */
export const recordedOffsets = (rows: readonly unknown[][]): Map<string, number> =>
  new Map(rows.map(([file, offset]) => [file as string, Number(offset)]));
