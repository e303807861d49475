import { AUDIT_COLUMNS, columnTypeOf, decimalOf, type ColumnDefinition, type ColumnType } from "../../../columns.ts";
import { TributaryError } from "../../../errors.ts";
import type { PartitionField } from "../../../tables.ts";
import { partitionFields } from "../../table-layout.ts";
import type { SqlColumn } from "../../sql/sql.ts";
import type { TableDescription, TableLayout } from "../../warehouse.ts";
import type { NewColumn, NewPartitionField } from "../catalog/commit.ts";
import type { SchemaField, TableMetadata } from "../catalog/schemas.ts";

/** Columns and partitions in the words of the Iceberg specification. */

const TYPES: readonly (readonly [ColumnType, string])[] = [
  ["BOOLEAN", "boolean"],
  ["INTEGER", "int"],
  ["BIGINT", "long"],
  ["DOUBLE", "double"],
  ["DATE", "date"],
  ["TIMESTAMP", "timestamp"],
  ["TIMESTAMP WITH TIME ZONE", "timestamptz"],
  ["VARCHAR", "string"],
];

/** `long`, `decimal(10,2)`. */
export function icebergType(type: ColumnType): string {
  const decimal = decimalOf(type);
  if (decimal) return `decimal(${decimal.precision},${decimal.scale})`;
  return TYPES.find(([ours]) => ours === type)![1];
}

/** The column type of an Iceberg type; undefined if no column of a file has it. */
export function columnTypeIn(type: unknown): ColumnType | undefined {
  if (typeof type !== "string") return undefined;
  const simple = TYPES.find(([, theirs]) => theirs === type)?.[0];
  return simple ?? (type.startsWith("decimal") ? columnTypeOf(type) : undefined);
}

/** Catalogs drop an empty comment. This one is not empty, but invisible. */
const EMPTY_HEADER = "\u200b";

/** NUL in a comment would end it for readers that are written in C. */
const docOf = (header: string): string => header.replaceAll("\0", "") || EMPTY_HEADER;

export const newColumn = ({ name, type }: SqlColumn, id: number, header?: string): NewColumn => ({
  id,
  name,
  type: icebergType(type),
  required: false,
  ...(header === undefined ? {} : { doc: docOf(header) }),
});

const auditNames = new Set<string>(AUDIT_COLUMNS.map(({ name }) => name));

export const isAudit = ({ name }: Pick<SchemaField, "name">): boolean => auditNames.has(name);

/** @throws WAREHOUSE_FAILED for a column of a type that no file has */
export function descriptionOf(table: string, metadata: TableMetadata): TableDescription {
  const columns = metadata.fields.filter((field) => !isAudit(field)).map((field) => definitionOf(table, field));
  return { table, columns, partitioning: partitioningOf(metadata) };
}

function definitionOf(table: string, { name, type, doc }: SchemaField): ColumnDefinition {
  const known = columnTypeIn(type);
  if (!known) {
    const message = `table '${table}', column '${name}': of type ${JSON.stringify(type)}, which no file can have`;
    throw new TributaryError("WAREHOUSE_FAILED", message);
  }
  return { name, type: known, header: doc === EMPTY_HEADER ? "" : doc || name };
}

/** The partitioning as a layout names it. */
function partitioningOf({ fields, partitionFields: spec }: TableMetadata): string[] {
  const names = new Map(fields.map(({ id, name }) => [id, name]));
  return spec.flatMap(({ sourceId, transform }) => {
    const column = names.get(sourceId);
    if (column === undefined || transform === "void") return [];
    const sized = /^(\w+)\[(\d+)\]$/.exec(transform);
    if (sized) return [`${sized[1]}(${column}, ${sized[2]})`];
    return [transform === "identity" ? column : `${transform}(${column})`];
  });
}

export const samePartitioning = (layout: TableLayout, existing: readonly string[]): boolean =>
  textsOf(layout).join("\n") === textsOf({ ...layout, partitioning: existing }).join("\n");

const textsOf = (layout: TableLayout): string[] =>
  partitionFields(layout).map((field) => `${transformOf(field)} ${field.column}`);

const transformOf = ({ transform, argument }: PartitionField): string =>
  argument === undefined ? transform : `${transform}[${argument}]`;

/** The layout's partition spec. `lastId`: the highest id of a partition field that the table has had. */
export function newPartitioning(
  layout: TableLayout,
  fields: readonly Pick<NewColumn, "id" | "name">[],
  lastId: number,
): NewPartitionField[] {
  const taken = new Set(fields.map(({ name }) => name));
  return partitionFields(layout).map((field, index) => {
    const source = fields.find(({ name }) => name === field.column);
    if (!source) throw new Error(`no column '${field.column}': checkLayout comes first`);
    const transform = transformOf(field);
    let name = field.transform === "identity" ? field.column : `${field.column}_${field.transform}`;
    // A field with a transform must not have the name of a column.
    while (field.transform !== "identity" && taken.has(name)) name += "_";
    taken.add(name);
    return { "source-id": source.id, "field-id": lastId + 1 + index, name, transform };
  });
}
