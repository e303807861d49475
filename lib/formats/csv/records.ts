import { isUtf8 } from "node:buffer";
import { Parser } from "csv-parse";
import { TributaryError } from "../../errors.ts";
import type { Dialect } from "./dialect.ts";
import type { CsvLimits } from "../../parsing/limits.ts";

/** Why a row's text cannot be used at all. */
export type RowFault = "encoding" | "nul_byte" | "quote_not_closed";

/** One row, read but not yet typed. Reused: valid during the call it is handed to. */
export interface Row {
  /** UTF-8 (unless `fault` says otherwise) in which the bounds lie. */
  bytes: Uint8Array;
  /** Start and end of each field in `bytes`; at most the capacity's number of them. */
  bounds: Int32Array;
  /** Fields, those beyond the capacity included. */
  count: number;
  /** Line on which the row begins, from 1. */
  line: number;
  fault: RowFault | undefined;
  /** The row as it stands in the file, without its line end. */
  raw(): Uint8Array;
}

export interface RecordReaderOptions {
  dialect: Pick<Dialect, "delimiter" | "quote" | "escape">;
  limits: Pick<CsvLimits, "headerBytesMax" | "recordBytesMax">;
  /** Bounds are kept for so many fields of a row. */
  fieldsMax: number;
  /** The first row is the header and has its limit. */
  header: boolean;
  /** Line on which the text begins. Default 1. */
  firstLine?: number;
  onRow: (row: Row) => void;
}

const LF = 10;
const CR = 13;
/** Stands for the end of the text. */
const END = -2;
/** Text handed to csv-parse at first; more while rows keep needing it. */
const BLOCK_BYTES_MIN = 4 * 1024;
const BLOCK_BYTES_MAX = 256 * 1024;

/**
 * Splits UTF-8 text into rows. Line ends are CRLF, LF and CR, also mixed; blank lines are no rows. Fields that stand in the text
 * just as they are, in quotes or not, are only located, byte by byte (three to ten times faster than making strings of them); where
 * a row has escaped or misplaced quotes, csv-parse takes over for a block. A quote inside an unquoted field stands for itself.
 * A test holds both ways together.
 */
export class RecordReader {
  readonly #options: RecordReaderOptions;
  readonly #delimiter: number;
  /** -1 if quotes have no meaning. */
  readonly #quoteByte: number;
  readonly #escapeByte: number;
  readonly #row: Row;
  /** Text since the end of the last complete row. */
  #rest: Buffer = Buffer.alloc(0);
  /** A row that is still open is looked at again only when so much of it is there (so that long rows cost no square). */
  #retryAt = 0;
  #line: number;
  #rows = 0;
  #scratch: Buffer = Buffer.alloc(0);
  /** Where the row being handed over stands. */
  #text: Buffer = Buffer.alloc(0);
  #start = 0;
  #stop = 0;

