import type { RecordReader, RowsTaken } from "../format.ts";
import type { CsvReaderOptions, CsvText } from "./reader-options.ts";
import {
  BOM,
  CR,
  endsField,
  faultOf,
  hasLineEnd,
  isClean,
  joined,
  lastLineEnd,
  LF,
  MATCH,
  matchAt,
  nextQuote,
} from "./reading/bytes.ts";
import { FOUND, RowScanner } from "./reading/row-scanner.ts";
import { RowRun, type MutableRow } from "./reading/row-run.ts";
import { tooLong } from "./row-limits.ts";
import { isStandardRow } from "./reading/standard-row.ts";

const BOM_BYTE = 0xef;
/** Kinds of line ends. Bits, so that a text collects those that it has. */
const ENDS = { LF: 1, CRLF: 2, CR: 4 } as const;
/** Comments whose text is kept; a control total is in the first or the last lines. */
const COMMENTS_KEPT = 1_000;
/** Marks the end of the text. */
const END = -2;
/** Bytes given to csv-parse at first; the size grows while rows keep needing it. */
const BLOCK_BYTES_MIN = 4 * 1024;
const BLOCK_BYTES_MAX = 256 * 1024;

/**
 * Splits UTF-8 CSV text into rows. Line ends are CRLF, LF and CR, also mixed. Fields without escapes,
 * quoted or not, are only located by their bytes, which is three to ten times faster than building
 * strings. Three ways lead to the same rows: `#readPlain` for the usual dialects, `RowScanner` for all
 * others and for rows whose quotes need care, csv-parse for fields with escapes. Property tests compare
 * them. See decision 10.
 */
export class CsvRecordReader implements RecordReader {
  /**
   * True once blank lines are rows with one empty field, as in a file of one column; else they are no rows.
   */
  blankLinesAreRows = false;
  /** Comment lines so far. */
  commentLines = 0;
  /** The first of them. */
  readonly comments: string[] = [];
  /** Takes rows at the beginning of a text at once; see RecordHandlers. Undefined: none are taken. */
  onText: ((text: CsvText) => RowsTaken | undefined) | undefined;
  readonly #options: CsvReaderOptions;
  /** Byte of the delimiter; undefined if only the scanner reads this dialect. */
  readonly #delimiter: number | undefined;
  /** -1 if quotes have no meaning. */
  readonly #quoteByte: number;
  /** True if a row with quotes within fields without quotes around them needs care, too. */
  readonly #checksInner: boolean;
  readonly #escapeByte: number;
  readonly #row: MutableRow;
  readonly #onRow: (row: MutableRow) => void;
  readonly #scanner: RowScanner;
  readonly #run: RowRun;
  /** Text since the end of the last complete row, and what came after it. */
  #rest: Buffer = Buffer.alloc(0);
  /** Position of `#rest` in the text. */
  #offset = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /**
   * An incomplete row is read again only from this many bytes on, so that long rows take no quadratic time.
   */
  #retryAt = 0;
  #line: number;
  /** Rows that were passed on one by one. */
  #rows = 0;
  #lineEnds = 0;
  #irregularity: string | undefined;
  /** Limit of the next row. */
  #bytesMax: number;
  /** Position of the current row: `#text` from `#start` to `#stop`. */
  #text: Buffer = Buffer.alloc(0);
  #start = 0;
  #stop = 0;

