import type { Dialect } from "../options.ts";
import { BOM, CR, isBlank, LF, MATCH, matchAt } from "./bytes.ts";
import { hasCrossingQuotes, repairedRow, type RepairedRow } from "./stray-marks.ts";
import { isStray, LOOK_AHEAD_LINES } from "./stray-quotes.ts";

/** What a scan found. */
export const FOUND = {
  /** A row, whose fields are in `bounds`. */
  ROW: 0,
  /** The text ends before it is clear. */
  INCOMPLETE: 1,
  /** One line of a row with a quote that does not close; the next row starts on the next line. */
  STRAY: 2,
  COMMENT: 3,
  BLANK: 4,
  /** A row of one line with a quote in the wrong place that leaves no doubt about the fields: `repaired`. */
  REPAIRED: 5,
} as const;

export type ScanDialect = Pick<Dialect, "delimiter" | "quote" | "escape" | "comment" | "trimBlanks">;

/**
 * Finds one row at a time, for every dialect, and decides about its quotes as csv-parse does with
 * `relax_quotes`: a quote opens a field only at its start, closes it only before a delimiter or the row's
 * end, and is text elsewhere. Once the number of fields is known, a row with a quote in the wrong place is
 * repaired or is stray. Beyond that, a quote costs no more than its line: if the text ends, the
 * limit of a row is reached or a quote stands in the wrong place lines later, or the lines after it are
 * rows by themselves (`isStray`), then the row is one line. What is found depends on the text alone, not
 * on where blocks of it end.
 */
export class RowScanner {
  readonly bounds: Int32Array;
  /** 1 for quoted fields. */
  readonly quoted: Uint8Array;
  count = 0;
  /** The row without its line end: text[start, stop). `next` is where the next row starts. */
  start = 0;
  stop = 0;
  next = 0;
  /** Line ends from `start` to `next`. */
  lines = 0;
  /** True if a field has to be unescaped. */
  complex = false;
  /** Fields of the table's rows; 0: not known yet. */
  width = 0;
  /** True while the rows are the header's. */
  isHeader = false;
  /** The row that was found last, if it is REPAIRED. */
  repaired: RepairedRow | undefined;
  /** Position in the file of the text that is scanned, and the limit of a row. */
  offset = 0;
  bytesMax = Infinity;

  readonly #delimiter: Buffer;
  readonly #quote: Buffer;
  readonly #escape: Buffer;
  readonly #escapeIsQuote: boolean;
  readonly #comment: Buffer;
  readonly #trims: boolean;
  /** End of the row's first line if it lies within quotes, and the start of the next; else -1. */
  #firstStop = -1;
  #firstNext = -1;
  #fieldsBefore = 0;
  /** The row has a quote that opens a field and closes within it, or one within a field without quotes. */
  #misplaced = false;
  #inner = false;
  /** End of the quoted field that was read last. */
  #close = 0;
  #after = 0;
  /**
   * Position in the file up to which a quote that is open at a line's end does not close properly. Every
   * scan that is within quotes there goes on like the one that found it, so that none has to be
   * repeated.
   */
  #lostUntil = -1;

  constructor(dialect: ScanDialect, fieldsMax: number, bounds: Int32Array) {
    this.bounds = bounds;
    this.quoted = new Uint8Array(fieldsMax);
    this.#delimiter = Buffer.from(dialect.delimiter);
    this.#quote = Buffer.from(dialect.quote ?? "");
    this.#escape = Buffer.from(dialect.escape);
    this.#escapeIsQuote = dialect.escape === dialect.quote;
    this.#comment = Buffer.from(dialect.comment ?? "");
    this.#trims = dialect.trimBlanks === true;
  }

