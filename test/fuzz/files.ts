/** Generated files: valid in some dialect, encoding and compression, then optionally damaged. */
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { transcodeTo } from "./transcode.ts";

/** Edge-case cells. */
const EDGE_CELLS = [
  ..."|0|-0|1|007|+5|5.|.5|1e5|1e400|-1e-400|NaN|Infinity|-Infinity|nan|2147483647|2147483648|-2147483649".split("|"),
  ..."9223372036854775807|9223372036854775808|12345678901234567890|99999999999999999999999999999999999999".split("|"),
  ..."999999999999999999999999999999999999999|1.10|0.0000000001|1.5|true|FALSE|yes|t|NULL|NA|n/a".split("|"),
  ..."2024-02-29|2023-02-29|0000-00-00|9999-12-31|10000-01-01|2024-01-31 10:00|2024-01-31T23:59:59.123456".split("|"),
  ..."2024-01-31T10:00:00Z|2024-01-31 10:00+02:00|0001-01-01T00:00:00+05:00|01/02/2024|31.12.2024".split("|"),
  ...[" ", "\t", '"', '""', "'", "\\", '\\"', "a,b", "a;b", "a|b", "a\nb", "a\r\nb", "=1+1", "sep=;", "{", "[]", "<a>"],
  ...["é", "漢字", "🙂", "\u202e", "\ufeff", "\u200b", "ﬁ", "x".repeat(40), "1".repeat(60)],
];

export const cell = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...EDGE_CELLS) },
  { weight: 3, arbitrary: fc.integer({ min: -5, max: 99 }).map(String) },
  { weight: 2, arbitrary: fc.string({ maxLength: 6 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 6 }) },
);

export const header = fc.oneof(
  fc.constantFrom(
    "id",
    "ID",
    "name",
    "na!e",
    "na%e",
    "",
    " ",
    "_source_file",
    "select",
    "1",
    "2024",
    "Größe",
    "名前",
    "🙂",
  ),
  fc.string({ maxLength: 5 }),
);

export interface WrittenDialect {
  delimiter: "," | ";" | "\t" | "|";
  quote: '"' | "'";
  escape: string;
  lineEnd: "\n" | "\r\n" | "\r";
  quoteAlways: boolean;
  lastLineEnd: boolean;
}

export const dialect: fc.Arbitrary<WrittenDialect> = fc
  .record({
    delimiter: fc.constantFrom(",", ";", "\t", "|"),
    quote: fc.constantFrom('"', "'"),
    backslash: fc.boolean(),
    lineEnd: fc.constantFrom("\n", "\r\n", "\r"),
    quoteAlways: fc.boolean(),
    lastLineEnd: fc.boolean(),
  })
  .map(({ backslash, ...rest }) => ({ ...rest, escape: backslash ? "\\" : rest.quote }));

/**
 * The table as text, with every cell quoted so that it is read back unchanged. A byte-order mark that begins
 * a row is not part of the row, unless it is quoted: it comes from files that were joined.
 */
export function writeTable(rows: readonly (readonly string[])[], written: WrittenDialect): string {
  const { delimiter, quote, escape, lineEnd, quoteAlways, lastLineEnd } = written;
  const cellText = (value: string): string => {
    if (!quoteAlways && !/^\ufeff|[,;|\t\n\r"'\\]/.test(value)) return value;
    const escaped = escape === quote ? value : value.replaceAll(escape, escape + escape);
    return quote + escaped.replaceAll(quote, escape + quote) + quote;
  };
  const text = rows.map((row) => row.map(cellText).join(delimiter)).join(lineEnd);
  return lastLineEnd ? text + lineEnd : text;
}

export const encoding = fc.constantFrom("utf-8", "utf-16le", "utf-16be", "iso-8859-1", "windows-1252");
const compression = fc.oneof(
  { weight: 8, arbitrary: fc.constant("none") },
  { weight: 1, arbitrary: fc.constant("gzip") },
  { weight: 1, arbitrary: fc.constant("zstd") },
);

const ZSTD_BLOCK_BYTES_MAX = 128 * 1024;

/** A zstd frame of raw blocks. */
export function zstdFrame(content: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])];
  for (let start = 0; start === 0 || start < content.length; start += ZSTD_BLOCK_BYTES_MAX) {
    const block = content.subarray(start, start + ZSTD_BLOCK_BYTES_MAX);
    const isLast = start + ZSTD_BLOCK_BYTES_MAX >= content.length;
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | (isLast ? 1 : 0), 0, 3);
    parts.push(header, block);
  }
  return Buffer.concat(parts);
}

