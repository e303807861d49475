import { TributaryError } from "../../errors.ts";
import type { Dialect } from "../sql/dialect.ts";
import type {
  CommitReceipt,
  FileVersion,
  MicroBatch,
  RecordedContent,
  RecordedVersions,
  TableLayout,
} from "../warehouse.ts";

/** Selects the file versions of a micro-batch that a commit applies, for every warehouse. Pure. */

/** The receipt of a commit that changed nothing. */
export const NOTHING: CommitReceipt = {
  snapshotId: null,
  strategy: "none",
  rowsInserted: 0,
  rowsUpdated: 0,
  rowsDeleted: 0,
};

/**
 * The receipt of a commit to a table that does not exist: deletions have nothing to change.
 * @throws WAREHOUSE_FAILED if a file has rows: somebody else dropped the table after `ensureTable`
 */
export function missingTable(table: string, files: readonly Pick<FileVersion, "stage">[]): CommitReceipt {
  if (files.every(({ stage }) => (stage?.rowCount ?? 0) === 0)) return NOTHING;
  throw new TributaryError("WAREHOUSE_FAILED", `table '${table}' does not exist: somebody else dropped it`);
}

type Version = Pick<FileVersion, "sourceFile" | "sourceOffset" | "versionOffset">;

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
  return files.filter(({ stage, undo }) => stage ?? undo ?? (layout.mode === "replace" || layout.deleteMissing));
}

/**
 * The versions to apply. `recorded` holds the newest offset of each file in the ledger. A recorded version is
 * not applied, nor is an older version of the same file. `replace` needs only the newest of several versions
 * of a file. With deleteMissing, a repetition replaces the version that it repeats. `append` needs all
 * versions, because it identifies each row by its own version.
 */
export function applicable<V extends Version>(
  { mode, deleteMissing }: Pick<TableLayout, "mode" | "deleteMissing">,
  versions: readonly V[],
  recorded: ReadonlyMap<string, number>,
): V[] {
  if (mode === "append") return [...versions];
  const fresh = versions.filter(({ sourceFile, sourceOffset }) => sourceOffset > (recorded.get(sourceFile) ?? -1));
  if (mode === "upsert" && !deleteMissing) return fresh;
  const nameOf = ({ sourceFile, versionOffset, sourceOffset }: Version): string =>
    mode === "replace" ? sourceFile : `${versionOffset ?? sourceOffset} ${sourceFile}`;
  const last = new Map(fresh.map((version) => [nameOf(version), version]));
  return fresh.filter((version) => last.get(nameOf(version)) === version);
}

/**
 * Condition for a version whose rows are in the table, or that removed rows. A version whose rows were all
 * rejected changes nothing.
 */
export const IS_APPLIED = "status NOT IN ('failed', 'held', 'rejected')";

/**
 * A query for the ledger rows that `applicable` needs. `ledger` is the quoted name of `_ingest_files`. Older
 * offsets than the versions' decide nothing, and with that condition an engine skips most of its files.
 */
export function recordedStatement(
  dialect: Dialect,
  ledger: string,
  table: string,
  versions: readonly Version[],
): string {
  const files = [...new Set(versions.map(({ sourceFile }) => sourceFile))];
  const oldest = Math.min(...versions.map(({ sourceOffset }) => sourceOffset));
  return `SELECT file_key, max(source_offset) FROM ${ledger}
     WHERE table_name = ${dialect.stringLiteral(table)} AND ${IS_APPLIED} AND file_key IN (${dialect.stringList(files)})
       AND source_offset >= ${oldest}
     GROUP BY 1`;
}

/** Converts the rows of `recordedStatement` for `applicable`. */
export const recordedOffsets = (rows: readonly unknown[][]): Map<string, number> =>
  new Map(rows.map(([file, offset]) => [file as string, Number(offset)]));

const VERSION = "COALESCE(version_offset, source_offset)";
const CONTENT = "COALESCE(content_offset, source_offset)";
const IS_SUPERSEDED = "COALESCE(error_code, '') = 'FILE_SUPERSEDED'";

/** A query for Warehouse.recordedContents. `ledger` is the quoted name of `_ingest_files`. */
export function contentsStatement(
  dialect: Dialect,
  ledger: string,
  table: string,
  sourceFiles: readonly string[],
): string {
  const of = `table_name = ${dialect.stringLiteral(table)} AND file_key IN (${dialect.stringList(sourceFiles)})`;
  const kind = "CASE WHEN operation = 'undo' THEN 'undone' WHEN content_hash = '' THEN 'deleted' ELSE 'put' END";
  const isLoaded = `max(CASE WHEN ${IS_APPLIED} THEN 1 ELSE 0 END)`;
  const versions = `SELECT file_key, content_hash, ${VERSION} AS version, ${isLoaded} AS loaded FROM ${ledger}
    WHERE ${of} AND content_hash <> '' AND NOT (${IS_SUPERSEDED}) GROUP BY 1, 2, 3`;
  const loadedAs = "max(CASE WHEN loaded = 1 THEN version END) OVER (PARTITION BY file_key, content_hash)";
  const loads = "max(loaded) OVER (PARTITION BY file_key, version)";
  return `SELECT file_key, ${kind}, max(${CONTENT}), max_by(rows_committed, ${CONTENT}), NULL FROM ${ledger}
    WHERE ${of} AND ${IS_APPLIED} GROUP BY 1, 2
    UNION ALL SELECT DISTINCT file_key, 'superseded', source_offset, 0, NULL FROM ${ledger}
    WHERE ${of} AND error_code IN ('FILE_SUPERSEDED', 'FILE_REFUSED') AND content_offset = source_offset
    UNION ALL SELECT DISTINCT file_key, 'held', ${CONTENT}, 0, NULL FROM ${ledger} WHERE ${of} AND status = 'held'
    UNION ALL SELECT file_key, 'unloaded', version, 0, max(loaded_as)
    FROM (SELECT *, ${loadedAs} AS loaded_as, ${loads} AS loads FROM (${versions})) WHERE loads = 0 GROUP BY 1, 2, 3
    ORDER BY 1, 3, 2`;
}

export const recordedContents = (rows: readonly unknown[][]): RecordedContent[] =>
  rows.map(([sourceFile, kind, contentOffset, count, loadedAs]) => ({
    sourceFile: sourceFile as string,
    kind: kind as RecordedContent["kind"],
    contentOffset: Number(contentOffset),
    rows: Number(count ?? 0),
    ...(loadedAs === null ? {} : { loadedAs: Number(loadedAs) }),
  }));

/** A query for Warehouse.recordedVersions. */
export function versionsStatement(dialect: Dialect, ledger: string, table: string): string {
  const incomplete = `(rows_rejected > 0 OR status IN ('failed', 'held')) AND NOT (${IS_SUPERSEDED})`;
  return `SELECT max(CASE WHEN ${IS_APPLIED} THEN ${VERSION} END), max(CASE WHEN ${incomplete} THEN ${VERSION} END)
    FROM ${ledger} WHERE table_name = ${dialect.stringLiteral(table)}`;
}

export function recordedVersions([row]: readonly unknown[][]): RecordedVersions {
  const [newest, incomplete] = (row ?? []).map((offset) => (offset === null ? undefined : Number(offset)));
  return { newest, incomplete };
}
