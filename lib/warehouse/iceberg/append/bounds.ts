import { decimalOf, type ColumnType } from "../../../columns.ts";

/** The smallest and the largest value of a column in a file, as DuckDB writes them. undefined: unknown. */
export interface Extremes {
  min: string | undefined;
  max: string | undefined;
}

/** Bounds of a column in a file. undefined: none is known, which is right for every file. */
export interface Bounds {
  lower: Buffer | undefined;
  upper: Buffer | undefined;
}

/** Characters of a text's bound, as in other writers. */
const TEXT_CHARACTERS = 16;

/**
 * Bounds in the form of Iceberg's table specification ("Binary single-value serialization"). A value that
 * is not in its usual form, such as a year with five digits, has none.
 */
export function boundsOf(type: ColumnType, { min, max }: Extremes): Bounds {
  if (type === "VARCHAR") {
    return {
      lower: min === undefined ? undefined : lowerText(min),
      upper: max === undefined ? undefined : upperText(max),
    };
  }
  if (type === "DOUBLE") {
    // Zero has two signs, of which -0 is the lesser; what DuckDB compares has one.
    return { lower: double(min, -0), upper: double(max, 0) };
  }
  const bytes = (text: string | undefined): Buffer | undefined => (text === undefined ? undefined : plain(type, text));
  return { lower: bytes(min), upper: bytes(max) };
}

function plain(type: ColumnType, text: string): Buffer | undefined {
  switch (type) {
    case "BOOLEAN":
      return /^[01]$/.test(text) ? Buffer.from([Number(text)]) : undefined;
    case "INTEGER":
      return /^-?\d+$/.test(text) ? int(Number(text)) : undefined;
    case "BIGINT":
      return /^-?\d+$/.test(text) ? long(BigInt(text)) : undefined;
    case "DATE": {
      const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : NaN;
      return Number.isNaN(ms) ? undefined : int(ms / MS_PER_DAY);
    }
    case "TIMESTAMP":
    case "TIMESTAMP WITH TIME ZONE":
      return timestamp(text);
    default:
      return decimalOf(type) && /^-?\d*(?:\.\d+)?$/.test(text) ? decimal(text) : undefined;
  }
}

const MS_PER_DAY = 86_400_000;

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function long(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}

function double(text: string | undefined, zero: number): Buffer | undefined {
  const value = text === undefined ? NaN : Number(text.replace(/^(-?)inf$/, "$1Infinity"));
  if (Number.isNaN(value)) return undefined;
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value === 0 ? zero : value);
  return bytes;
}

/** Microseconds since 1970 in UTC, in which the session writes its timestamps. */
function timestamp(text: string): Buffer | undefined {
  const [, date, time, fraction = ""] =
    /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(?:\+00)?$/.exec(text) ?? [];
  const ms = date === undefined ? NaN : Date.parse(`${date}T${time}Z`);
  return Number.isNaN(ms) ? undefined : long(BigInt(ms) * 1_000n + BigInt(fraction.padEnd(6, "0")));
}

/** The unscaled value in the shortest two's complement, big-endian. DuckDB writes all digits of the scale. */
function decimal(text: string): Buffer {
  const unscaled = BigInt(text.replace(".", "") || "0");
  let size = 1;
  while (BigInt.asIntN(size * 8, unscaled) !== unscaled) size++;
  return Buffer.from(
    BigInt.asUintN(size * 8, unscaled)
      .toString(16)
      .padStart(size * 2, "0"),
    "hex",
  );
}

const lowerText = (min: string): Buffer => Buffer.from(Array.from(min).slice(0, TEXT_CHARACTERS).join(""));

/** The text; of a long one, the least short text above all that begin as it does. undefined: none is. */
function upperText(max: string): Buffer | undefined {
  const characters = Array.from(max);
  if (characters.length <= TEXT_CHARACTERS) return Buffer.from(max);
  for (let end = TEXT_CHARACTERS; end > 0; end--) {
    const next = after(characters[end - 1]!);
    if (next !== undefined) return Buffer.from(characters.slice(0, end - 1).join("") + next);
  }
  return undefined;
}

/** The next character. undefined: it is the last one. */
function after(character: string): string | undefined {
  const code = character.codePointAt(0)! + 1;
  // Surrogates are no characters.
  const next = code === 0xd800 ? 0xe000 : code;
  return next > 0x10ffff ? undefined : String.fromCodePoint(next);
}
