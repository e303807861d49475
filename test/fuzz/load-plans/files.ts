/** Generated files, most of them regular: typed columns in every notation, and a few faults. */
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import type { ColumnDefinition, ColumnType } from "../../../lib/columns.ts";
import { damage, damaged, zstdFrame } from "../files.ts";
import type { Given } from "./readings.ts";
import { EVERYTHING, FOREIGN, KINDS, type Kind } from "./notations.ts";

interface Share {
  lax: number;
  odd: number;
  /** Of values that columns surely have. */
  sure: number;
}

/** What one cell is. The share of each is the file's. */
const cellOf = ({ plain, strict, lenient }: Kind, { lax, odd, sure }: Share): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: sure, arbitrary: fc.constantFrom(...plain) },
    { weight: 60, arbitrary: fc.constantFrom(...strict) },
    { weight: 20, arbitrary: fc.constantFrom(...strict.slice(0, 4)) },
    { weight: 4, arbitrary: fc.constant("") },
    { weight: 2 * lax, arbitrary: fc.constantFrom(...lenient) },
    { weight: lax, arbitrary: fc.constantFrom("NULL", " NULL ", "-", "\tNA") },
    { weight: lax, arbitrary: fc.constantFrom(...strict).map((value) => ` ${value} `) },
    { weight: lax, arbitrary: fc.constantFrom("", " ", "\t ") },
    { weight: odd, arbitrary: fc.constantFrom(...FOREIGN) },
    { weight: odd, arbitrary: fc.constantFrom(...EVERYTHING) },
  );

/** A change of the line at `at`, modulo the number of lines. */
const FAULTS: Record<string, (line: string, delimiter: string) => string> = {
  tooMany: (line, delimiter) => `${line}${delimiter}x`,
  emptyEnd: (line, delimiter) => line + delimiter,
  emptyEnds: (line, delimiter) => line + delimiter + delimiter,
  quotedEnd: (line, delimiter) => `${line}${delimiter}""`,
  blankEnd: (line, delimiter) => `${line}${delimiter} `,
  tooFew: (line, delimiter) => line.slice(0, Math.max(0, line.lastIndexOf(delimiter))),
  onlyFirst: (line, delimiter) => line.slice(0, Math.max(0, line.indexOf(delimiter))),
  delimiters: (line, delimiter) => delimiter.repeat(line.split(delimiter).length - 1),
  blanks: (line, delimiter) => Array(line.split(delimiter).length).fill(" ").join(delimiter),
  quotes: (line, delimiter) => Array(line.split(delimiter).length).fill('""').join(delimiter),
  blankLine: () => "",
  spaces: () => "  ",
  comment: (line) => `#${line}`,
  strayQuote: (line) => `${line}"`,
  quoteInside: (line) => `x"${line}`,
  quoteOpens: (line) => `"${line}`,
  mark: (line) => `\ufeff${line}`,
  nul: (line) => `${line}\0`,
  carriage: (line) => `${line}\r`,
  crlf: (line) => `${line}\r\nx`,
  feed: (line) => `${line}\nx`,
  spaceBefore: (line) => ` "${line.replaceAll('"', "")}"`,
  repeated: (line) => `${line}\n${line}`,
};
const fault = fc.record({ at: fc.nat(60), kind: fc.constantFrom(...Object.keys(FAULTS)) });

/** A change of the bytes, after which they are text no more. */
const RAW = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0]].map((raw) =>
  Buffer.from(raw),
);

const sometimes = <T>(percent: number, arbitrary: fc.Arbitrary<T>, otherwise: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 100 - percent, arbitrary: fc.constant(otherwise) }, { weight: percent, arbitrary });

interface Column {
  name: string;
  kind: Kind;
  declared: ColumnType | undefined;
  known: ColumnType | undefined;
  required: boolean;
  key: boolean;
  ruled: boolean;
}

/** A rule that some of the generated values break. */
function ruleOf(type: ColumnType): object {
  if (type === "VARCHAR") return { rule: { length: { max: 12 }, action: "reject" } };
  return /^(INT|BIG|DEC)/.test(type) ? { rule: { min: 0, action: "reject" } } : {};
}

