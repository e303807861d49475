import type { Row } from "../../format.ts";
import type { RowScanner, ScanDialect } from "./row-scanner.ts";
import { readBlock } from "./unescape.ts";

/** The row that is handed over; filled in place. */
export type MutableRow = { -readonly [Key in keyof Row]: Row[Key] };

/** A row that waits: its text, line and number of fields. */
interface Waiting {
  start: number;
  stop: number;
  next: number;
  line: number;
  count: number;
}

const LINE_END = Buffer.from("\n");

/**
 * Successive rows, some of which have escapes, that csv-parse reads as one block: each use of it has a
 * price.
 */
export class RowRun {
  readonly #bounds: Int32Array;
  readonly #dialect: ScanDialect;
  readonly #delimiter: Buffer;
  readonly #quoteBytes: number;
  readonly #fieldsMax: number;
  #rows: Waiting[] = [];
  /** Without the blanks around fields and quotes; csv-parse would trim bytes of characters, too. */
  #trimmed: Buffer[] = [];
  #scratch: Buffer = Buffer.alloc(0);

  constructor(dialect: ScanDialect, fieldsMax: number) {
    this.#bounds = new Int32Array(2 * fieldsMax);
    this.#dialect = dialect;
    this.#delimiter = Buffer.from(dialect.delimiter);
    this.#quoteBytes = Buffer.byteLength(dialect.quote ?? "");
    this.#fieldsMax = fieldsMax;
  }

  get length(): number {
    return this.#rows.length;
  }

  /** Adds the row that the scanner has found. */
  add(text: Buffer, { start, stop, next, count, bounds, quoted }: RowScanner, line: number): void {
    this.#rows.push({ start, stop, next, line, count });
    if (!this.#dialect.trimBlanks) return;
    for (let field = 0; field < Math.min(count, quoted.length); field++) {
      const around = quoted[field]! * this.#quoteBytes;
      if (field > 0) this.#trimmed.push(this.#delimiter);
      this.#trimmed.push(text.subarray(bounds[2 * field]! - around, bounds[2 * field + 1]! + around));
    }
    this.#trimmed.push(LINE_END);
  }

  /**
   * Reads the rows and lets go of them: fills in fields, count and fault of each, and passes on where it
   * is.
   */
  read(text: Buffer, row: MutableRow, onRow: (start: number, stop: number, line: number) => void): void {
    if (this.#rows.length === 0) return;
    const [rows, trimmed] = [this.#rows, this.#trimmed];
    // The row's own bounds may be those of a row that comes after these.
    const { bounds } = row;
    row.bounds = this.#bounds;
    this.#rows = [];
    this.#trimmed = [];
    const block = trimmed.length > 0 ? Buffer.concat(trimmed) : text.subarray(rows[0]!.start, rows.at(-1)!.next);
    const records = readBlock(block, this.#dialect);
    // Both have to find the same rows; if they ever do not, no field is taken.
    const agree = records?.length === rows.length;
    rows.forEach(({ start, stop, line, count }, at) => {
      row.count = agree ? count : 0;
      row.fault = agree ? undefined : "malformed";
      this.#layOut(agree ? records[at]! : [], stop - start, row);
      onRow(start, stop, line);
    });
    row.bounds = bounds;
  }

  /** Copies fields given as binary strings into the row. */
  #layOut(fields: readonly string[], rawLength: number, row: MutableRow): void {
    // Includes room for quotes that csv-parse puts back into a field that it first took for quoted.
    const room = rawLength + fields.length + 16;
    if (this.#scratch.length < room) this.#scratch = Buffer.allocUnsafeSlow(Math.max(2 * room, 64 * 1024));
    const scratch = this.#scratch;
    let at = 0;
    for (let i = 0; i < fields.length && i < this.#fieldsMax; i++) {
      row.bounds[2 * i] = at;
      at += scratch.write(fields[i]!, at, "latin1");
      row.bounds[2 * i + 1] = at;
    }
    row.bytes = scratch;
    row.fieldBytes = at;
  }
}
