import type { z } from "zod";
import type { ColumnDefinition } from "../columns.ts";
import type { Encoding } from "../text/encoding.ts";

/** How a file is written: its encoding and its format's own options, complete. Plain JSON. */
export type FormatOptions = Readonly<Record<string, unknown>> & { readonly encoding: Encoding };

/**
 * What a sender or a contract declares about how a file is written: the format's name, the encoding and the
 * format's own options, all optional. What is missing is detected.
 */
export type FormatRequest = Readonly<Record<string, unknown>> & {
  readonly format?: string | undefined;
  readonly encoding?: Encoding | undefined;
};

/** How a table's first file was written; later files of the table are expected to be written alike. */
export interface PinnedFormat {
  format: string;
  options: FormatOptions;
}

/** Limits that readers enforce. */
export interface RecordLimits {
  /** Header in bytes of UTF-8. Beyond: FILE_HEADER_TOO_LONG. */
  headerBytesMax: number;
  /** One record in bytes of UTF-8, as in the file. Beyond: FILE_ROW_TOO_LONG. */
  recordBytesMax: number;
  /** Fields of a record. Beyond: FILE_TOO_MANY_COLUMNS. */
  columnsMax: number;
}

/** Why a record cannot be used at all. */
export type RowFault = "encoding" | "nul_byte" | "quote_not_closed" | "malformed";

/** One record, split into fields but not typed. The reader reuses it: it is valid only during the call. */
export interface Row {
  /**
   * UTF-8 (unless `fault` is set) that contains the fields. Either the file's own text, or a buffer of the
   * reader with decoded fields: a JSON string with escapes is no byte range of its file.
   */
  readonly bytes: Uint8Array;
  /**
   * Start and end of each field in `bytes`, in any order and possibly overlapping. An empty range is a
   * missing value. Holds at most `columnsMax + 1` fields.
   */
  readonly bounds: Int32Array;
  /** Number of fields, including those beyond the capacity of `bounds`. */
  readonly count: number;
  /** Upper bound of the fields' total length in bytes. */
  readonly fieldBytes: number;
  /** Line of the file on which the record starts, from 1. */
  readonly line: number;
  readonly fault: RowFault | undefined;
  /** For each field: whether it has a stray quote as text. Such a value makes no column text. */
  readonly stray?: readonly boolean[] | undefined;
  /** The record as it is in the file, without its line end. */
  raw(): Uint8Array;
}

/** The fields that records have, in the order of their bounds. */
export interface RecordFields {
  /** Header names, trimmed; undefined if fields have only positions. */
  names: readonly string[] | undefined;
  count: number;
  /**
   * True if every record has these fields (a header, or a first record without names). False if records name
   * their own fields, so that more may follow.
   */
  final: boolean;
  /** The header record of the file, if it has one. */
  header?: Row;
}

/** What a reader calls, in file order. */
export interface RecordHandlers {
  /**
   * Called once before the first record, and, if `final` is false, again before each record that adds fields.
   * Names passed before stay first and keep their order.
   */
  onFields(fields: RecordFields): void;
  onRow(row: Row): void;
  /**
   * Takes rows at the beginning of a text at once, as many as it can without being handed them; `onRow`
   * gets all others. Called only where the reader would hand over each row as it is written. Absent, and
   * undefined: takes none.
   */
  onText?(text: PlainText): RowsTaken | undefined;
}

/** Text in which a row is what stands between two line ends, unless it has a quote within a field. */
export interface PlainText {
  /** UTF-8 without NUL, from the beginning of a row. Whole rows, with their line ends, are before `to`. */
  bytes: Buffer;
  to: number;
  /** A byte. */
  delimiter: number;
  /** A byte; -1 if quotes have no meaning. */
  quote: number;
  /** Length of every line end: 1 for LF, 2 for CRLF. */
  lineEndBytes: 1 | 2;
  /** Longer rows end the file. */
  rowBytesMax: number;
  /** Whether a row may repeat the header, by its first field, in bytes[start, end). */
  isLikeHeader(bytes: Uint8Array, start: number, end: number): boolean;
}

/** `next`: where the row begins that was not taken. */
export interface RowsTaken {
  rows: number;
  next: number;
}

/** Splits a file's text into records. */
export interface RecordReader {
  /**
   * Reads the next block of UTF-8 and passes on the complete records. The reader may keep the block until
   * `end`: its bytes must stay as they are.
   * @throws FILE_HEADER_TOO_LONG, FILE_TOO_MANY_COLUMNS, FILE_QUOTE_NOT_CLOSED, FILE_ROW_TOO_LONG,
   * FILE_ENCODING_UNKNOWN for an unreadable header, and what the handlers throw
   */
  push(text: Uint8Array): void;
  /** Passes on the last record, if the text did not end with a record end. */
  end(): void;
  /** Lines so far that are neither header nor records, e.g. comments or a footer. Default: none. */
  readonly skippedRows?: number;
  /**
   * Text of lines so far that are neither header nor records, e.g. above the header, comments or a footer;
   * the first ones, where there are many. Default: none.
   */
  readonly otherLines?: readonly string[];
  /** After `end`: what only the end of the text showed. Default: nothing. */
  readonly ending?: Ending | undefined;
  /**
   * Why a strict reader may split the text so far into other records than this one; undefined: it cannot.
   * Absent: the format has no such reader.
   */
  readonly irregularity?: string | undefined;
}

