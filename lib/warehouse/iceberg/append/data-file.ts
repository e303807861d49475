import { randomUUID } from "node:crypto";
import type { DuckDBConnection, DuckDBValue } from "@duckdb/node-api";
import { DuckDBMapValue } from "@duckdb/node-api";
import type { ColumnType } from "../../../columns.ts";
import { duckdb } from "../../duckdb-engine/dialect.ts";
import { rowsOf } from "../../duckdb-engine/rows.ts";
import { identifier } from "../../sql/sql.ts";
import type { SchemaField } from "../catalog/schemas.ts";
import { field, optional, type AvroRecord } from "../manifests/avro-file.ts";
import type { Entry } from "../manifests/manifests.ts";
import { boundsOf } from "./bounds.ts";

/** A column of a new file. */
export interface FileColumn {
  /** Of the table's field. */
  id: number;
  name: string;
  type: ColumnType;
}

/** A file that no snapshot has yet, and its values by the ids of its columns. */
export interface DataFile {
  path: string;
  rows: number;
  bytes: number;
  nulls: ReadonlyMap<number, bigint>;
  lower: ReadonlyMap<number, Buffer>;
  upper: ReadonlyMap<number, Buffer>;
}

export interface NewDataFile {
  folder: string;
  columns: readonly FileColumn[];
  /** The rows. */
  select: string;
  /** Rows of a row group. Default: DuckDB's. */
  rowGroupRows?: number | undefined;
}

const ROW_GROUP_ROWS = 122_880;

/**
 * Writes the rows of a SELECT as a Parquet file with the field ids of a table. A table without partitions
 * only: their values are not written.
 */
export async function writeDataFile(
  connection: DuckDBConnection,
  { folder, columns, select, rowGroupRows = ROW_GROUP_ROWS }: NewDataFile,
): Promise<DataFile> {
  const path = `${folder}/${randomUUID()}.parquet`;
  const cells = columns.map(({ name, type }) => `CAST(r.${identifier(name)} AS ${type}) AS ${identifier(name)}`);
  const ids = columns.map(({ name, id }) => `${duckdb.stringLiteral(name)}: ${id}`);
  // A dictionary of DuckDB 1.5.5 makes 0 of -0.
  const dictionary = columns.some(({ type }) => type === "DOUBLE") ? ", DICTIONARY_SIZE_LIMIT 0" : "";
  const groups = `, ROW_GROUP_SIZE ${rowGroupRows}`;
  const options = `FORMAT parquet, RETURN_STATS, FIELD_IDS {${ids.join(", ")}}${dictionary}${groups}`;
  const [row] = await rowsOf(
    connection,
    `COPY (SELECT ${cells.join(", ")} FROM (${select}) r) TO ${duckdb.stringLiteral(path)} (${options})`,
  );
  const [, rows, bytes, , statistics] = row!;
  const file = { path, rows: Number(rows), bytes: Number(bytes) };
  // DuckDB 1.5.5 says of the last row group only whether it has NaN. Threads write groups of half the rows.
  const isOneGroup = file.rows * 2 <= rowGroupRows;
  return { ...file, ...valuesOf(columns, textsIn(statistics as DuckDBValue), isOneGroup) };
}

/** Statistics by the quoted name of the column, and by their own name. */
type Texts = ReadonlyMap<string, ReadonlyMap<string, string>>;

const textsIn = (statistics: DuckDBValue): Texts =>
  new Map(
    entriesIn(statistics).map(([column, of]) => [
      String(column),
      new Map(entriesIn(of).map(([k, v]) => [String(k), String(v)])),
    ]),
  );

const entriesIn = (value: DuckDBValue): [DuckDBValue, DuckDBValue][] =>
  value instanceof DuckDBMapValue ? value.entries.map(({ key, value: of }) => [key, of]) : [];

