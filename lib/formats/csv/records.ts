import { isUtf8 } from "node:buffer";
import { Parser } from "csv-parse";
import { TributaryError } from "../../errors.ts";
import type { RecordLimits, RecordReader, Row, RowFault } from "../format.ts";
import type { Dialect } from "./dialect.ts";

/** The row that is handed over; filled in place. */
type MutableRow = { -readonly [Key in keyof Row]: Row[Key] };

export interface CsvReaderOptions {
  dialect: Pick<Dialect, "delimiter" | "quote" | "escape">;
  limits: Pick<RecordLimits, "headerBytesMax" | "recordBytesMax">;
  /** Number of fields per row whose bounds are kept. */
  fieldsMax: number;
  /** True if the first row is the header, which has a limit of its own. */
  header: boolean;
  /** Line on which the text starts. Default 1. */
  firstLine?: number;
  onRow: (row: Row) => void;
}

const LF = 10;
const CR = 13;
/** Marks the end of the text. */
const END = -2;
/** Bytes given to csv-parse at first; the size grows while rows keep needing it. */
const BLOCK_BYTES_MIN = 4 * 1024;
const BLOCK_BYTES_MAX = 256 * 1024;

/**
 * Splits UTF-8 CSV text into rows. Line ends are CRLF, LF and CR, also mixed; blank lines are skipped. Fields
 * without escapes, quoted or not, are only located by their bytes, which is three to ten times faster than
 * building strings; csv-parse reads blocks with escaped or misplaced quotes. A quote inside an unquoted field
 * is an ordinary character. A property test compares both paths. See decision 10.
 */
export class CsvRecordReader implements RecordReader {
  readonly #options: CsvReaderOptions;
  readonly #delimiter: number;
  /** -1 if quotes have no meaning. */
  readonly #quoteByte: number;
  readonly #escapeByte: number;
  readonly #row: MutableRow;
  /** Text since the end of the last complete row, and what came after it. */
  #rest: Buffer = Buffer.alloc(0);
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /**
   * An incomplete row is read again only from this many bytes on, so that long rows take no quadratic time.
   */
  #retryAt = 0;
  #line: number;
  #rows = 0;
  #scratch: Buffer = Buffer.alloc(0);
  /** Position of the current row: `#text` from `#start` to `#stop`. */
  #text: Buffer = Buffer.alloc(0);
  #start = 0;
  #stop = 0;

