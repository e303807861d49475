import { avroFieldName, columnTypeOf, decimalOf, type ColumnType } from "../columns.ts";
import { messageOf } from "../errors.ts";
import type { RowBatch } from "../messages/generated.ts";

/**
 * Layout of a value in a column's `words` (32-bit words, little-endian):
 *  - boolean: one word, 0 or 1
 *  - date: one word, days since 1970
 *  - long (INTEGER, BIGINT): two words, a 64-bit integer
 *  - timestamp: two words, microseconds since 1970
 *  - double: two words, IEEE 754
 *  - decimal: four words, the unscaled value as a 128-bit integer
 *  - string: two words, start and end of its UTF-8 in `bytes`
 */
export type ColumnKind = "boolean" | "long" | "double" | "date" | "timestamp" | "timestamptz" | "decimal" | "string";

export const WORDS: Readonly<Record<ColumnKind, 1 | 2 | 4>> = {
  boolean: 1,
  date: 1,
  long: 2,
  double: 2,
  timestamp: 2,
  timestamptz: 2,
  string: 2,
  decimal: 4,
};

/** The parts of a row batch that decoding needs. */
export type RowsOfSchema = Pick<RowBatch, "rowCount" | "writerSchema" | "rows">;

/** One column of a writer schema, audit columns included. */
export interface RowField {
  /** The column's name. */
  readonly name: string;
  readonly type: ColumnType;
  readonly kind: ColumnKind;
  readonly nullable: boolean;
  /** All rows have one value, which stands before the first row. See decision 40. */
  readonly once: boolean;
}

/** One column of a decoded batch. Where `valid` is 0 the value is NULL and its words are 0. */
export interface DecodedColumn extends RowField {
  readonly valid: Uint8Array;
  readonly words: Int32Array;
}

export interface DecodedRows {
  readonly rowCount: number;
  readonly columns: readonly DecodedColumn[];
  /** The batch's bytes, which string columns refer to. */
  readonly bytes: Buffer;
}

interface SchemaField {
  name: string;
  column?: string;
  type: SchemaType | [string, SchemaType];
  once?: boolean;
}
type SchemaType =
  string | { type: string; logicalType?: string; precision?: number; scale?: number; "adjust-to-utc"?: boolean };

const schemas = new Map<string, readonly RowField[]>();
const SCHEMAS_KEPT = 256;

/**
 * The columns of a RowBatch.writerSchema (see `rowSchemaOf` in lib/columns.ts), in order. Caches recent
 * schemas.
 */
export function rowFieldsOf(writerSchema: string): readonly RowField[] {
  const known = schemas.get(writerSchema);
  if (known) return known;
  const parsed = parseFields(writerSchema);
  if (schemas.size >= SCHEMAS_KEPT) schemas.clear();
  schemas.set(writerSchema, parsed);
  return parsed;
}

function parseFields(writerSchema: string): RowField[] {
  try {
    const { fields } = JSON.parse(writerSchema) as { fields: SchemaField[] };
    return fields.map((field, index): RowField => {
      const nullable = Array.isArray(field.type);
      const type = columnType(Array.isArray(field.type) ? field.type[1] : field.type);
      const name = field.column ?? field.name ?? avroFieldName(index);
      return { name, type, kind: kindOf(type), nullable, once: field.once === true };
    });
  } catch (cause) {
    throw new Error(`row batch: invalid writer schema: ${messageOf(cause)}`, { cause });
  }
}

/** The column type of an Avro type; a long counts as BIGINT. */
function columnType(type: SchemaType): ColumnType {
  const {
    type: base,
    logicalType,
    precision = 0,
    scale = 0,
    "adjust-to-utc": utc,
  } = typeof type === "string" ? { type } : type;
  switch (logicalType ?? base) {
    case "boolean":
      return "BOOLEAN";
    case "long":
      return "BIGINT";
    case "double":
      return "DOUBLE";
    case "date":
      return "DATE";
    case "timestamp-micros":
      return utc ? "TIMESTAMP WITH TIME ZONE" : "TIMESTAMP";
    case "string":
      return "VARCHAR";
    case "decimal": {
      const decimal = columnTypeOf(`DECIMAL(${precision},${scale})`);
      if (decimal) return decimal;
    }
  }
  throw new Error(`unsupported type ${JSON.stringify(type)}`);
}

