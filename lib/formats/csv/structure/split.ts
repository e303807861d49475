/**
 * How a dialect splits the sample. Reads text as the file's reader does (../records.ts), in bounded work.
 */
import { repairedRow } from "../reading/stray-marks.ts";

export interface SplitDialect {
  delimiter: string;
  /** null: quotes have no meaning. */
  quote: string | null;
  escape: string;
  trimBlanks: boolean;
}

export interface SampleRow {
  /** Line of the file on which the row starts, from 1. */
  line: number;
  /** The first fields, at most FIELDS_MAX, without quotes and escapes. */
  cells: string[];
  /** For each cell: whether it was in quotes. */
  quoted: boolean[];
  /** Number of fields. */
  count: number;
  /** Fields with a quote that does not close where they end. */
  misquoted: number;
  /** The text of the row's first line. */
  text: string;
  /** True if the row continues behind the end of the sample. */
  cut?: true;
}

export interface Sample {
  /** Without blank lines. */
  rows: SampleRow[];
  /** Number of the lines that were split, with blank ones. */
  lines: number;
  /** True if all of the text was split. */
  complete: boolean;
  quote: string | null;
  delimiter: string;
}

/** Fields of a row that are kept; all are counted. As many as columns of a file can be allowed. */
const FIELDS_MAX = 5_000;
/** Text that is searched for closing quotes, as a multiple of the sample. Then quotes have no meaning. */
const QUOTE_WORK_MAX = 4;

/**
 * Splits the beginning of a text. A field whose quote does not close at its end is read as unquoted.
 * `complete`: the text is the whole file; else a last row with an open quote is left out.
 */
export function split(text: string, dialect: SplitDialect, rowsMax: number, complete: boolean): Sample {
  const scanner = new Scanner(text, dialect);
  const rows: SampleRow[] = [];
  let [line, repaired] = [1, 0];
  while (scanner.at < text.length && rows.length < rowsMax) {
    const start = scanner.at;
    const row = scanner.row(line);
    const isBlank = row.count === 1 && row.cells[0] === "" && !row.quoted[0];
    if (!complete && scanner.at > text.length) row.cut = true;
    if (!isBlank && (complete || !scanner.reachedOpenQuote)) rows.push(row);
    const lines = linesIn(text, start, scanner.at);
    if (row.misquoted > 0 && lines <= 1 && repaired < REPAIRED_MAX)
      repaired += repair(row, text.slice(start, scanner.at), dialect);
    line += lines;
  }
  const { quote, delimiter } = dialect;
  return { rows, lines: line - 1, complete: complete && scanner.at >= text.length, quote, delimiter };
}

/** Rows with quotes in wrong places that are read with care, and their length. Bounds the time. */
const REPAIRED_MAX = 200;
const REPAIRED_CHARS_MAX = 2_000;

/** Divides the row as the file's reader does. Returns the number of rows that were looked at. */
function repair(row: SampleRow, text: string, { delimiter, quote, escape, trimBlanks: trims }: SplitDialect): number {
  if (quote === null || text.length > REPAIRED_CHARS_MAX) return 0;
  const line = Buffer.from(text.replace(/[\r\n]+$/, ""));
  const form = { delimiter: Buffer.from(delimiter), quote: Buffer.from(quote), escape: Buffer.from(escape), trims };
  const repaired = repairedRow(line, form, undefined, FIELDS_MAX);
  if (!repaired) return 1;
  const { bytes, bounds, count, quoted } = repaired;
  row.cells = quoted.map((_, at) => bytes.toString("utf8", bounds[2 * at], bounds[2 * at + 1]));
  Object.assign(row, { count, quoted });
  return 1;
}

class Scanner {
  at = 0;
  /** The last row has a quote that is open at the end of the text. */
  reachedOpenQuote = false;
  readonly #text: string;
  readonly #dialect: SplitDialect;
  #quoteWork = 0;

  constructor(text: string, dialect: SplitDialect) {
    this.#text = text;
    this.#dialect = dialect;
  }

