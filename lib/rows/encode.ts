import { rowSchemaOf, type ColumnDefinition } from "../columns.ts";
import { FAMILY, type CastColumn } from "../typing/cast.ts";
import type { Scan } from "../typing/scan.ts";

/** Audit values that are equal in every row of a file. */
export interface RowOrigin {
  sourceFile: string;
  sourceOffset: number;
  /** Epoch milliseconds; becomes _ingested_at. */
  receivedAtMs: number;
}

/** The writer schema of rows with these columns, as JSON. */
export const writerSchemaOf = (columns: readonly ColumnDefinition[]): string => JSON.stringify(rowSchemaOf(columns));

/** Union branches of the nullable columns, zigzag-encoded. */
const NULL_BRANCH = 0;
const VALUE_BRANCH = 2;
/** Maximum bytes of a value beyond its own text: branch, length, or a number longer than its digits. */
export const VALUE_OVERHEAD_MAX = 12;

const DOUBLE_EXACT_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/**
 * Writes Avro-encoded rows into a growing buffer, directly from the bytes of their text. Write a row as its
 * columns in order (`writeNull`, `writeValue`, `writeText`), then `endRow` and `keepRow`; `rewind` discards
 * the row begun. Call `reserve` first: the write methods do not check the buffer's end. See decision 27.
 */
export class RowEncoder {
  #bytes: Buffer;
  #view: DataView;
  #at = 0;
  #rowStart = 0;
  readonly #initialBytes: number;
  readonly #beforeRow: Buffer;
  readonly #afterRow: Buffer;

  /** `initialBytes`: size of a new buffer. */
  constructor(origin: RowOrigin, initialBytes: number) {
    this.#initialBytes = initialBytes;
    this.#bytes = Buffer.allocUnsafeSlow(initialBytes);
    this.#view = viewOf(this.#bytes);
    const file = Buffer.from(origin.sourceFile);
    this.#beforeRow = Buffer.concat([longBytes(BigInt(file.length)), file, longBytes(BigInt(origin.sourceOffset))]);
    this.#afterRow = longBytes(BigInt(origin.receivedAtMs) * 1000n);
  }

  /** Bytes of the complete rows. */
  get sizeBytes(): number {
    return this.#rowStart;
  }

  /** Maximum bytes of a row with this length of text and this number of columns. */
  rowBytesMax(textBytes: number, columns: number): number {
    return textBytes + columns * VALUE_OVERHEAD_MAX + this.#beforeRow.length + this.#afterRow.length + 10;
  }

