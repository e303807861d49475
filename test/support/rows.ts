import { createHash, randomUUID } from "node:crypto";
import avsc from "avsc";
import { avroFieldName, decimalOf, rowSchemaOf, type ColumnDefinition, type ColumnType } from "../../lib/columns.ts";
import type { FileOutcome, Reject, RowBatch } from "../../lib/messages/generated.ts";
import type { FileVersion, Stage, Warehouse } from "../../lib/warehouse/warehouse.ts";

/**
 * A cell of a test: a number for INTEGER, BIGINT (or a bigint) and DOUBLE, a decimal string for DECIMAL, ISO
 * text for dates and timestamps. A query returns the same, except BIGINTs beyond 2^53, which it returns as
 * text.
 */
export type Cell = null | boolean | number | bigint | string;
/** Cells by column; a missing cell is NULL. `_source_row` overrides the row's ordinal. */
export type Row = Readonly<Record<string, Cell>>;

/** `columns({ id: "BIGINT", name: "VARCHAR" })`; the header is the name in capitals. */
export function columns(types: Readonly<Record<string, ColumnType>>): ColumnDefinition[] {
  return Object.entries(types).map(([name, type]) => ({ name, type, header: name.toUpperCase() }));
}

/** An avsc long as a bigint, so that tests cover every 64-bit value. */
export const exactLong = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: (value: number) => BigInt(value),
  toJSON: (value: bigint) => Number(value),
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

const isLong = (schema: unknown): boolean =>
  schema === "long" || (typeof schema === "object" && (schema as { type?: unknown }).type === "long");

/**
 * The avsc type of rows with these columns: longs and timestamps are bigints, decimals are bytes, dates are
 * days.
 */
export const rowType = (definitions: readonly ColumnDefinition[]): avsc.Type => recordType(rowSchemaOf(definitions));

/** The avsc type of a record with values as in `rowType`. */
export function recordType(schema: object): avsc.Type {
  return avsc.Type.forSchema(schema as avsc.Schema, {
    wrapUnions: false,
    typeHook: (schema) => (isLong(schema) ? exactLong : undefined),
  });
}

/** Big-endian two's complement in the minimum number of bytes. */
export function decimalBytes(unscaled: bigint): Buffer {
  const bytes: number[] = [];
  let rest = unscaled;
  do {
    bytes.unshift(Number(rest & 0xffn));
    rest >>= 8n;
  } while (!(rest === 0n && bytes[0]! < 0x80) && !(rest === -1n && bytes[0]! >= 0x80));
  return Buffer.from(bytes);
}

function unscaledOf(text: string, scale: number): bigint {
  const [whole = "", fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(scale, "0"));
}

/** Microseconds since 1970 of ISO text, with or without Z. */
export function microsOf(text: string): bigint {
  const [seconds = "", fraction = ""] = text.replace(/Z$/, "").split(".");
  return BigInt(Date.parse(`${seconds}Z`)) * 1000n + BigInt(fraction.padEnd(6, "0"));
}

/** A cell as a value of its Avro type. */
function avroCell(type: ColumnType, cell: Cell): unknown {
  if (cell === null) return null;
  const decimal = decimalOf(type);
  if (decimal) return decimalBytes(unscaledOf(String(cell), decimal.scale));
  switch (type) {
    case "INTEGER":
    case "BIGINT":
      return BigInt(cell);
    case "DATE":
      return Date.parse(`${String(cell)}T00:00:00Z`) / 86_400_000;
    case "TIMESTAMP":
    case "TIMESTAMP WITH TIME ZONE":
      return microsOf(String(cell));
    default:
      return cell;
  }
}

export interface Origin {
  sourceFile: string;
  sourceOffset: number;
  /** The rows' _source_offset, if it is not the version's. */
  rowsOffset?: number;
  /** See FileVersion. */
  confirmsUpTo?: number;
  receivedAtMs?: number;
}

/** Default arrival time of files in tests. */
export const RECEIVED_AT_MS = Date.parse("2026-01-02T03:04:05.678Z");