function valuesOf(
  columns: readonly FileColumn[],
  texts: Texts,
  isOneGroup: boolean,
): Pick<DataFile, "nulls" | "lower" | "upper"> {
  const nulls = new Map<number, bigint>();
  const lower = new Map<number, Buffer>();
  const upper = new Map<number, Buffer>();
  for (const { id, name, type } of columns) {
    const known = texts.get(identifier(name));
    const count = known?.get("null_count");
    if (count !== undefined) nulls.set(id, BigInt(count));
    // NaN, which DuckDB takes for the greatest value, is not within the bounds of the others.
    const mayHaveNan = type === "DOUBLE" && (!isOneGroup || known?.get("has_nan") === "true");
    if (known === undefined || mayHaveNan) continue;
    const bounds = boundsOf(type, { min: known.get("min"), max: known.get("max") });
    if (bounds.lower) lower.set(id, bounds.lower);
    if (bounds.upper) upper.set(id, bounds.upper);
  }
  return { nulls, lower, upper };
}

/** The file as a manifest of format version 2 has it (`MANIFEST_SCHEMA`). */
export function manifestEntry(
  { path, rows, bytes, nulls, lower, upper }: DataFile,
  columns: readonly FileColumn[],
): Entry {
  const counts = columns.map(({ id }) => ({ f119: id, f120: BigInt(rows) }));
  const record: AvroRecord = {
    f2: {
      ...{ f134: 0, f100: path, f101: "PARQUET", f102: {}, f103: BigInt(rows), f104: BigInt(bytes) },
      f109: counts,
      f110: [...nulls].map(([id, count]) => ({ f121: id, f122: count })),
      f125: [...lower].map(([id, bound]) => ({ f126: id, f127: bound })),
      f128: [...upper].map(([id, bound]) => ({ f129: id, f130: bound })),
    },
  };
  const place = { path, isData: true, rows, bytes, partition: "", deletesFrom: undefined };
  return { ...place, sequenceNumber: 0n, record };
}

const map = (id: number, name: string, [key, value]: [number, number], type: string): object =>
  optional(id, name, {
    type: "array",
    logicalType: "map",
    items: {
      type: "record",
      name: `k${key}_v${value}`,
      fields: [field(key, "key", "int"), field(value, "value", type)],
    },
  });

const DATA_FILE = {
  type: "record",
  name: "r2",
  fields: [
    field(134, "content", "int"),
    field(100, "file_path", "string"),
    field(101, "file_format", "string"),
    field(102, "partition", { type: "record", name: "r102", fields: [] }),
    field(103, "record_count", "long"),
    field(104, "file_size_in_bytes", "long"),
    map(109, "value_counts", [119, 120], "long"),
    map(110, "null_value_counts", [121, 122], "long"),
    map(125, "lower_bounds", [126, 127], "bytes"),
    map(128, "upper_bounds", [129, 130], "bytes"),
  ],
};

/** What a table's files are like. */
export interface FileLayout {
  fields: readonly SchemaField[];
  schemaId: number;
  specId: number;
}

/** Of a manifest of files without partitions, in the words of Iceberg's table specification. */
export function manifestMetadata({ fields, schemaId, specId }: FileLayout): Record<string, Buffer> {
  const columns = fields.map(({ id, name, type }) => ({ id, name, required: false, type }));
  const texts = {
    "avro.schema": MANIFEST_SCHEMA,
    schema: JSON.stringify({ type: "struct", "schema-id": schemaId, fields: columns }),
    "schema-id": String(schemaId),
    "partition-spec": "[]",
    "partition-spec-id": String(specId),
    "format-version": "2",
    content: "data",
  };
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)]));
}

/** The Avro schema of a manifest of files without partitions. */
const MANIFEST_SCHEMA = JSON.stringify({
  type: "record",
  name: "manifest_entry",
  fields: [
    field(0, "status", "int"),
    optional(1, "snapshot_id", "long"),
    optional(3, "sequence_number", "long"),
    optional(4, "file_sequence_number", "long"),
    field(2, "data_file", DATA_FILE),
  ],
});