  /** Ensures room for `bytes` more. */
  reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + bytes));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }

  writeNull(): void {
    this.#bytes[this.#at++] = NULL_BRANCH;
  }

  /** Writes bytes[start, end), which must be valid UTF-8. */
  writeText(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const out = this.#bytes;
    out[this.#at++] = VALUE_BRANCH;
    this.#writeLong(length);
    if (length < 32) {
      let at = this.#at;
      while (start < end) out[at++] = bytes[start++]!;
      this.#at = at;
    } else {
      out.set(bytes.subarray(start, end), this.#at);
      this.#at += length;
    }
  }

  /** Writes the value that `cast` left in `scan`. */
  writeValue(column: CastColumn, bytes: Uint8Array, scan: Scan): void {
    const out = this.#bytes;
    out[this.#at++] = VALUE_BRANCH;
    switch (column.family) {
      case FAMILY.LONG:
        return this.#writeInteger(bytes, scan);
      case FAMILY.DECIMAL:
        return this.#writeDecimal(column.scale, bytes, scan);
      case FAMILY.DOUBLE:
        this.#view.setFloat64(this.#at, doubleOf(bytes, scan), true);
        this.#at += 8;
        return;
      case FAMILY.BOOLEAN:
        out[this.#at++] = scan.boolean ? 1 : 0;
        return;
      case FAMILY.DATE:
        return this.#writeLong(scan.days);
      default:
        return this.#writeMicros(scan);
    }
  }

  /** Completes the row with its audit columns. */
  endRow(sourceRow: number): void {
    this.#bytes.set(this.#beforeRow, this.#at);
    this.#at += this.#beforeRow.length;
    this.#writeLong(sourceRow);
    this.#bytes.set(this.#afterRow, this.#at);
    this.#at += this.#afterRow.length;
  }

  /** Bytes of the current row. */
  get rowBytes(): number {
    return this.#at - this.#rowStart;
  }

  /** Discards the current row. */
  rewind(): void {
    this.#at = this.#rowStart;
  }

  /** Marks the current row as complete. */
  keepRow(): void {
    this.#rowStart = this.#at;
  }

  /**
   * Returns the complete rows, whose buffer the caller owns, and continues with a new buffer and the current
   * row.
   */
  take(): Buffer {
    const [bytes, rowStart, at] = [this.#bytes, this.#rowStart, this.#at];
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(this.#initialBytes, at - rowStart));
    this.#view = viewOf(this.#bytes);
    bytes.copy(this.#bytes, 0, rowStart, at);
    this.#rowStart = 0;
    this.#at = at - rowStart;
    return bytes.subarray(0, rowStart);
  }

  /** Writes an integer below 2^52. */
  #writeLong(value: number): void {
    const out = this.#bytes;
    let rest = value >= 0 ? value * 2 : -value * 2 - 1;
    let at = this.#at;
    while (rest > 0x7fffffff) {
      out[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      out[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    out[at++] = rest;
    this.#at = at;
  }

  #writeBigLong(value: bigint): void {
    const encoded = longBytes(value);
    this.#bytes.set(encoded, this.#at);
    this.#at += encoded.length;
  }

  #writeInteger(bytes: Uint8Array, scan: Scan): void {
    if (scan.intDigits > DOUBLE_EXACT_DIGITS || scan.point !== scan.end) {
      const value = BigInt(textOf(bytes, scan.digits, scan.point));
      return this.#writeBigLong(scan.negative ? -value : value);
    }
    this.#writeLong(scan.negative ? -scan.mantissa : scan.mantissa);
  }

  #writeMicros(scan: Scan): void {
    // Beyond about ±140 years from 1970, microseconds exceed the exact range of doubles.
    if (Math.abs(scan.seconds) < 4_000_000_000) return this.#writeLong(scan.seconds * 1_000_000 + scan.micros);
    this.#writeBigLong(BigInt(scan.seconds) * 1_000_000n + BigInt(scan.micros));
  }

  /** Writes the unscaled value as big-endian two's complement in as few bytes as possible. */
  #writeDecimal(scale: number, bytes: Uint8Array, scan: Scan): void {
    const lacking = scale - scan.scale;
    if (lacking < 0 || scan.intDigits + scale > DOUBLE_EXACT_DIGITS) {
      return this.#writeBigDecimal(unscaledOf(bytes, scan, scale));
    }
    const magnitude = scan.mantissa * POWERS_OF_TEN[lacking]!;
    const value = scan.negative ? -magnitude : magnitude;
    const high = Math.floor(value / 0x1_0000_0000);
    const low = value | 0;
    let length = 1;
    for (let limit = 128; value >= limit || value < -limit; limit *= 256) length++;
    const out = this.#bytes;
    let at = this.#at;
    out[at++] = length * 2;
    for (let shift = (length - 1) * 8; shift >= 32; shift -= 8) out[at++] = high >> (shift - 32);
    for (let shift = (Math.min(length, 4) - 1) * 8; shift >= 0; shift -= 8) out[at++] = low >> shift;
    this.#at = at;
  }

  #writeBigDecimal(value: bigint): void {
    let length = 1;
    while (BigInt.asIntN(length * 8, value) !== value) length++;
    this.#writeLong(length);
    for (let shift = (length - 1) * 8; shift >= 0; shift -= 8) {
      this.#bytes[this.#at++] = Number((value >> BigInt(shift)) & 255n);
    }
  }
}

const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** An empty text may begin behind the last byte of the buffer: a whole number has no decimals. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  if (end <= start) return "";
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}

/** The scanned number times 10^scale. Digits beyond the scale are zeros. */
function unscaledOf(bytes: Uint8Array, scan: Scan, scale: number): bigint {
  const fraction = textOf(bytes, scan.point + 1, scan.point + 1 + Math.min(scan.scale, scale));
  const value = BigInt(textOf(bytes, scan.digits, scan.point) + fraction.padEnd(scale, "0"));
  return scan.negative ? -value : value;
}

function doubleOf(bytes: Uint8Array, scan: Scan): number {
  return Number(textOf(bytes, scan.start, scan.end));
}

/** Avro's long: zigzag, then seven bits a byte, lowest first. */
function longBytes(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const out: number[] = [];
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return Buffer.from(out);
}
