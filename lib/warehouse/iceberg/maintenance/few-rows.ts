import { fileColumns } from "../append/heads.ts";
import { manifestEntry, manifestMetadata, writeDataFile } from "../append/data-file.ts";
import type { TableMetadata } from "../catalog/schemas.ts";
import type { IcebergContext } from "../commit/context.ts";
import type { Entry } from "../manifests/manifests.ts";
import { columnTypeIn } from "../tables/types.ts";
import { KEYED_ROW_GROUP_ROWS } from "../tables/key-order.ts";
import type { FilesLike } from "./merge-snapshot.ts";
import { keyOf } from "./rewrite-files.ts";

/** A second of work at most, which nothing interrupts. */
const ROWS_MAX = 100_000;
const BYTES_MAX = 8 * 1024 * 1024;

/** True if the files' rows are few enough for `writeFew`. */
export const isFew = (files: readonly Entry[]): boolean =>
  files.reduce((sum, { rows }) => sum + rows, 0) <= ROWS_MAX &&
  files.reduce((sum, { bytes }) => sum + bytes, 0) <= BYTES_MAX;

/**
 * Writes the rows of a SELECT as one file of the table, which no snapshot has yet. It costs a third of what
 * DuckDB's Iceberg writer needs for a scratch table. undefined: the table has partitions, or columns whose
 * type is not known here.
 */
export async function writeFew(
  { session }: IcebergContext,
  base: TableMetadata,
  select: string,
): Promise<{ rows: number; added: FilesLike[] } | undefined> {
  const { fields, location, specId, partitionFields, isSorted, formatVersion } = base;
  if (partitionFields.length > 0 || isSorted || formatVersion !== 2) return undefined;
  const typed = fields.flatMap(({ name, type }) => {
    const known = columnTypeIn(type);
    return known ? [{ name, type: known }] : [];
  });
  const columns = typed.length === fields.length ? fileColumns(base, typed) : undefined;
  if (!columns) return undefined;
  const rowGroupRows = keyOf(base).length > 0 ? KEYED_ROW_GROUP_ROWS : undefined;
  const file = await session.connected((connection) =>
    writeDataFile(connection, { folder: `${location}/data`, columns, select, rowGroupRows }),
  );
  const like = { specId, isData: true, sequenceNumber: 0n, metadata: manifestMetadata(base) };
  return { rows: file.rows, added: file.rows === 0 ? [] : [{ ...like, entries: [manifestEntry(file, columns)] }] };
}