  /** Finds what starts at `from`: one of FOUND. `end`: no text follows. */
  scan(text: Uint8Array, from: number, end: boolean): number {
    this.#firstStop = -1;
    this.#misplaced = this.#inner = false;
    this.lines = 0;
    this.start = from;
    let found = this.#row(text, from, end);
    const length = (found === FOUND.INCOMPLETE ? text.length : this.stop) - this.start;
    if (found <= FOUND.INCOMPLETE && length > this.bytesMax && this.#firstStop >= 0) {
      this.#lostUntil = Math.max(this.#lostUntil, this.offset + this.start + this.bytesMax);
      found = FOUND.STRAY;
    }
    if (found === FOUND.ROW && this.#firstStop >= 0 && this.#isStrayRow(text)) found = FOUND.STRAY;
    if (found === FOUND.ROW && this.#firstStop < 0 && (this.#misplaced || this.#inner)) found = this.#repair(text);
    if (found === FOUND.STRAY) this.#cutToFirstLine(text);
    return found;
  }

  /** Decides about a row of one line with quotes in unusual places. */
  #repair(text: Uint8Array): number {
    const { width } = this;
    if (width < 2 && !this.isHeader) return FOUND.ROW;
    if (!this.#misplaced) {
      const crossing =
        width > 1 && hasCrossingQuotes(text, this.bounds, this.quoted, Math.min(this.count, this.quoted.length));
      return crossing ? this.#loseLine() : FOUND.ROW;
    }
    const form = { delimiter: this.#delimiter, quote: this.#quote, escape: this.#escape, trims: this.#trims };
    const line = text.subarray(this.start, this.stop);
    this.repaired = repairedRow(line, form, this.isHeader ? undefined : width, this.quoted.length);
    return this.repaired ? FOUND.REPAIRED : this.#loseLine();
  }

  #loseLine(): number {
    [this.#firstStop, this.#firstNext] = [this.stop, this.next];
    return FOUND.STRAY;
  }

  #row(text: Uint8Array, from: number, end: boolean): number {
    let at = from;
    const bom = text[at] === BOM[0] ? matchAt(text, at, BOM) : MATCH.NO;
    if (bom === MATCH.PARTIAL && !end) return FOUND.INCOMPLETE;
    if (bom === MATCH.YES) at += BOM.length;
    this.start = at;
    if (this.#comment.length > 0) {
      const comment = matchAt(text, at, this.#comment);
      if (comment === MATCH.PARTIAL && !end) return FOUND.INCOMPLETE;
      if (comment === MATCH.YES) return this.#lineEnd(text, lineEndFrom(text, at), end, FOUND.COMMENT);
    }
    this.count = 0;
    this.complex = false;
    for (;;) {
      const stop = this.#field(text, at, end);
      if (stop < 0) return -stop;
      if (stop === text.length || text[stop] === LF || text[stop] === CR) {
        const blank = this.count === 1 && this.bounds[0] === this.bounds[1] && this.quoted[0] === 0;
        return this.#lineEnd(text, stop, end, blank ? FOUND.BLANK : FOUND.ROW);
      }
      at = stop + this.#delimiter.length;
    }
  }

  /** Ends what was found at a line end, or at the end of the text. */
  #lineEnd(text: Uint8Array, stop: number, end: boolean, found: number): number {
    if (stop === text.length && !end) return FOUND.INCOMPLETE;
    if (text[stop] === CR && stop + 1 === text.length && !end) return FOUND.INCOMPLETE;
    this.stop = stop;
    this.next = afterLineEnd(text, stop);
    if (this.next > stop) this.lines++;
    return found;
  }

  /**
   * Reads one field. Returns where it ends: at a delimiter, a line end or the text's end; or minus
   * FOUND.
   */
  #field(text: Uint8Array, from: number, end: boolean): number {
    let at = this.#trims ? this.#skipBlanks(text, from) : from;
    const start = at;
    const opens = this.#quote.length === 0 ? MATCH.NO : matchAt(text, at, this.#quote);
    if (opens === MATCH.PARTIAL && !end) return -FOUND.INCOMPLETE;
    if (opens === MATCH.YES) {
      const failure = this.#quotedField(text, at + this.#quote.length, end);
      if (failure !== PROPER && failure !== MISPLACED) return -failure;
      if (failure === PROPER) {
        this.#keep(start + this.#quote.length, this.#close, 1);
        return this.#after;
      }
      this.complex = this.#misplaced = true;
      at = this.#close + this.#quote.length;
    }
    const [first, single] = [this.#delimiter[0], this.#delimiter.length === 1];
    for (; at < text.length; at++) {
      const byte = text[at];
      if (byte === LF || byte === CR) break;
      if (byte === first && (single || matchAt(text, at, this.#delimiter) === MATCH.YES)) break;
      if (byte === DOUBLE_QUOTE) this.#inner = true;
    }
    if (at === text.length && !end) return -FOUND.INCOMPLETE;
    let stop = at;
    while (this.#trims && stop > start && isBlank(text[stop - 1])) stop--;
    this.#keep(start, stop, 0);
    return at;
  }

  #keep(start: number, stop: number, quoted: number): void {
    if (this.count < this.quoted.length) {
      this.bounds[2 * this.count] = start;
      this.bounds[2 * this.count + 1] = stop;
      this.quoted[this.count] = quoted;
    }
    this.count++;
  }

  /** Reads to the quote that ends the field whose text starts at `from`: `#close`, and `#after` it. */
  #quotedField(text: Uint8Array, from: number, end: boolean): number {
    const [quote, escape] = [this.#quote, this.#escape];
    const linesBefore = this.lines;
    let at = from;
    for (;;) {
      at = nextMark(text, at, quote[0]!, escape[0]!);
      if (at >= text.length) return end ? this.#lose(text.length, text) : FOUND.INCOMPLETE;
      const byte = text[at];
      if (byte === LF || byte === CR) {
        if (byte === CR && at + 1 === text.length && !end) return FOUND.INCOMPLETE;
        const stop = at;
        at = afterLineEnd(text, at);
        if (this.#passLine(text, stop, at)) return FOUND.STRAY;
        continue;
      }
      if (!this.#escapeIsQuote && matchAt(text, at, escape) === MATCH.YES) {
        this.complex = true;
        at += escape.length;
        // An escaped line end is one all the same.
        if (at < text.length && text[at] !== LF && text[at] !== CR) at++;
        continue;
      }
      const closes = matchAt(text, at, quote);
      if (closes === MATCH.NO) {
        at++;
        continue;
      }
      const ends = closes === MATCH.YES ? this.#endsField(text, at + quote.length, end) : INCOMPLETE_END;
      if (ends === ESCAPED) {
        this.complex = true;
        at += 2 * quote.length;
        continue;
      }
      if (ends === INCOMPLETE_END) return end ? this.#lose(text.length, text) : FOUND.INCOMPLETE;
      this.#close = at;
      if (ends === PROPER) return PROPER;
      return this.lines > linesBefore ? this.#lose(at, text) : MISPLACED;
    }
  }

  /** Notes that quotes that are open at line ends up to here do not close. */
  #lose(until: number, text: Uint8Array): number {
    this.#lostUntil = Math.max(this.#lostUntil, this.offset + until);
    if (this.#firstStop < 0) this.#firstStop = this.#firstNext = text.length;
    return FOUND.STRAY;
  }

  /** Passes a line end within quotes. Returns true if the quote is known to be stray. */
  #passLine(text: Uint8Array, stop: number, next: number): boolean {
    this.lines++;
    if (this.#firstStop < 0) {
      this.#firstStop = stop;
      this.#firstNext = next;
      this.#fieldsBefore = this.count;
      return this.offset + stop < this.#lostUntil;
    }
    return this.lines === LOOK_AHEAD_LINES + 1 && this.#lookAhead(text, stop, undefined);
  }

  /** Rows with more line ends were judged by their first lines. */
  #isStrayRow(text: Uint8Array): boolean {
    const inside = this.lines - (this.next > this.stop ? 1 : 0);
    return inside <= LOOK_AHEAD_LINES && this.#lookAhead(text, this.stop, this.count);
  }

  #lookAhead(text: Uint8Array, stop: number, count: number | undefined): boolean {
    const [delimiter, quote, width] = [this.#delimiter, this.#quote, this.width];
    const [firstStop, next, fieldsBefore] = [this.#firstStop, this.#firstNext, this.#fieldsBefore];
    return isStray(
      { text, start: this.start, firstStop, next, stop, fieldsBefore, count },
      { delimiter, quote, width },
    );
  }

  #cutToFirstLine(text: Uint8Array): void {
    this.stop = this.#firstStop;
    this.next = this.#firstNext;
    this.lines = this.next > this.stop && this.stop < text.length ? 1 : 0;
    this.count = 0;
  }

  /** What a quote within a quoted field is, by the bytes after it. Sets `#after`. */
  #endsField(text: Uint8Array, after: number, end: boolean): number {
    if (this.#escapeIsQuote) {
      const doubled = matchAt(text, after, this.#quote);
      if (doubled === MATCH.YES) return ESCAPED;
      if (doubled === MATCH.PARTIAL && !end) return INCOMPLETE_END;
    }
    const at = this.#trims ? this.#skipBlanks(text, after) : after;
    if (at === text.length && !end) return INCOMPLETE_END;
    this.#after = at;
    if (at === text.length || text[at] === LF || text[at] === CR) return PROPER;
    const delimits = matchAt(text, at, this.#delimiter);
    if (delimits === MATCH.PARTIAL && !end) return INCOMPLETE_END;
    return delimits === MATCH.YES ? PROPER : MISPLACED;
  }

  /** Position after spaces and tabs; a delimiter among them is none of them. */
  #skipBlanks(text: Uint8Array, from: number): number {
    let at = from;
    while (isBlank(text[at]) && matchAt(text, at, this.#delimiter) !== MATCH.YES) at++;
    return at;
  }
}

const DOUBLE_QUOTE = 34;

/** How a quote ends a field; none is a value of FOUND. */
const PROPER = 10;
const MISPLACED = 11;
const ESCAPED = 12;
const INCOMPLETE_END = 13;

function lineEndFrom(text: Uint8Array, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== LF && text[at] !== CR) at++;
  return at;
}

const afterLineEnd = (text: Uint8Array, stop: number): number =>
  stop === text.length ? stop : stop + (text[stop] === CR && text[stop + 1] === LF ? 2 : 1);

/** The next line end, quote or escape from `at` on; the text's length if there is none. */
function nextMark(text: Uint8Array, at: number, quote: number, escape: number): number {
  for (; at < text.length; at++) {
    const byte = text[at]!;
    if (byte === quote || byte === escape || byte === LF || byte === CR) return at;
  }
  return text.length;
}