  constructor(options: CsvReaderOptions) {
    this.#options = options;
    this.#line = options.firstLine ?? 1;
    this.#delimiter = options.dialect.delimiter.charCodeAt(0);
    this.#quoteByte = options.dialect.quote === null ? -1 : Buffer.from(options.dialect.quote)[0]!;
    this.#escapeByte = Buffer.from(options.dialect.escape)[0]!;
    this.#row = {
      bytes: this.#text,
      bounds: new Int32Array(2 * options.fieldsMax),
      count: 0,
      fieldBytes: 0,
      line: 1,
      fault: undefined,
      raw: () => this.#text.subarray(this.#start, this.#stop),
    };
  }

  /**
   * Reads the next block of text and passes on the complete rows.
   * @throws FILE_HEADER_TOO_LONG, FILE_QUOTE_NOT_CLOSED, FILE_ROW_TOO_LONG
   */
  push(chunk: Uint8Array): void {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    const length = this.#rest.length + this.#waitingBytes;
    if (length < this.#retryAt && length <= this.#bytesMax()) return;
    this.#join();
    if (length >= this.#retryAt) this.#readRows(this.#rest, false);
    if (this.#rest.length > this.#bytesMax()) this.#refuse(this.#rest);
  }

  /** Passes on the last row, if the text did not end with a line end. */
  end(): void {
    this.#join();
    this.#readRows(this.#rest, true);
    this.#rest = Buffer.alloc(0);
  }

  #readRows(text: Buffer, end: boolean): void {
    const clean = isClean(end ? text : text.subarray(0, lastLineEnd(text)));
    let at = 0;
    let block = BLOCK_BYTES_MIN;
    for (;;) {
      const plain = this.#readPlain(text, at, end, clean);
      // Many plain rows since the last use of csv-parse: start again with a small block.
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

  #join(): void {
    const [only] = this.#waiting;
    const whole = this.#rest.length === 0 && this.#waiting.length === 1;
    this.#rest = whole ? asBuffer(only!) : Buffer.concat([this.#rest, ...this.#waiting]);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #bytesMax(): number {
    const { limits, header } = this.#options;
    return this.#rows === 0 && header ? limits.headerBytesMax : limits.recordBytesMax;
  }

  /** Throws the error for a row, or the part of it read so far, that exceeds its limit. */
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
      `the row that starts on line ${this.#line} is longer than ${limits.recordBytesMax} bytes`,
    );
  }

  /**
   * Reads rows whose fields need no unescaping. Returns where the first other row starts: an incomplete one,
   * or (`stuck`) one with quotes that csv-parse has to read.
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
    row.fieldBytes = stop - start;
    row.fault = clean ? undefined : faultOf(text.subarray(start, stop));
    this.#emit(text, start, stop);
  }

  /**
   * Reads the complete rows of text[from, to) with csv-parse. Returns where the first incomplete one starts.
   */
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
      this.#row.fieldBytes = 0;
      this.#emit(text, start, to);
      this.#line += countLines(text, start, to);
      return to;
    }
    return end ? to : start;
  }

  /** Passes on a row that csv-parse read from text[from, to), line end included. */
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
    // A quote that closes in the middle of a field may have included line ends by mistake.
    const severalLines = lines > (stop < to ? 1 : 0);
    if (severalLines && openQuote(raw, this.#delimiter, this.#options.dialect) !== -1) row.fault ??= "quote_not_closed";
    this.#emit(text, start, stop);
    this.#line += lines;
  }

  /** Copies fields given as binary strings into the row. */
  #layOut(fields: readonly string[], rawLength: number): void {
    // Includes room for quotes that csv-parse puts back into a field that it first took for quoted.
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
    row.fieldBytes = at;
  }

  #emit(text: Buffer, start: number, stop: number): void {
    const { onRow } = this.#options;
    if (stop - start > this.#bytesMax()) {
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

/**
 * Runs csv-parse over one block of text, synchronously. Fields are binary strings (latin1), to be copied
 * unchanged.
 */
class BlockParser extends Parser {
  readonly #onRecord: (fields: readonly string[], bytesRead: number) => void;

  constructor(dialect: CsvReaderOptions["dialect"], onRecord: (fields: readonly string[], bytesRead: number) => void) {
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

  /**
   * Passes on the complete records (with `end` also the last). Returns csv-parse's error code if a quote
   * stays open.
   */
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

/** Position after the text's last line end; 0 if it has none. */
function lastLineEnd(text: Buffer): number {
  let at = text.length;
  while (at > 0 && text[at - 1] !== LF && text[at - 1] !== CR) at--;
  return at;
}

const endsField = (byte: number | undefined, delimiter: number): boolean =>
  byte === undefined || byte === delimiter || byte === LF || byte === CR;

/** Position of the first quote or escape character from `at` on; the text's length if there is none. */
function nextQuote(text: Uint8Array, at: number, quoteByte: number, escapeByte: number): number {
  while (at < text.length && text[at] !== quoteByte && text[at] !== escapeByte) at++;
  return at;
}

/** Number of line ends in bytes[from, to); CRLF counts once. */
function countLines(bytes: Uint8Array, from: number, to: number): number {
  let lines = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte === LF || (byte === CR && bytes[at + 1] !== LF)) lines++;
  }
  return lines;
}

/**
 * Start of the first quoted field that is not closed directly before a delimiter or the row's end; -1 if
 * none.
 */
function openQuote(raw: Uint8Array, delimiter: number, { quote, escape }: CsvReaderOptions["dialect"]): number {
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

/** Position of the quote that closes the text from `at` on; the row's length if there is none. */
function closingQuote(raw: Uint8Array, at: number, quoteByte: number, escapeByte: number): number {
  while (at < raw.length) {
    if (escapeByte !== quoteByte && raw[at] === escapeByte) at += 2;
    else if (raw[at] !== quoteByte) at++;
    else if (escapeByte === quoteByte && raw[at + 1] === quoteByte) at += 2;
    else return at;
  }
  return raw.length;
}
