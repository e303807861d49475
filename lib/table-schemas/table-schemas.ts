import type { ColumnDefinition, ColumnType } from "../columns.ts";
import type { PinnedFormat } from "../formats/format.ts";
import { pinnedFields, pinnedIn } from "../formats/message-fields.ts";
import { tableSchemas } from "../messages/avro.ts";
import { keyOf, tableId } from "../tables.ts";

/** Columns and pinned format of a table. */
export interface TableSchema {
  /** Empty: the table does not exist. */
  columns: ColumnDefinition[];
  /** How the table's first file was written; undefined if that is not known. */
  pinned: PinnedFormat | undefined;
}

/** Something known of a table from the file version with this offset. */
export interface AtOffset {
  readonly sourceOffset: number;
}

/**
 * The schema of a table as the warehouse has it, once the files up to `sourceOffset` are committed or have
 * failed. The topic `table-schemas` holds the newest of each table.
 */
export type PublishedSchema = TableSchema & AtOffset;

/** By table. */
export type NewestSchemas = Map<string, PublishedSchema>;

/**
 * The newer of two. A committer that has lost its table may still publish an older schema: that one is
 * ignored. At the same offset the later one counts.
 */
export const newerSchema = <T extends AtOffset>(known: T | undefined, next: T): T =>
  known !== undefined && next.sourceOffset < known.sourceOffset ? known : next;

/**
 * Folds one record of `table-schemas` into the schemas; an empty value removes the table's.
 * @throws Error if the record cannot be decoded; the schemas are unchanged then
 */
export function foldTableSchema(schemas: NewestSchemas, { key, value }: { key: string | null; value: Buffer }): void {
  if (value.length === 0) {
    if (key !== null) schemas.delete(key);
    return;
  }
  const { table, sourceOffset, columns, ...written } = tableSchemas.decode(value);
  const next = {
    sourceOffset,
    columns: columns.map(({ name, type, header }) => ({ name, type: type as ColumnType, header })),
    pinned: pinnedIn(written),
  };
  schemas.set(table, newerSchema(schemas.get(table), next));
}

/** The record of `table-schemas` that `foldTableSchema` reads. */
export function schemaRecord(
  table: string,
  { sourceOffset, columns, pinned }: PublishedSchema,
): { key: string; value: Buffer } {
  const value = tableSchemas.encode({ table, sourceOffset, columns, ...pinnedFields(pinned) });
  return { key: keyOf(tableId(table)), value };
}
