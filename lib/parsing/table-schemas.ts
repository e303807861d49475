import type { ColumnDefinition, ColumnType } from "../columns.ts";
import type { PinnedFormat } from "../formats/format.ts";
import { pinnedIn } from "../formats/message-fields.ts";
import { tableSchemas } from "../messages/avro.ts";

/**
 * Columns and pinned format of a table, as the topic `table-schemas` holds them after its newest parsed
 * file.
 */
export interface TableSchema {
  columns: ColumnDefinition[];
  /** How the table's first file was written. */
  pinned: PinnedFormat;
}

/** Something known of a table from the file version with this offset. */
export interface AtOffset {
  readonly sourceOffset: number;
}

/** By table. */
export type NewestSchemas = Map<string, TableSchema & AtOffset>;

/**
 * The newer of two. A parser that has lost its partition may still publish the schema of an older file: that
 * one is ignored. The same file parsed again replaces its first schema.
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
