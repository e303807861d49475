import { TributaryError } from "../../../errors.ts";
import {
  fieldsOf,
  type Ending,
  type OpenOptions,
  type PlainText,
  type RecordHandlers,
  type RecordReader,
  type Row,
  type RowsTaken,
} from "../../format.ts";
import { storedHeader } from "../../headers.ts";
import { headerRowsOf, type Dialect } from "../options.ts";
import type { CsvText } from "../reader-options.ts";
import { CsvRecordReader } from "../records.ts";
import { escapeDoubt } from "../structure/checks/escaped-delimiter.ts";
import { endingWith, footerAtEnd } from "../structure/footer/at-end.ts";
import { copyOf, FooterHold } from "./footer.ts";
import { joinHeader, withRowName } from "./header.ts";
import { hasNoValue, isRuler, isUnderline } from "./no-data.ts";
import { RepeatedHeader } from "./repeated-header.ts";
import type { MutableRow } from "./row-run.ts";
import { LineSkipper } from "./skip-lines.ts";
import { TextEnd } from "./text-end.ts";

/** Rows without fields that may come before the first that tells how many fields rows have. */
const UNREADABLE_ROWS_MAX = 100;

/**
 * Reads the table that a CSV file holds: without the lines before its header, its footer, comment lines,
 * repetitions of its header, and rows without a value. The first rows are the header, or the first row
 * tells how many fields rows have.
 */
export class CsvTableReader implements RecordReader {
  readonly #options: Dialect;
  readonly #columnsMax: number;
  readonly #handlers: RecordHandlers;
  readonly #skipper: LineSkipper;
  readonly #reader: CsvRecordReader;
  readonly #footer: FooterHold | undefined;
  /** The end of the text, if a footer is looked for there. */
  readonly #textEnd: TextEnd | undefined;
  readonly #lastRows: Row[] = [];
  #footerFound: readonly Row[] = [];
  #rowsPassed = 0;
  #ending: Ending | undefined;
  readonly #escapeDeclared: boolean;
  /** The first row with a backslash before a stray quote, if detection saw only the beginning. */
  #escapedLine: number | undefined;
  /** Position in the text from which rows are kept until it ends. */
  #heldFrom = Infinity;
  readonly #headerRows: number;
  /** The header's rows; of a file without a header, unreadable rows before the first that is not. */
  #first: Row[] = [];
  #width = 0;
  #repeatedHeader: RepeatedHeader | undefined;
  #names: readonly string[] | undefined;
  /** The header's names, until the row below it is read. */
  #underlined: readonly string[] | undefined;
  /** Beginning of the text above the header. */
  readonly #above: Buffer[] = [];
  #aboveBytes = 0;
  /** Repetitions and underline of the header, and rows without a value. */
  #rowsSkipped = 0;