/** Plain rows as the row batches of a parser. */
export function rowBatches(
  definitions: readonly ColumnDefinition[],
  rows: readonly Row[],
  { sourceFile, sourceOffset, rowsOffset = sourceOffset, receivedAtMs = RECEIVED_AT_MS }: Origin,
  rowsPerBatch = 1000,
): RowBatch[] {
  const type = rowType(definitions);
  const writerSchema = JSON.stringify(rowSchemaOf(definitions));
  const encoded = rows.map((row, index) => {
    const record: Record<string, unknown> = {
      _source_file: sourceFile,
      _source_offset: BigInt(rowsOffset),
      _source_row: BigInt(row._source_row ?? index + 1),
      _ingested_at: BigInt(receivedAtMs) * 1000n,
    };
    definitions.forEach((column, at) => (record[avroFieldName(at)] = avroCell(column.type, row[column.name] ?? null)));
    return type.toBuffer(record);
  });
  const batches: RowBatch[] = [];
  for (let firstRow = 0; firstRow < rows.length; firstRow += rowsPerBatch) {
    const slice = encoded.slice(firstRow, firstRow + rowsPerBatch);
    batches.push({ firstRow, rowCount: slice.length, writerSchema, rows: Buffer.concat(slice) });
  }
  return batches;
}

/** A rejected row of a column `id`. */
export const reject = (row: number, over: Partial<Reject> = {}): Reject => ({
  row,
  line: row + 1,
  column: "id",
  reason: "type_mismatch",
  message: "'x' is not a valid INTEGER",
  raw: "x",
  ...over,
});

export interface TestFile extends Origin {
  /** Default: always the same one for a version, in the form of those of the gateway. */
  fileId?: string;
  columns: readonly ColumnDefinition[];
  /** null for a deleted object. */
  rows: readonly Row[] | null;
  rejects?: readonly Reject[];
  rowsPerBatch?: number;
}

/** An id in the form of a random one, which is the same for equal texts. */
export function fileIdOf(text: string): string {
  const hash = createHash("sha256").update(text).digest("hex");
  return [hash.slice(0, 8), hash.slice(8, 12), `7${hash.slice(13, 16)}`, hash.slice(16, 20), hash.slice(20, 32)].join(
    "-",
  );
}

/** A file version with a filled stage. */
export async function fileVersion(warehouse: Warehouse, table: string, file: TestFile): Promise<FileVersion> {
  const { sourceFile, sourceOffset, rowsOffset, confirmsUpTo, columns: definitions, rows, rejects = [] } = file;
  const fileId = file.fileId ?? fileIdOf(`${table}/${sourceFile}@${sourceOffset}`);
  if (rows === null) return { fileId, sourceFile, sourceOffset, columns: definitions };
  const stage = warehouse.stage(table, randomUUID());
  for (const batch of rowBatches(definitions, rows, file, file.rowsPerBatch)) await stage.append(batch);
  if (rejects.length > 0) await stage.reject(rejects);
  const repeats = rowsOffset === undefined ? {} : { versionOffset: rowsOffset };
  const confirms = confirmsUpTo === undefined ? {} : { confirmsUpTo };
  return { fileId, sourceFile, sourceOffset, ...repeats, ...confirms, columns: definitions, stage };
}

/** The outcome of such a file, for `record`. */
export function outcomeOf(
  version: FileVersion,
  status: FileOutcome["status"] = "committed",
): {
  outcome: FileOutcome;
  stage?: Stage;
} {
  const { fileId, sourceFile, sourceOffset, stage } = version;
  const rowsCommitted = status === "committed" ? (stage?.rowCount ?? 0) : 0;
  const rowsRejected = stage?.rejectCount ?? 0;
  const outcome: FileOutcome = {
    fileId,
    sourceFile,
    sourceOffset,
    status,
    rowsRead: rowsCommitted + rowsRejected,
    rowsCommitted,
    rowsRejected,
    sizeBytes: stage?.sizeBytes ?? 0,
    contentHash: createHash("sha256").update(fileId).digest("hex"),
    etag: null,
    receivedAtMs: RECEIVED_AT_MS,
    parsedAtMs: RECEIVED_AT_MS + 10,
    parseMs: 5,
    delimiter: ",",
    encoding: "utf-8",
    rowsOffset: sourceOffset,
    errorCode: status === "committed" ? null : "FILE_NOT_CSV",
    errorMessage: status === "committed" ? null : "it is not",
  };
  return stage ? { outcome, stage } : { outcome };
}