const column = fc.constantFrom(...KINDS).chain((kind) =>
  fc.record<Omit<Column, "name">>({
    kind: fc.constant(kind),
    declared: sometimes<ColumnType | undefined>(30, fc.constantFrom(...kind.types), undefined),
    known: sometimes<ColumnType | undefined>(20, fc.constantFrom(...kind.types), undefined),
    required: sometimes(10, fc.constant(true), false),
    key: sometimes(10, fc.constant(true), false),
    ruled: sometimes(10, fc.constant(true), false),
  }),
);

const shape = fc.record({
  columns: fc.oneof(
    { weight: 9, arbitrary: fc.array(column, { minLength: 2, maxLength: 6 }) },
    { weight: 1, arbitrary: fc.array(column, { minLength: 1, maxLength: 1 }) },
  ),
  /** Written and declared so that rows may be taken at once. */
  usual: fc.boolean(),
  /** How often all rows come; Infinity: until the file is larger than DuckDB's buffers. */
  times: fc.oneof(
    { weight: 99, arbitrary: fc.constantFrom(1, 1, 1, 3) },
    { weight: 1, arbitrary: fc.constant(Infinity) },
  ),
  /** Columns of small numbers after these. */
  more: sometimes(2, fc.constant(300), 0),
  share: fc.constantFrom(
    { lax: 0, odd: 0, sure: 0 },
    { lax: 0, odd: 0, sure: 2_000 },
    { lax: 0, odd: 0, sure: 2_000 },
    { lax: 4, odd: 0, sure: 0 },
    { lax: 4, odd: 1, sure: 2_000 },
    { lax: 0, odd: 1, sure: 0 },
    { lax: 3, odd: 2, sure: 0 },
  ),
});

const written = fc.record({
  delimiter: fc.constantFrom(",", ",", ",", ",", ";", ";", "\t", "\t", "|", "|", ":", " "),
  quoting: fc.constantFrom("needed", "needed", "always", "none"),
  lineEnd: fc.constantFrom("\n", "\n", "\n", "\r\n", "\r\n", "\r"),
  lastLineEnd: fc.boolean(),
  header: sometimes(20, fc.constant(false), true),
  mark: sometimes(10, fc.constant(true), false),
  declared: fc.boolean(),
  compression: sometimes(20, fc.constantFrom("gzip", "members", "zstd", "frames"), "none"),
});
type Written = typeof written extends fc.Arbitrary<infer T> ? T : never;

const policy = fc.record(
  {
    nullMarkers: fc.constantFrom<string[][]>(["NULL"], ["NA", "-", ""], ["0"], [" "]),
    onMismatch: fc.constantFrom("reject", "reject", "reject", "reject", "reject", "reject", "fail", "rescue"),
    raggedRows: fc.constantFrom("reject", "reject", "pad"),
    rejects: fc.constantFrom({ countMax: 1 }, { shareMax: 0.2 }, {}, {}, {}, {}),
    unexpectedColumns: fc.constantFrom("add", "ignore"),
    inferenceSampleRows: fc.constantFrom(3, 8),
  },
  { requiredKeys: [] },
);

const usually = written.map((how): Written => ({
  ...how,
  delimiter: how.delimiter === ":" || how.delimiter === " " ? "," : how.delimiter,
  lineEnd: how.lineEnd === "\r" ? "\n" : how.lineEnd,
  compression: "none",
}));
const lenient = policy.map(({ inferenceSampleRows, onMismatch, ...rest }) => ({
  ...rest,
  ...(onMismatch === "rescue" || onMismatch === undefined ? {} : { onMismatch }),
  ...(onMismatch === "fail" && inferenceSampleRows ? { inferenceSampleRows } : {}),
}));

const hostility = fc.record({
  faults: sometimes(40, fc.array(fault, { maxLength: 3 }), []),
  raw: sometimes(5, fc.array(fc.tuple(fc.nat(5_000), fc.constantFrom(...RAW)), { maxLength: 2 }), []),
  damages: sometimes(7, fc.array(damage, { maxLength: 2 }), []),
  later: sometimes(3, fc.array(damage, { maxLength: 1 }), []),
});
type Hostility = typeof hostility extends fc.Arbitrary<infer T> ? T : never;

const limits = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  { weight: 2, arbitrary: fc.record({ pieceBytes: fc.integer({ min: 1, max: 900 }) }) },
  { weight: 1, arbitrary: fc.constant({ pieceBytes: 20_000 }) },
  { weight: 2, arbitrary: fc.record({ inferenceBytes: fc.integer({ min: 40, max: 900 }) }) },
  { weight: 1, arbitrary: fc.constant({ messageBytesMax: 9_000 }) },
);