export function compressed(bytes: Buffer, how: string): Buffer {
  return how === "gzip" ? gzipSync(bytes) : how === "zstd" ? zstdFrame(bytes) : bytes;
}

/** One damage to the bytes. Positions are modulo the length. */
export type Damage =
  | { kind: "set"; at: number; byte: number }
  | { kind: "insert"; at: number; bytes: Uint8Array }
  | { kind: "delete"; at: number; length: number }
  | { kind: "repeat"; at: number; length: number; times: number }
  | { kind: "cut"; at: number };

const TOKENS = ["\n", "\r", "\r\n", '"', '""', ",", ";", "\0", "\ufeff", "\\", "'", ' "', '"x"y', ",,,,", "\n\n"].map(
  (text) => Buffer.from(text),
);
const RAW_TOKENS = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xff, 0xfe], [0x1f, 0x8b], [0x28, 0xb5, 0x2f, 0xfd], [0, 0]];
const token = fc.constantFrom<Uint8Array[]>(...TOKENS, ...RAW_TOKENS.map((raw) => Buffer.from(raw)));
const at = fc.nat(5_000);

export const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), at, byte: fc.nat(255) }),
  fc.record({ kind: fc.constant("insert" as const), at, bytes: fc.oneof(token, fc.uint8Array({ maxLength: 4 })) }),
  fc.record({ kind: fc.constant("delete" as const), at, length: fc.integer({ min: 1, max: 20 }) }),
  fc.record({
    kind: fc.constant("repeat" as const),
    at,
    length: fc.integer({ min: 1, max: 30 }),
    times: fc.integer({ min: 1, max: 60 }),
  }),
  fc.record({ kind: fc.constant("cut" as const), at }),
);

export function damaged(bytes: Buffer, damages: readonly Damage[]): Buffer {
  return damages.reduce((before, one) => {
    const place = before.length === 0 ? 0 : one.at % (before.length + 1);
    const [head, tail] = [before.subarray(0, place), before.subarray(place)];
    switch (one.kind) {
      case "set":
        return Buffer.concat([head, Buffer.from([one.byte]), tail.subarray(1)]);
      case "insert":
        return Buffer.concat([head, one.bytes, tail]);
      case "delete":
        return Buffer.concat([head, tail.subarray(one.length)]);
      case "repeat":
        return Buffer.concat([head, ...Array<Buffer>(one.times).fill(tail.subarray(0, one.length)), tail]);
      case "cut":
        return head;
    }
  }, bytes);
}

/** A file: mostly a table in some dialect, damaged up to four times before and after compression. */
export const anyFile: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 12,
    arbitrary: fc
      .record({
        headers: fc.array(header, { maxLength: 6 }),
        rows: fc.array(fc.array(cell, { maxLength: 6 }), { maxLength: 12 }),
        square: fc.boolean(),
        written: dialect,
        bom: fc.boolean(),
        encoding,
        compression,
        damages: fc.array(damage, { maxLength: 4 }),
        later: fc.array(damage, { maxLength: 1 }),
      })
      .map(({ headers, rows, square, written, bom, encoding: name, compression: how, damages, later }) => {
        const table = square ? rows.map((row) => headers.map((_, index) => row[index] ?? "")) : rows;
        const text = writeTable([headers, ...table], written);
        const plain = transcodeTo((bom ? "\ufeff" : "") + text, name);
        return damaged(compressed(damaged(plain, damages), how), later);
      }),
  },
);
