import { createHash } from "node:crypto";
import { avroTypeOf, decimalOf, DECIMAL_PRECISION_MAX, type ColumnType } from "../columns.ts";
import { rowFieldsOf } from "./row-decoder.ts";

/**
 * Avro container files around rows that are encoded already: a header, then each row batch's bytes as a block. No row is decoded. Pure.
 */

/** A column of a staged file: `name` as the file and the stage table call it. */
export interface StagedColumn {
  readonly name: string;
  /** The column's own name. */
  readonly column: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
}

/**
 * The columns of the container that rows of this writer schema go into. Writer schemas that differ only in a column's width (INTEGER or
 * BIGINT, DECIMAL digits at one scale) have the same bytes and so share a container: decimals are declared with all 38 digits.
 */
export function stagedColumnsOf(writerSchema: string): StagedColumn[] {
  return rowFieldsOf(writerSchema).map(({ name, type, nullable }, index) => {
    const decimal = decimalOf(type);
    return {
      name: `c${index}`,
      column: name,
      type: decimal ? (`DECIMAL(${DECIMAL_PRECISION_MAX},${decimal.scale})` as const) : type,
      nullable,
    };
  });
}

/** Equal for row batches that may share a container. */
export function containerKey(columns: readonly StagedColumn[]): string {
  return columns.map(({ column, type, nullable }) => `${column}:${type}:${nullable}`).join("|");
}

/** Marks the blocks of a file: any 16 bytes that are the same throughout it. */
export const syncMarker = (seed: string): Buffer => createHash("sha256").update(seed).digest().subarray(0, 16);

const MAGIC = Buffer.from("Obj\x01", "latin1");

/** What a container begins with. */
export function containerHeader(columns: readonly StagedColumn[], sync: Buffer): Buffer {
  const schema = {
    type: "record",
    name: "row",
    fields: columns.map(({ name, type, nullable }) => {
      const avro = avroTypeOf(type);
      return nullable ? { name, type: ["null", avro], default: null } : { name, type: avro };
    }),
  };
  const entries: [string, string][] = [
    ["avro.schema", JSON.stringify(schema)],
    ["avro.codec", "null"],
  ];
  const metadata = entries.flatMap(([key, value]) => [text(key), text(value)]);
  return Buffer.concat([MAGIC, long(entries.length), ...metadata, long(0), sync]);
}

/** One block: `rowCount` rows. */
export function containerBlock(rowCount: number, rows: Buffer, sync: Buffer): Buffer[] {
  return [Buffer.concat([long(rowCount), long(rows.length)]), rows, sync];
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([long(bytes.length), bytes]);
}

/** A non-negative safe integer, zigzag and variable-length. */
function long(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value * 2;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