function lineOf(cells: readonly string[], { delimiter, quoting, header }: Written, isHeader: boolean): string {
  const texts = cells.map((value) => {
    if (quoting === "none") return value.replace(/[\n\r]/g, "_").replaceAll(delimiter, "_");
    const isNeeded = value.includes(delimiter) || /["\n\r]|^\ufeff/.test(value);
    const isQuoted = isNeeded || (quoting === "always" && (header || !isHeader));
    return isQuoted ? `"${value.replaceAll('"', '""')}"` : value;
  });
  return texts.join(delimiter);
}

function bytesOf(rows: readonly string[][], names: readonly string[], how: Written, hostile: Hostility): Buffer {
  const lines = rows.map((cells) => lineOf(cells, how, false));
  for (const { at, kind } of lines.length > 0 ? hostile.faults : []) {
    const place = at % lines.length;
    lines[place] = FAULTS[kind]!(lines[place]!, how.delimiter);
  }
  const all = how.header ? [lineOf(names, how, true), ...lines] : lines;
  const text = (how.mark ? "\ufeff" : "") + all.join(how.lineEnd) + (how.lastLineEnd ? how.lineEnd : "");
  const damages = [...hostile.raw.map(([at, bytes]) => ({ kind: "insert" as const, at, bytes })), ...hostile.damages];
  return damaged(packed(damaged(Buffer.from(text), damages), how.compression), hostile.later);
}

function packed(bytes: Buffer, how: string): Buffer {
  const half = bytes.length >> 1;
  const parts = how === "members" || how === "frames" ? [bytes.subarray(0, half), bytes.subarray(half)] : [bytes];
  if (how === "none") return bytes;
  return Buffer.concat(parts.map((part) => (how === "gzip" || how === "members" ? gzipSync(part) : zstdFrame(part))));
}

/** Zeros without a sign. Where values repeat, DuckDB writes a dictionary into Parquet, in which -0.0 is 0.0. */
const unsigned = (value: string): string => value.replace(/^( *)-(0?\.?0*(e0)?)( *)$/, "$1$2$4");

/** More than two buffers of DuckDB's reader. */
const LARGE_BYTES = 2_500_000;

/** A file with its contract and its table. */
export const givenFile: fc.Arbitrary<Given> = shape.chain(({ columns: own, more, share, times, usual }) => {
  const columns = own.map((one, at): Column => ({ ...one, name: `c${at}` }));
  const names = [...columns.map(({ name }) => name), ...Array.from({ length: more }, (_, at) => `m${at}`)];
  const row = fc.tuple(...columns.map(({ kind }) => cellOf(kind, share)));
  return fc
    .record({
      rows: fc.array(row, { minLength: 5, maxLength: 40 }),
      how: usual ? usually : written,
      policy: usual ? lenient : policy,
      hostility,
      limits,
    })
    .map(({ rows, how, policy: rules, hostility: hostile, limits: bounds }): Given => {
      const rowsBytes = rows.join("\n").length + 6 * more * rows.length;
      const count = times === Infinity ? Math.ceil(LARGE_BYTES / rowsBytes) : times;
      const given =
        times === 1
          ? rows
          : Array<string[][]>(count)
              .fill(rows.map((cells) => cells.map(unsigned)))
              .flat();
      const all = given.map((cells, at) => [...cells, ...Array.from({ length: more }, (_, n) => String(at + n))]);
      const key = columns.filter((one) => one.key && one.declared).map(({ name }) => name);
      const declared = columns.filter((one) => one.declared !== undefined);
      const { delimiter, header, quoting } = how;
      return {
        bytes: bytesOf(all, names, how, hostile),
        contract: {
          ...rules,
          columns: declared.map(({ name, declared: type, required, ruled }) => ({
            ...{ name, type },
            ...(required ? { required } : {}),
            ...(ruled ? ruleOf(type!) : {}),
          })),
          ...(key.length > 0 ? { key, writeMode: "upsert" } : {}),
        },
        known: columns.flatMap(({ name, known: type, declared: other }): ColumnDefinition[] =>
          type === undefined ? [] : [{ name, type: other ?? type, header: name }],
        ),
        requested: how.declared ? { delimiter, header, quote: quoting === "none" ? null : '"' } : {},
        // A large file in very small pieces takes minutes.
        limits: times === Infinity ? {} : bounds,
      };
    });
});