/** How values of a column type are decoded. */
export function kindOf(type: ColumnType): ColumnKind {
  if (decimalOf(type)) return "decimal";
  switch (type) {
    case "BOOLEAN":
      return "boolean";
    case "INTEGER":
    case "BIGINT":
      return "long";
    case "DOUBLE":
      return "double";
    case "DATE":
      return "date";
    case "TIMESTAMP":
      return "timestamp";
    case "TIMESTAMP WITH TIME ZONE":
      return "timestamptz";
    default:
      return "string";
  }
}

/**
 * Decodes a batch into columns, without an object per row. Longs and decimals never pass through a float.
 * @throws a plain Error unless the bytes are exactly `rowCount` rows of the schema
 */
export function decodeRows(batch: RowsOfSchema): DecodedRows {
  const { rowCount, rows } = batch;
  const fields = rowFieldsOf(batch.writerSchema);
  // Every value takes at least one byte, so a wrong count cannot cause a larger allocation than the
  // bytes justify.
  const ofEachRow = fields.filter(({ once }) => !once).length;
  if (!(rowCount >= 0 && rowCount * ofEachRow <= rows.length && (ofEachRow > 0 || rowCount === 0))) {
    throw new Error(`row batch: ${rowCount} rows of ${fields.length} columns in ${rows.length} bytes`);
  }
  const columns = emptyColumns(fields, rowCount);
  const end = new RowReader(rows).read(columns, rowCount);
  if (end !== rows.length) throw new Error(`row batch: ${rowCount} rows end at byte ${end} of ${rows.length}`);
  return { rowCount, columns, bytes: rows };
}

const emptyColumns = (fields: readonly RowField[], rowCount: number): DecodedColumn[] =>
  fields.map((field) => ({
    ...field,
    valid: new Uint8Array(rowCount),
    words: new Int32Array(rowCount * WORDS[field.kind]),
  }));

/**
 * The _source_offset of a batch's rows, read from the first: the offset of their file version, or of the
 * version that it repeats. Undefined if there is no row that can be decoded.
 */
export function sourceOffsetOf({ writerSchema, rows }: Pick<RowBatch, "writerSchema" | "rows">): number | undefined {
  try {
    const columns = emptyColumns(rowFieldsOf(writerSchema), 1);
    new RowReader(rows).read(columns, 1);
    const offset = columns.find(({ name }) => name === "_source_offset");
    return offset && Number(longAt(offset.words, 0));
  } catch {
    return undefined;
  }
}