/** The beginning of a file's text. */
export interface TextSample {
  /** UTF-8. */
  bytes: Buffer;
  encoding: Encoding;
  /** True if `bytes` is the whole file. */
  complete: boolean;
}

/** One decision about how a file is written. Plain JSON. */
export interface Finding {
  /** The option that was decided, e.g. `delimiter`. */
  option: string;
  /** Why, in words, with what the text shows. */
  evidence: string;
  /** 0 to 1; 1 if certain or declared. */
  confidence: number;
}

/** Why what was found may be wrong. A closed list, part of messages. */
export const DOUBT_REASONS = [
  /** Delimiter, quote, header or the table's place in the file are a guess. */
  "structure_unsure",
  /** The file holds more than one table. */
  "several_tables",
  /** The file lacks columns of its table and has new ones that fit their values. */
  "columns_renamed",
  /** Several headers of the file mean one column of its table or contract. */
  "columns_ambiguous",
  /** Points in numbers may separate thousands or decimals. */
  "numbers_unsure",
  /** The text reads in another encoding too, or contradicts the declared one. */
  "encoding_unsure",
] as const;

export interface Doubt {
  reason: (typeof DOUBT_REASONS)[number];
  /** What the text shows, in words, with lines of the file. */
  evidence: string;
}

/** What the end of a file shows. */
export interface Ending {
  /** Options that were found there, as `Detected.options` has them. */
  options: Readonly<Record<string, unknown>>;
  evidence: readonly Finding[];
  doubts: readonly Doubt[];
}

/** What a format finds in a file's beginning. */
export interface Detected<Options extends FormatOptions = FormatOptions> {
  options: Options;
  /** 0 to 1; 1 if certain or declared. */
  confidence: number;
  /** Bytes before the header or first record, e.g. a line `sep=;`. */
  skippedBytes: number;
  /** Line on which the text after `skippedBytes` starts, from 1. */
  firstLine: number;
  /** What was decided and why. Default: none. */
  evidence?: readonly Finding[];
  /** Why the options may be wrong; the file is then worth a look before it is loaded. Default: none. */
  doubts?: readonly Doubt[];
  /** False: what is decided at the end of the file is open, as the sample does not show it. Default true. */
  endSeen?: boolean;
}

export interface OpenOptions<Options extends FormatOptions = FormatOptions> {
  options: Options;
  firstLine: number;
  limits: RecordLimits;
  /** Field names that an earlier reading of the file found, for formats whose records name their fields. */
  fields?: readonly string[] | undefined;
  /**
   * Bytes at the end of the text in which a footer is looked for: the whole text will be read, and detection
   * did not see its end. Default: none.
   */
  endBytes?: number | undefined;
  /** What sender and contract declare: it settles doubts. Default: nothing. */
  declared?: FormatRequest | undefined;
}

/**
 * A format of text files. Decompression and decoding come before (lib/text), types and rejects after
 * (lib/parsing). A format is a folder here and a line in registry.ts.
 */
export interface FileFormat<Options extends FormatOptions = FormatOptions> {
  /** Lower case; part of messages and contracts. */
  readonly name: string;
  /** What senders and contracts may declare: a strict object with `encoding` and the format's own options. */
  readonly optionsSchema: z.ZodType<FormatRequest>;
  /**
   * 0 to 1: how well the text fits. The format with the highest score is chosen unless one is declared or
   * pinned.
   */
  sniff(sample: TextSample): number;
  /**
   * Completes the options. Declared options win over the text, and the text wins over the table's pinned
   * options. `known` are the columns of the table and of its contract: text is read so that it shows them,
   * if it can be.
   * @throws FILE_NOT_CSV if the text is of another format
   */
  detect(
    sample: TextSample,
    requested: FormatRequest,
    pinned?: Options,
    known?: readonly ColumnDefinition[],
  ): Detected<Options>;
  open(open: OpenOptions<Options>, handlers: RecordHandlers): RecordReader;
  /**
   * One record as text that reads back as these fields, without a line end. `names` are the file's field
   * names.
   * @throws a plain Error if the options cannot represent a field
   */
  writeRow(fields: readonly string[], options: Options, names: readonly string[]): string;
  /**
   * What to declare about a text that consists of the header and of records as they are in a file with these
   * options (`Row.raw`), and of nothing else. Default: the options.
   */
  declaredOptions?(options: Options): FormatRequest;
  /** The options with those that are absent because their default holds. Default: the options. */
  wholeOptions?(options: Options): Readonly<Record<string, unknown>>;
}

/** The row's fields as text. */
export function fieldsOf({ bytes, bounds, count }: Row): string[] {
  const shown = Math.min(count, bounds.length / 2);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: shown }, (_, field) => text.toString("utf8", bounds[2 * field], bounds[2 * field + 1]));
}