  constructor(options: CsvReaderOptions) {
    const { dialect, fieldsMax, limits, headerRows } = options;
    this.#bytesMax = headerRows > 0 ? limits.headerBytesMax : limits.recordBytesMax;
    this.#options = options;
    this.#onRow = options.onRow;
    this.#line = options.firstLine ?? 1;
    const delimiter = Buffer.from(dialect.delimiter);
    const isPlain = delimiter.length === 1 && !dialect.trimBlanks && !dialect.comment;
    this.#delimiter = isPlain ? delimiter[0]! : undefined;
    this.#quoteByte = dialect.quote === null ? -1 : Buffer.from(dialect.quote)[0]!;
    this.#checksInner = dialect.quote === '"';
    this.#escapeByte = Buffer.from(dialect.escape)[0]!;
    const bounds = new Int32Array(2 * fieldsMax);
    this.#scanner = new RowScanner(dialect, fieldsMax, bounds);
    this.#scanner.isHeader = headerRows > 0;
    this.#run = new RowRun(dialect, fieldsMax);
    this.#row = {
      bytes: this.#text,
      bounds,
      count: 0,
      fieldBytes: 0,
      line: 1,
      fault: undefined,
      stray: undefined,
      raw: () => this.#text.subarray(this.#start, this.#stop),
    };
  }

  /** Position in the text of the row that was passed on last. */
  get rowStart(): number {
    return this.#offset + this.#start;
  }

  /**
   * Why other readers of CSV may split the text so far in another way; undefined: they have no choice. Only
   * for dialects without comments and trimmed blanks, with a delimiter of one byte.
   */
  get irregularity(): string | undefined {
    const isMixed = (this.#lineEnds & (this.#lineEnds - 1)) !== 0;
    return this.#irregularity ?? (isMixed ? `line ${this.#line}: line ends of several kinds` : undefined);
  }

  /** Fields that rows have. Until it is known, stray quotes are found only by what they do. */
  set width(fields: number) {
    this.#scanner.width = fields;
  }

  /**
   * Reads the next block of text and passes on the complete rows.
   * @throws FILE_HEADER_TOO_LONG, FILE_QUOTE_NOT_CLOSED, FILE_ROW_TOO_LONG
   */
  push(chunk: Uint8Array): void {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    const length = this.#rest.length + this.#waitingBytes;
    if (length < this.#retryAt && length <= this.#bytesMax) return;
    this.#join();
    this.#readAtOnce();
    this.#readRows(this.#rest, false);
    if (this.#rest.length > this.#bytesMax) this.#refuse(this.#rest);
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
    while (at < text.length) {
      if (this.#delimiter !== undefined) {
        const plain = this.#readPlain(text, at, end, clean);
        // Many plain rows since the last use of csv-parse: start again with a small block.
        if (plain.next - at > block) block = BLOCK_BYTES_MIN;
        at = plain.next;
        if (!plain.stuck && text.length - at <= this.#bytesMax) break;
      }
      const next = this.#readWithCare(text, at, { end, clean, block });
      if (next === at) break;
      block = Math.min(block * 2, BLOCK_BYTES_MAX);
      at = next;
    }
    this.#rest = text.subarray(at);
    this.#offset += at;
    this.#retryAt = this.#rest.length > BLOCK_BYTES_MAX ? this.#rest.length * 2 : 0;
  }

  /**
   * Lets rows be taken at once. Where this stops, reads the next ones one by one: often only few need it.
   * What is left is `#rest`.
   */
  #readAtOnce(): void {
    if (!this.onText || !isClean(this.#rest.subarray(0, lastLineEnd(this.#rest)))) return;
    for (let bytes = BLOCK_BYTES_MIN; ;) {
      const text = this.#rest;
      const taken = this.#passOnText(text);
      if (taken === undefined) return;
      bytes = taken > 0 ? BLOCK_BYTES_MIN : 2 * bytes;
      const stop = text.indexOf(LF, taken + bytes) + 1;
      this.#offset += taken;
      this.#rest = text.subarray(taken);
      if (stop === 0) return;
      this.#readRows(text.subarray(taken, stop), false);
      const left = this.#rest.length;
      this.#rest = text.subarray(stop - left);
      if (left === stop - taken) return;
    }
  }

  /** Lets rows at the beginning of the text be taken at once. Returns where the next one begins. */
  #passOnText(bytes: Buffer): number | undefined {
    const lineEnds = this.#lineEnds;
    const [delimiter, quote] = [this.#delimiter, this.#quoteByte];
    if (delimiter === undefined || (lineEnds !== ENDS.LF && lineEnds !== ENDS.CRLF)) return undefined;
    const lineEndBytes = lineEnds === ENDS.LF ? 1 : 2;
    const [to, rowBytesMax] = [lastLineEnd(bytes), this.#bytesMax];
    const taken = this.onText?.({ bytes, to, delimiter, quote, lineEndBytes, rowBytesMax });
    this.#line += taken?.rows ?? 0;
    return taken?.next;
  }

  #join(): void {
    this.#rest = joined(this.#rest, this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** Throws the error for a row, or the part of it read so far, that exceeds its limit. */
  #refuse(raw: Uint8Array): never {
    const { limits, headerRows } = this.#options;
    throw tooLong(raw, { line: this.#line, isHeader: this.#rows < headerRows, quoteByte: this.#quoteByte, ...limits });
  }

  /**
   * Reads rows whose fields need no unescaping. Returns where the first other row starts: an incomplete one,
   * or (`stuck`) one that needs care.
   */
  #readPlain(text: Buffer, from: number, end: boolean, clean: boolean): { next: number; stuck: boolean } {
    const { bounds } = this.#row;
    const { fieldsMax } = this.#options;
    const delimiter = this.#delimiter!;
    const quote = this.#quoteByte;
    // Most bytes are letters and digits, above all that have a meaning.
    const highest = Math.max(delimiter, quote, CR);
    let rowStart = from;
    let fieldStart = from;
    let fieldEnd = -1;
    let count = 0;
    let lineEnds = this.#lineEnds;
    for (let at = from; at <= text.length; at++) {
      const byte = at < text.length ? text[at]! : END;
      if (byte > highest) continue;
      if (byte === quote) {
        if (at > fieldStart) {
          if (this.#checksInner) return { next: rowStart, stuck: true };
          continue;
        }
        at = nextQuote(text, at + 1, quote, this.#escapeByte);
        if (at === text.length) return { next: rowStart, stuck: true };
        const after = text[at + 1];
        if (after === undefined && !end) return { next: rowStart, stuck: true };
        if (text[at] !== quote || !endsField(after, delimiter)) return { next: rowStart, stuck: true };
        if (hasLineEnd(text, fieldStart, at)) return { next: rowStart, stuck: true };
        fieldStart++;
        fieldEnd = at;
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
        if (text[rowStart] === BOM_BYTE && matchAt(text, rowStart, BOM) === MATCH.YES) {
          return { next: rowStart, stuck: true };
        }
        if (at > rowStart || (this.blankLinesAreRows && byte !== END)) {
          this.#emitPlain(text, rowStart, at, count, clean);
        }
        if (byte === END) return { next: text.length, stuck: false };
        if (byte === LF) lineEnds |= ENDS.LF;
        else if (text[at + 1] !== LF) lineEnds |= ENDS.CR;
        else {
          lineEnds |= ENDS.CRLF;
          at++;
        }
        this.#lineEnds = lineEnds;
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
    this.#emit(text, start, stop, this.#line);
  }

  /**
   * Reads rows of text[from] up to about `block` bytes, or up to the first incomplete one, whose start it
   * returns. Rows from one with escapes on are read by csv-parse, many at a time.
   */
  #readWithCare(
    text: Buffer,
    from: number,
    { end, clean, block }: { end: boolean; clean: boolean; block: number },
  ): number {
    const [scanner, run] = [this.#scanner, this.#run];
    let at = from;
    scanner.offset = this.#offset;
    while (at < text.length && at - from < block) {
      scanner.bytesMax = this.#bytesMax;
      const found = scanner.scan(text, at, end);
      if (found === FOUND.INCOMPLETE) break;
      this.#noteRegularity(text, at, found);
      // What csv-parse reads is one piece of text, without a byte order mark or a comment in it.
      if (scanner.start > at || found === FOUND.COMMENT) this.#emitRun(text, clean);
      if (found === FOUND.ROW && (scanner.complex || run.length > 0)) run.add(text, scanner, this.#line);
      else if (found !== FOUND.COMMENT && (found !== FOUND.BLANK || this.blankLinesAreRows)) {
        this.#emitRun(text, clean);
        this.#emitScanned(text, found, clean);
      }
      if (found === FOUND.COMMENT && ++this.commentLines <= COMMENTS_KEPT) {
        this.comments.push(text.toString("utf8", scanner.start, scanner.stop));
      }
      this.#line += scanner.lines;
      at = scanner.next;
    }
    this.#emitRun(text, clean);
    return at;
  }

  #noteRegularity(text: Buffer, from: number, found: number): void {
    const { start, stop, next } = this.#scanner;
    if (next - stop === 2) this.#lineEnds |= ENDS.CRLF;
    else if (next > stop) this.#lineEnds |= text[stop] === LF ? ENDS.LF : ENDS.CR;
    if (this.#irregularity !== undefined) return;
    const hasMark = start > from && this.#offset + from > 0;
    if (found === FOUND.BLANK && !hasMark) return;
    const row = { start, stop };
    const isStandard =
      found === FOUND.ROW && !hasMark && isStandardRow(text, row, this.#delimiter ?? -1, this.#quoteByte);
    if (!isStandard) this.#irregularity = `line ${this.#line}: a row that is not standard CSV`;
  }

  #emitScanned(text: Buffer, found: number, clean: boolean): void {
    const { start, stop, count } = this.#scanner;
    const line = this.#line;
    if (found === FOUND.REPAIRED) return this.#emitRepaired(text, clean);
    if (found !== FOUND.STRAY) return this.#emitPlain(text, start, stop, count, clean);
    this.#row.bytes = text;
    this.#row.count = 0;
    this.#row.fieldBytes = 0;
    this.#row.fault = "quote_not_closed";
    this.#emit(text, start, stop, line);
  }

  #emitRepaired(text: Buffer, clean: boolean): void {
    const [row, { start, stop, repaired }] = [this.#row, this.#scanner];
    const { bounds } = row;
    const { bytes, bounds: own, count, stray } = repaired!;
    Object.assign(row, { bytes, bounds: own, count, fieldBytes: stop - start, stray });
    row.fault = clean ? undefined : faultOf(text.subarray(start, stop));
    this.#emit(text, start, stop, this.#line);
    Object.assign(row, { bounds, stray: undefined });
  }

  /** Passes on the rows that wait for csv-parse. */
  #emitRun(text: Buffer, clean: boolean): void {
    const row = this.#row;
    this.#run.read(text, row, (start, stop, line) => {
      row.fault ??= clean ? undefined : faultOf(text.subarray(start, stop));
      this.#emit(text, start, stop, line);
    });
  }

  #emit(text: Buffer, start: number, stop: number, line: number): void {
    if (stop - start > this.#bytesMax) this.#refuse(text.subarray(start, stop));
    this.#text = text;
    this.#start = start;
    this.#stop = stop;
    if (this.#rows === 0 && line > 1) this.#irregularity = "its first row is not on the first line";
    if (++this.#rows === this.#options.headerRows) {
      this.#bytesMax = this.#options.limits.recordBytesMax;
      this.#scanner.isHeader = false;
    }
    this.#row.line = line;
    this.#onRow(this.#row);
  }
}