  constructor(options: RecordReaderOptions) {
    this.#options = options;
    this.#line = options.firstLine ?? 1;
    this.#delimiter = options.dialect.delimiter.charCodeAt(0);
    this.#quoteByte = options.dialect.quote === null ? -1 : Buffer.from(options.dialect.quote)[0]!;
    this.#escapeByte = Buffer.from(options.dialect.escape)[0]!;
    this.#row = {
      bytes: this.#text,
      bounds: new Int32Array(2 * options.fieldsMax),
      count: 0,
      line: 1,
      fault: undefined,
      raw: () => this.#text.subarray(this.#start, this.#stop),
    };
  }

  /**
   * Takes the next piece of text and hands over the rows that are complete.
   * @throws FILE_HEADER_TOO_LONG, FILE_QUOTE_NOT_CLOSED, FILE_ROW_TOO_LONG
   */
  push(chunk: Uint8Array): void {
    const text = this.#rest.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#rest, chunk]);
    this.#rest = text;
    if (text.length >= this.#retryAt) this.#readRows(text, false);
    this.#checkRest();
  }

  /** Hands over the last row, if the text did not end with a line end. */
  end(): void {
    this.#readRows(this.#rest, true);
    this.#rest = Buffer.alloc(0);
  }

  #readRows(text: Buffer, end: boolean): void {
    const clean = isClean(end ? text : text.subarray(0, lastLineEnd(text)));
    let at = 0;
    let block = BLOCK_BYTES_MIN;
    for (;;) {
      const plain = this.#readPlain(text, at, end, clean);
      // Many plain rows since csv-parse was needed last: it is not needed much.
      if (plain.next - at > block) block = BLOCK_BYTES_MIN;
      at = plain.next;
      if (!plain.stuck) break;
      const to = Math.min(text.length, at + block);
      const next = this.#readQuoted(text, at, to, end && to === text.length, clean);
      if (next === at && to === text.length) break;
      block = next === at ? block * 2 : Math.min(block * 2, BLOCK_BYTES_MAX);
      at = next;
    }
    this.#rest = text.subarray(at);
    this.#retryAt = this.#rest.length > BLOCK_BYTES_MAX ? this.#rest.length * 2 : 0;
  }

  #checkRest(): void {
    const { limits } = this.#options;
    const max = this.#rows === 0 && this.#options.header ? limits.headerBytesMax : limits.recordBytesMax;
    if (this.#rest.length > max) this.#refuse(this.#rest);
  }

  /** A row (or what there is of it) is longer than allowed. */
  #refuse(raw: Uint8Array): never {
    const { limits, header } = this.#options;
    if (this.#rows === 0 && header) {
      throw new TributaryError("FILE_HEADER_TOO_LONG", `the header is longer than ${limits.headerBytesMax} bytes`);
    }
    const open = openQuote(raw, this.#delimiter, this.#options.dialect);
    if (open >= 0) {
      const line = this.#line + countLines(raw, 0, open);
      throw new TributaryError(
        "FILE_QUOTE_NOT_CLOSED",
        `the quote that opens on line ${line} is not closed within ${limits.recordBytesMax} bytes`,
      );
    }
    throw new TributaryError(
      "FILE_ROW_TOO_LONG",
      `the row that begins on line ${this.#line} is longer than ${limits.recordBytesMax} bytes`,
    );
  }

  /**
   * Reads rows whose fields stand in the text as they are. Where the first row begins that is incomplete, or that is `stuck`:
   * it has quotes that take more than locating.
   */
  #readPlain(text: Buffer, from: number, end: boolean, clean: boolean): { next: number; stuck: boolean } {
    const { bounds } = this.#row;
    const { fieldsMax } = this.#options;
    const delimiter = this.#delimiter;
    const quote = this.#quoteByte;
    let rowStart = from;
    let fieldStart = from;
    let fieldEnd = -1;
    let quoted = false;
    let count = 0;
    for (let at = from; at <= text.length; at++) {
      const byte = at < text.length ? text[at]! : END;
      if (byte === quote && at === fieldStart) {
        at = nextQuote(text, at + 1, quote, this.#escapeByte);
        if (at === text.length) return { next: rowStart, stuck: end };
        const after = text[at + 1];
        if (after === undefined && !end) return { next: rowStart, stuck: false };
        if (text[at] !== quote || !endsField(after, delimiter)) return { next: rowStart, stuck: true };
        fieldStart++;
        fieldEnd = at;
        quoted = true;
      } else if (byte === delimiter || byte === LF || byte === CR || byte === END) {
        if (byte === END && !end) break;
        if (byte === CR && at + 1 === text.length && !end) break;
        if (count < fieldsMax) {
          bounds[2 * count] = fieldStart;
          bounds[2 * count + 1] = fieldEnd < 0 ? at : fieldEnd;
        }
        count++;
        fieldEnd = -1;
        fieldStart = at + 1;
        if (byte === delimiter) continue;
        if (at > rowStart) this.#emitPlain(text, rowStart, at, count, clean);
        if (quoted) this.#line += countLines(text, rowStart, at);
        quoted = false;
        if (byte === END) return { next: text.length, stuck: false };
        if (byte === CR && text[at + 1] === LF) at++;
        this.#line++;
        rowStart = fieldStart = at + 1;
        count = 0;
      }
    }
    return { next: rowStart, stuck: false };
  }

  #emitPlain(text: Buffer, start: number, stop: number, count: number, clean: boolean): void {
    const row = this.#row;
    row.bytes = text;
    row.count = count;
    row.fault = clean ? undefined : faultOf(text.subarray(start, stop));
    this.#emit(text, start, stop);
  }

  /** Reads the complete rows of text[from, to) by csv-parse; where the first incomplete one begins. */
  #readQuoted(text: Buffer, from: number, to: number, end: boolean, clean: boolean): number {
    const block = text.subarray(from, to);
    let start = from;
    const parser = new BlockParser(this.#options.dialect, (fields, bytesRead) => {
      const next = from + bytesRead;
      this.#emitQuoted(text, start, next, fields, clean);
      start = next;
    });
    const failure = parser.parse(block, end);
    if (failure === "CSV_QUOTE_NOT_CLOSED") {
      start += this.#skipBlankLines(text, start, to);
      this.#row.fault = "quote_not_closed";
      this.#row.count = 0;
      this.#emit(text, start, to);
      this.#line += countLines(text, start, to);
      return to;
    }
    return end ? to : start;
  }

  /** One row that csv-parse read from text[from, to), line end included. */
  #emitQuoted(text: Buffer, from: number, to: number, fields: readonly string[], clean: boolean): void {
    const start = from + this.#skipBlankLines(text, from, to);
    let stop = to;
    if (stop > start && text[stop - 1] === LF) stop--;
    if (stop > start && text[stop - 1] === CR) stop--;
    const row = this.#row;
    const lines = countLines(text, start, to);
    const raw = text.subarray(start, stop);
    this.#layOut(fields, raw.length);
    row.fault = clean ? undefined : faultOf(raw);
    // A quote that closes in the middle of a field may have swallowed line ends that it should not have.
    const severalLines = lines > (stop < to ? 1 : 0);
    if (severalLines && openQuote(raw, this.#delimiter, this.#options.dialect) !== -1) row.fault ??= "quote_not_closed";
    this.#emit(text, start, stop);
    this.#line += lines;
  }

  /** Puts fields that came as strings of bytes into the row. */
  #layOut(fields: readonly string[], rawLength: number): void {
    // Room also for the quotes that csv-parse gives back to a field which it first took for quoted.
    const room = rawLength + fields.length + 16;
    if (this.#scratch.length < room) this.#scratch = Buffer.allocUnsafeSlow(Math.max(2 * room, 64 * 1024));
    const [row, scratch, { fieldsMax }] = [this.#row, this.#scratch, this.#options];
    let at = 0;
    for (let i = 0; i < fields.length && i < fieldsMax; i++) {
      const field = fields[i]!;
      row.bounds[2 * i] = at;
      at += scratch.write(field, at, "latin1");
      row.bounds[2 * i + 1] = at;
    }
    row.bytes = scratch;
    row.count = fields.length;
  }

  #emit(text: Buffer, start: number, stop: number): void {
    const { limits, header, onRow } = this.#options;
    if (stop - start > (this.#rows === 0 && header ? limits.headerBytesMax : limits.recordBytesMax)) {
      this.#refuse(text.subarray(start, stop));
    }
    this.#text = text;
    this.#start = start;
    this.#stop = stop;
    this.#rows++;
    this.#row.line = this.#line;
    onRow(this.#row);
  }

  #skipBlankLines(text: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to && (text[at] === LF || text[at] === CR)) at++;
    this.#line += countLines(text, from, at);
    return at - from;
  }
}

/** csv-parse over one block of text, synchronously. Fields come as strings of bytes (latin1), to be taken over as they are. */
class BlockParser extends Parser {
  readonly #onRecord: (fields: readonly string[], bytesRead: number) => void;

  constructor(
    dialect: RecordReaderOptions["dialect"],
    onRecord: (fields: readonly string[], bytesRead: number) => void,
  ) {
    super({
      encoding: "latin1",
      delimiter: dialect.delimiter,
      quote: dialect.quote === null ? null : Buffer.from(dialect.quote),
      escape: Buffer.from(dialect.escape),
      record_delimiter: ["\r\n", "\n", "\r"],
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
    });
    this.#onRecord = onRecord;
  }

  override push(record: readonly string[] | null): boolean {
    if (record !== null) this.#onRecord(record, this.info.bytes);
    return true;
  }

  /** Hands over the block's complete records (with `end` the last one too); csv-parse's error code if the block ends in a quote. */
  parse(block: Buffer, end: boolean): string | undefined {
    let failure: (Error & { code?: string }) | null | undefined;
    const note = (error?: Error | null): void => void (failure ??= error);
    this._transform(block, "latin1", note);
    if (end && !failure) this._flush(note);
    if (failure && failure.code !== "CSV_QUOTE_NOT_CLOSED") throw failure;
    return failure?.code;
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

const isClean = (text: Buffer): boolean => isUtf8(text) && !text.includes(0);

function faultOf(raw: Buffer): RowFault | undefined {
  if (raw.includes(0)) return "nul_byte";
  return isUtf8(raw) ? undefined : "encoding";
}

/** Behind the text's last line end; 0 if it has none. */
function lastLineEnd(text: Buffer): number {
  let at = text.length;
  while (at > 0 && text[at - 1] !== LF && text[at - 1] !== CR) at--;
  return at;
}

const endsField = (byte: number | undefined, delimiter: number): boolean =>
  byte === undefined || byte === delimiter || byte === LF || byte === CR;

/** The first quote or escape character from `at` on; the text's length if there is none. */
function nextQuote(text: Uint8Array, at: number, quoteByte: number, escapeByte: number): number {
  while (at < text.length && text[at] !== quoteByte && text[at] !== escapeByte) at++;
  return at;
}

/** Line ends in bytes[from, to), CRLF counting once. */
function countLines(bytes: Uint8Array, from: number, to: number): number {
  let lines = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte === LF || (byte === CR && bytes[at + 1] !== LF)) lines++;
  }
  return lines;
}

/** Where the first quoted field of the row opens that is not closed just before a delimiter or the row's end; -1 if there is none. */
function openQuote(raw: Uint8Array, delimiter: number, { quote, escape }: RecordReaderOptions["dialect"]): number {
  const quoteByte = quote?.length === 1 ? quote.charCodeAt(0) : 256;
  if (quoteByte > 127) return -1;
  for (let at = 0; at < raw.length; at++) {
    const start = at;
    if (raw[at] === quoteByte) {
      at = closingQuote(raw, at + 1, quoteByte, escape.charCodeAt(0)) + 1;
      if (at > raw.length || !endsField(raw[at], delimiter)) return start;
    }
    while (!endsField(raw[at], delimiter)) at++;
  }
  return -1;
}

/** Where the quoted text that begins at `at` ends; the row's length if it does not. */
function closingQuote(raw: Uint8Array, at: number, quoteByte: number, escapeByte: number): number {
  while (at < raw.length) {
    if (escapeByte !== quoteByte && raw[at] === escapeByte) at += 2;
    else if (raw[at] !== quoteByte) at++;
    else if (escapeByte === quoteByte && raw[at + 1] === quoteByte) at += 2;
    else return at;
  }
  return raw.length;
}