  /** Reads the row at `at`, and moves behind its line end. */
  row(line: number): SampleRow {
    const text = this.#text;
    const { delimiter } = this.#dialect;
    const start = this.at;
    const row: SampleRow = { line, cells: [], quoted: [], count: 0, misquoted: 0, text: "" };
    const firstEnd = lineEnd(text, start);
    row.text = text.slice(start, Math.min(firstEnd, start + 2_000));
    this.reachedOpenQuote = false;
    for (;;) {
      this.#field(row);
      if (text.startsWith(delimiter, this.at) && this.at < text.length) {
        this.at += delimiter.length;
        continue;
      }
      if (text[this.at] === "\r" && text[this.at + 1] === "\n") this.at++;
      this.at++;
      return row;
    }
  }

  #field(row: SampleRow): void {
    const text = this.#text;
    const { quote, escape, trimBlanks } = this.#dialect;
    const start = trimBlanks ? this.#skipBlanks(this.at) : this.at;
    let [end, quoted] = [start, false];
    if (quote !== null && text[start] === quote) {
      const close = this.#closing(start + 1);
      const after = trimBlanks ? this.#skipBlanks(close + 1) : close + 1;
      quoted = close < text.length && this.#endsAt(after);
      if (quoted) end = close;
      else row.misquoted++;
      if (close >= text.length) this.reachedOpenQuote = true;
      if (quoted) this.at = after;
    }
    if (!quoted) {
      end = this.#fieldEnd(start);
      this.at = end;
    }
    row.count++;
    if (row.cells.length >= FIELDS_MAX) return;
    const cell = quoted ? text.slice(start + 1, end) : text.slice(start, end);
    row.cells.push(quoted ? unescaped(cell, quote!, escape) : trimBlanks ? cell.trimEnd() : cell);
    row.quoted.push(quoted);
  }

  #skipBlanks(at: number): number {
    while (this.#text[at] === " " || (this.#text[at] === "\t" && this.#dialect.delimiter !== "\t")) at++;
    return at;
  }

  #endsAt(at: number): boolean {
    const text = this.#text;
    return at >= text.length || text[at] === "\n" || text[at] === "\r" || text.startsWith(this.#dialect.delimiter, at);
  }

  #fieldEnd(at: number): number {
    const text = this.#text;
    const { delimiter } = this.#dialect;
    const first = delimiter.charCodeAt(0);
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === 10 || code === 13) break;
      if (code === first && (delimiter.length === 1 || text.startsWith(delimiter, at))) break;
    }
    return at;
  }

  /**
   * Position of the quote that closes the field whose text starts at `at`; the text's length if none
   * does.
   */
  #closing(at: number): number {
    const text = this.#text;
    if (this.#quoteWork > QUOTE_WORK_MAX * text.length) return text.length;
    const start = at;
    const [quote, escape] = [this.#dialect.quote!.charCodeAt(0), this.#dialect.escape.charCodeAt(0)];
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === escape && escape !== quote) at++;
      else if (code === quote && escape === quote && text.charCodeAt(at + 1) === quote) at++;
      else if (code === quote) break;
    }
    this.#quoteWork += at - start;
    return Math.min(at, text.length);
  }
}

const unescaped = (cell: string, quote: string, escape: string): string =>
  cell.includes(escape) ? cell.replaceAll(escape + quote, quote).replaceAll(escape + escape, escape) : cell;

/** Position of the line end at or after `at`; the text's length if there is none. */
function lineEnd(text: string, at: number): number {
  while (at < text.length && text.charCodeAt(at) !== 10 && text.charCodeAt(at) !== 13) at++;
  return at;
}

/** Number of line ends in text[from, to); CRLF counts once. */
function linesIn(text: string, from: number, to: number): number {
  let lines = 0;
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (code === 10 || (code === 13 && text.charCodeAt(at + 1) !== 10)) lines++;
  }
  return lines;
}

/** The text's first lines, without their ends and without blank ones. */
export function firstLines(text: string, linesMax: number, charsMax: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < text.length && lines.length < linesMax;) {
    const end = lineEnd(text, at);
    if (end > at) lines.push(text.slice(at, Math.min(end, at + charsMax)));
    at = end + 1;
  }
  return lines;
}