/** Reads Avro's binary encoding. `#low` and `#high` are the halves of the last long. */
class RowReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(columns: readonly DecodedColumn[], rowCount: number): number {
    const shared = columns.filter(({ once }) => once);
    if (shared.length === 0 || rowCount === 0) return this.#rows(columns, rowCount);
    this.#rows(shared, 1);
    for (const { kind, valid, words } of shared) {
      valid.fill(valid[0]!);
      const width = WORDS[kind];
      for (let word = width; word < words.length; word++) words[word] = words[word - width]!;
    }
    return this.#rows(
      columns.filter(({ once }) => !once),
      rowCount,
    );
  }

  #rows(columns: readonly DecodedColumn[], rowCount: number): number {
    for (let row = 0; row < rowCount; row++) {
      for (const column of columns) {
        if (column.nullable) {
          const branch = this.#bytes[this.#at++];
          if (branch === 0) continue;
          if (branch !== 2) throw new Error(`row batch: invalid union branch at byte ${this.#at - 1}`);
        }
        column.valid[row] = 1;
        this.#value(column.kind, column.words, row);
      }
    }
    return this.#at;
  }

  #value(kind: ColumnKind, words: Int32Array, row: number): void {
    switch (kind) {
      case "string": {
        const start = this.#length();
        words[row * 2] = start;
        words[row * 2 + 1] = this.#at;
        return;
      }
      case "double":
        words[row * 2] = this.#word();
        words[row * 2 + 1] = this.#word();
        return;
      case "date":
        this.#long();
        words[row] = this.#low;
        return;
      case "boolean":
        words[row] = this.#byte();
        return;
      case "decimal":
        return this.#decimal(words, row * 4);
      default:
        this.#long();
        words[row * 2] = this.#low;
        words[row * 2 + 1] = this.#high;
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error("row batch: ends inside a row");
    return byte;
  }

  #word(): number {
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + 4 > bytes.length) throw new Error("row batch: ends inside a row");
    this.#at = at + 4;
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }

  /** Reads a zigzag variable-length integer of up to 64 bits into `#low` and `#high`. */
  #long(): void {
    let byte = this.#byte();
    let low = byte & 0x7f;
    let high = 0;
    for (let shift = 7; byte & 0x80; shift += 7) {
      byte = this.#byte();
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 64) high |= bits << (shift - 32);
      else throw new Error(`row batch: an integer is too long at byte ${this.#at}`);
    }
    const sign = -(low & 1);
    this.#low = ((low >>> 1) | (high << 31)) ^ sign;
    this.#high = (high >>> 1) ^ sign;
  }

  /** Reads a length and skips that many bytes. Returns their start. */
  #length(): number {
    this.#long();
    const start = this.#at;
    const end = start + this.#low;
    if (this.#high !== 0 || end < start || end > this.#bytes.length) throw new Error("row batch: ends inside a row");
    this.#at = end;
    return start;
  }

  /** Reads big-endian two's complement of up to 16 bytes, sign-extended into four words. */
  #decimal(words: Int32Array, word: number): void {
    const bytes = this.#bytes;
    const start = this.#length();
    const length = this.#at - start;
    if (length > 16) throw new Error(`row batch: a decimal of ${length} bytes`);
    const sign = length > 0 && bytes[start]! & 0x80 ? -1 : 0;
    for (let i = 0, last = this.#at; i < 4; i++, last -= 4) {
      let value = sign;
      if (last - 4 >= start) {
        value = bytes[last - 1]! | (bytes[last - 2]! << 8) | (bytes[last - 3]! << 16) | (bytes[last - 4]! << 24);
      } else {
        for (let at = start; at < last; at++) value = (value << 8) | bytes[at]!;
      }
      words[word + i] = value;
    }
  }
}

/**
 * A decoded value: NULL, boolean, bigint (long, timestamps in microseconds, decimals unscaled), number
 * (double, days) or string.
 */
export type DecodedValue = null | boolean | bigint | number | string;

/** One value of a decoded batch, exact. To read whole columns, use `words`: it is faster. */
export function valueAt(rows: DecodedRows, column: DecodedColumn, row: number): DecodedValue {
  if (column.valid[row] === 0) return null;
  const { words, kind } = column;
  switch (kind) {
    case "boolean":
      return words[row] === 1;
    case "date":
      return words[row]!;
    case "string":
      return rows.bytes.toString("utf8", words[row * 2], words[row * 2 + 1]);
    case "double":
      return new Float64Array(words.buffer, words.byteOffset, rows.rowCount)[row]!;
    case "decimal": {
      let value = BigInt(words[row * 4 + 3]!);
      for (let i = 2; i >= 0; i--) value = (value << 32n) | BigInt(words[row * 4 + i]! >>> 0);
      return value;
    }
    default:
      return longAt(words, row);
  }
}

/** A 64-bit value of a long or timestamp column, exact. */
export function longAt(words: Int32Array, row: number): bigint {
  return (BigInt(words[row * 2 + 1]!) << 32n) | BigInt(words[row * 2]! >>> 0);
}