  constructor(open: OpenOptions<Dialect>, handlers: RecordHandlers) {
    const { options, firstLine, limits, endBytes, declared } = open;
    this.#options = options;
    this.#columnsMax = limits.columnsMax;
    this.#escapeDeclared = declared?.["escape"] !== undefined;
    this.#handlers = handlers;
    this.#headerRows = headerRowsOf(options);
    const skipped = Math.max(0, (options.skipRows ?? 0) - (firstLine - 1));
    this.#skipper = new LineSkipper(skipped);
    const rule = options.footerRows === undefined ? options.footer : { rows: options.footerRows };
    if (rule && !("rows" in rule && rule.rows === 0)) this.#footer = new FooterHold(rule, (row) => this.#handOver(row));
    if (endBytes !== undefined && rule === undefined) this.#textEnd = new TextEnd(endBytes);
    this.#reader = new CsvRecordReader({
      dialect: options,
      firstLine: firstLine + skipped,
      limits,
      // More than a row may have: a name of its own for the first field, or empty fields at both ends.
      fieldsMax: limits.columnsMax + 3,
      headerRows: this.#headerRows,
      onRow: (row) => this.#read(row),
    });
  }

  /**
   * Rows and lines of the table's part of the file that are no data: repeated headers, rows without a value,
   * footer, comments.
   */
  get skippedRows(): number {
    return this.#rowsSkipped + this.#reader.commentLines + (this.#footer?.rows.length ?? 0);
  }

  get irregularity(): string | undefined {
    const { delimiter, quote, escape, trimBlanks, comment } = this.#options;
    const isUsual = Buffer.byteLength(delimiter) === 1 && (quote === null || (quote === '"' && escape === quote));
    if (!isUsual || trimBlanks || comment) return "its delimiter, quote, escape, blanks or comments are unusual";
    if (this.#headerRows > 1 || this.#above.length > 0) return "there are several header rows, or lines above them";
    const { leadingDelimiter, trailingDelimiter, rowNames, dropBlankNames } = this.#options;
    if (leadingDelimiter || trailingDelimiter || rowNames || dropBlankNames) return "rows and header differ in length";
    if (this.#footer || this.skippedRows > 0) return "it has lines that are no rows";
    return this.#reader.irregularity;
  }

  get otherLines(): string[] {
    const above = Buffer.concat(this.#above)
      .toString("utf8")
      .split(/\r\n|\n|\r/);
    const footer = [...(this.#footer?.rows ?? []), ...this.#footerFound].map((row) =>
      Buffer.from(row.raw()).toString("utf8"),
    );
    return [...above.filter((line) => line !== ""), ...this.#reader.comments, ...footer];
  }

  get ending(): Ending | undefined {
    if (this.#escapedLine === undefined) return this.#ending;
    const { options = {}, evidence = [], doubts = [] } = this.#ending ?? {};
    const escape = JSON.stringify(this.#options.escape);
    return { options, evidence, doubts: [...doubts, escapeDoubt(this.#escapedLine, escape)] };
  }

  push(text: Uint8Array): void {
    const rest = this.#skipper.rest(text);
    if (rest.length < text.length) this.#keepAbove(text.subarray(0, text.length - rest.length));
    if (rest.length === 0) return;
    this.#reader.onText = this.#takesText() ? (plain) => this.#takeText(plain) : undefined;
    if (!this.#textEnd) return this.#reader.push(rest);
    for (const piece of this.#textEnd.take(rest)) this.#reader.push(piece);
  }

  /** Whether each row would be handed over as it is, unless it has no value or is like the header. */
  #takesText(): boolean {
    const isWithin = this.#width > 0 && !this.#underlined;
    return this.#handlers.onText !== undefined && isWithin && this.irregularity === undefined;
  }

  #takeText(plain: CsvText): RowsTaken | undefined {
    const header = this.#repeatedHeader;
    const isLikeHeader: PlainText["isLikeHeader"] = header
      ? (bytes, start, end) => header.beginsAlike(bytes, start, end)
      : () => false;
    const taken = this.#handlers.onText!({ ...plain, isLikeHeader });
    this.#rowsPassed += taken?.rows ?? 0;
    return taken;
  }

  #keepAbove(text: Uint8Array): void {
    const kept = text.subarray(0, ABOVE_BYTES_MAX - this.#aboveBytes);
    this.#above.push(Buffer.from(kept));
    this.#aboveBytes += kept.length;
  }

  end(): void {
    try {
      if (this.#textEnd) this.#holdLastRows(this.#textEnd);
      this.#reader.end();
      if (this.#width === 0 && this.#first.length > 0) this.#begin();
    } catch (error) {
      // The rows before the fault are read all the same.
      for (const row of this.#lastRows) this.#handOver(row);
      throw error;
    }
    if (this.#textEnd) this.#passLastRows();
  }

  /** Keeps the rows that start within the end of the text. Which ones depends on the text alone. */
  #holdLastRows(textEnd: TextEnd): void {
    this.#heldFrom = textEnd.length - textEnd.bytes;
    this.#reader.onText = undefined;
    for (const piece of textEnd.end()) this.#reader.push(piece);
  }

  #passLastRows(): void {
    const { quote } = this.#options;
    const rows = this.#lastRows;
    const footer = footerAtEnd({ rows, names: this.#names, width: this.#width, quote, rowsBefore: this.#rowsPassed });
    this.#ending = endingWith(footer);
    this.#rowsSkipped += footer.rows;
    this.#footerFound = rows.slice(rows.length - footer.rows);
    for (const row of rows.slice(0, rows.length - footer.rows)) this.#handOver(row);
  }

  #read(row: MutableRow): void {
    if (this.#options.leadingDelimiter) dropEmptyStart(row);
    this.#take(row);
  }

  #take(row: MutableRow): void {
    if (this.#width === 0) return this.#takeFirst(row);
    if (row.count > this.#width && this.#options.trailingDelimiter) this.#dropEmptyEnd(row, this.#width);
    const names = this.#underlined;
    this.#underlined = undefined;
    if (names && row.count <= names.length && row.fault === undefined && isUnderline(fieldsOf(row), names)) {
      this.#rowsSkipped++;
    } else if (this.#isRuler(row) || this.#repeatedHeader?.takes(row)) this.#rowsSkipped++;
    else this.#pass(row);
  }

  /** Lines that are drawn around rows: of one field, or in a table with borders. */
  #isRuler(row: Row): boolean {
    const { leadingDelimiter = false } = this.#options;
    if (row.fault !== undefined || this.#width < 2 || !(row.count === 1 || leadingDelimiter)) return false;
    return isRuler(fieldsOf(row), leadingDelimiter);
  }

  #pass(row: Row): void {
    if (this.#textEnd && row.stray?.includes(true)) this.#noteEscape(row);
    if (this.#reader.rowStart >= this.#heldFrom) this.#lastRows.push(copyOf(row));
    else if (this.#footer) this.#footer.push(row);
    else this.#handOver(row);
  }

  #noteEscape(row: Row): void {
    const { quote, escape } = this.#options;
    if (quote === null || escape === "\\" || this.#escapeDeclared) return;
    if (Buffer.from(row.raw()).includes(`\\${quote}`)) this.#escapedLine ??= row.line;
  }

  /** A row without a value is none, like a blank line. In a file of one column, both are. */
  #handOver(row: Row): void {
    if (this.#width > 1 && hasNoValue(row)) this.#rowsSkipped++;
    else {
      this.#rowsPassed++;
      this.#handlers.onRow(row);
    }
  }

  #takeFirst(row: MutableRow): void {
    if (this.#headerRows === 0 && row.count > 0) {
      this.#begin(row);
      return this.#take(row);
    }
    this.#checkFirst(row);
    this.#first.push(copyOf(row));
    if (this.#first.length === this.#headerRows) this.#begin();
  }

  /** Says which fields the rows have. `row`: the first readable one of a file without a header. */
  #begin(row?: MutableRow): void {
    if (this.#headerRows > 0) {
      const names = (this.#names = this.#namesOf(this.#first));
      this.#setWidth(names.length);
      // In a file of one column, a row like the header may be a value.
      if (names.length > 1) this.#repeatedHeader = new RepeatedHeader(this.#first, this.#options.delimiter);
      this.#underlined = names;
      return this.#handlers.onFields({ names, count: names.length, final: true, header: this.#wholeHeader() });
    }
    if (row) this.#checkFirst(row);
    if (row) this.#dropEmptyEnd(row, 1);
    this.#setWidth(row?.count ?? 1);
    this.#handlers.onFields({ names: undefined, count: this.#width, final: true });
    for (const unreadable of this.#first) this.#pass(unreadable);
  }

  #namesOf(header: readonly Row[]): string[] {
    const rows = header.map((row) => {
      const fields = fieldsOf(row);
      while (this.#options.trailingDelimiter && fields.length > 1 && fields.at(-1) === "") fields.pop();
      return fields;
    });
    const all = joinHeader(rows).map(storedHeader);
    const joined = this.#options.dropBlankNames ? all.filter((name) => name !== "") : all;
    return this.#options.rowNames ? withRowName(joined) : joined;
  }

  #setWidth(width: number): void {
    if (width > this.#columnsMax) {
      throw new TributaryError("FILE_TOO_MANY_COLUMNS", `${width} columns; the limit is ${this.#columnsMax}`);
    }
    this.#width = width;
    const { leadingDelimiter, trailingDelimiter } = this.#options;
    this.#reader.width = width + Number(leadingDelimiter ?? false) + Number(trailingDelimiter ?? false);
    this.#reader.blankLinesAreRows = width === 1;
  }

  /** The header as one record. */
  #wholeHeader(): Row {
    const [first] = this.#first;
    if (this.#first.length === 1) return first!;
    const raw = Buffer.concat(this.#first.flatMap((row, at) => (at === 0 ? [row.raw()] : [LINE_END, row.raw()])));
    return { ...this.#first.at(-1)!, line: first!.line, raw: () => raw };
  }

  /** Empty fields after the last column are no fields. */
  #dropEmptyEnd(row: MutableRow, width: number): void {
    if (!this.#options.trailingDelimiter || row.count > row.bounds.length / 2) return;
    let { count } = row;
    while (count > width && row.bounds[2 * count - 2] === row.bounds[2 * count - 1]) count--;
    if (width === 1 || count === width) row.count = count;
  }

  #checkFirst({ count, fault, line }: Row): void {
    if (count > this.#columnsMax + 1) {
      throw new TributaryError("FILE_TOO_MANY_COLUMNS", `${count} columns; the limit is ${this.#columnsMax}`);
    }
    if (!fault) return;
    const isHeader = this.#headerRows > 0;
    if (!isHeader && this.#first.length < UNREADABLE_ROWS_MAX) return;
    const part = isHeader ? "header" : "row";
    if (fault === "quote_not_closed" || fault === "malformed") {
      const remedy = "correct the line, or declare another quote or `none`";
      throw new TributaryError(
        "FILE_QUOTE_NOT_CLOSED",
        `a quote in the ${part} on line ${line} is not closed: ${remedy}`,
      );
    }
    throw new TributaryError(
      "FILE_ENCODING_UNKNOWN",
      `the ${part} on line ${line} cannot be read: ${fault.replaceAll("_", " ")}`,
    );
  }
}

/** Text above the header that is kept. */
const ABOVE_BYTES_MAX = 64 * 1024;

/** Drops the empty field before the first delimiter. */
function dropEmptyStart(row: MutableRow): void {
  if (row.count < 2 || row.bounds[0] !== row.bounds[1]) return;
  row.bounds.copyWithin(0, 2, Math.min(2 * row.count, row.bounds.length));
  row.count--;
  if (row.stray) row.stray = row.stray.slice(1);
}

const LINE_END = Buffer.from("\n");
