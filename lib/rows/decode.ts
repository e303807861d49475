import { decimalOf, type ColumnDefinition, type ColumnType } from "../columns.ts";

/** A value for showing: integers beyond 2^53 and decimals as exact text, dates and times in ISO form. */
export type ShownValue = string | number | boolean | null;

/** The first `rowsMax` rows of a batch as encode.ts writes them, without their audit columns. */
export function showRows(
  rows: Buffer,
  rowCount: number,
  columns: readonly Pick<ColumnDefinition, "type">[],
  rowsMax: number,
): ShownValue[][] {
  const reader = new AvroReader(rows);
  const shown: ShownValue[][] = [];
  while (shown.length < Math.min(rowCount, rowsMax)) {
    shown.push(columns.map(({ type }) => (reader.long() === 0n ? null : showValue(reader, type))));
    reader.text();
    for (let audit = 0; audit < 3; audit++) reader.long();
  }
  return shown;
}

function showValue(reader: AvroReader, type: ColumnType): ShownValue {
  const decimal = decimalOf(type);
  if (decimal) return showDecimal(reader.bytes(), decimal.scale);
  switch (type) {
    case "BOOLEAN":
      return reader.boolean();
    case "DOUBLE": {
      const value = reader.double();
      return Number.isFinite(value) ? value : String(value);
    }
    case "DATE":
      return isoOf(reader.long() * 86_400n * 1_000_000n).slice(0, 10);
    case "TIMESTAMP":
      return isoOf(reader.long());
    case "TIMESTAMP WITH TIME ZONE":
      return `${isoOf(reader.long())}Z`;
    case "VARCHAR":
      return reader.text();
    default: {
      const value = reader.long();
      return BigInt(Number(value)) === value && Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
    }
  }
}

function showDecimal(bytes: Buffer, scale: number): string {
  let unscaled = 0n;
  for (const byte of bytes) unscaled = (unscaled << 8n) | BigInt(byte);
  unscaled = BigInt.asIntN(bytes.length * 8, unscaled);
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  return (unscaled < 0n ? "-" : "") + whole + (scale > 0 ? `.${digits.slice(-scale)}` : "");
}

/** yyyy-MM-ddTHH:mm:ss[.ffffff] */
function isoOf(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const text = new Date(Number((micros - fraction) / 1000n)).toISOString().slice(0, 19);
  return fraction === 0n ? text : `${text}.${fraction.toString().padStart(6, "0")}`;
}

/** The few Avro primitives that rows are made of. */
class AvroReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  long(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#bytes[this.#at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return (value >> 1n) ^ -(value & 1n);
    }
  }

  double(): number {
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  boolean(): boolean {
    return this.#bytes[this.#at++] === 1;
  }

  bytes(): Buffer {
    const length = Number(this.long());
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.bytes().toString("utf8");
  }
}
