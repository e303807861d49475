import { TributaryError } from "../../../errors.ts";
import type { Row } from "../../format.ts";
import { footerPattern } from "../footer-pattern.ts";
import { FOOTER_ROWS_MAX, type FooterRule } from "../options.ts";

/** Rows that are held back, in bytes. */
const HELD_BYTES_MAX = 16 * 1024 * 1024;

/** A copy that stays valid. */
export function copyOf(row: Row): Row {
  const shown = Math.min(row.count, row.bounds.length / 2);
  const bounds = new Int32Array(2 * shown);
  const fields: Uint8Array[] = [];
  let at = 0;
  for (let field = 0; field < shown; field++) {
    const bytes = row.bytes.subarray(row.bounds[2 * field], row.bounds[2 * field + 1]);
    bounds[2 * field] = at;
    at += bytes.length;
    bounds[2 * field + 1] = at;
    fields.push(bytes);
  }
  const { count, line, fault, stray } = row;
  const raw = Buffer.from(row.raw());
  return { bytes: Buffer.concat(fields), bounds, count, fieldBytes: at, line, fault, stray, raw: () => raw };
}

/**
 * Holds back the rows that may be the footer until it is known. With a number of rows, these are the last
 * ones. With a pattern, they are a row that matches and those after it, if the file ends within
 * FOOTER_ROWS_MAX rows; else the row was data.
 */
export class FooterHold {
  readonly #rows: number;
  readonly #matches: ((row: string) => boolean) | undefined;
  readonly #onRow: (row: Row) => void;
  readonly #held: Row[] = [];
  #bytes = 0;

  constructor(rule: FooterRule, onRow: (row: Row) => void) {
    this.#rows = "rows" in rule ? rule.rows : FOOTER_ROWS_MAX;
    this.#matches = "rows" in rule ? undefined : footerPattern(rule.pattern);
    this.#onRow = onRow;
  }

  push(row: Row): void {
    if (this.#held.length === 0 && !this.#begins(row)) return this.#onRow(row);
    const held = copyOf(row);
    this.#held.push(held);
    this.#bytes += held.raw().length;
    while (this.#held.length > this.#rows || (this.#matches && this.#bytes > HELD_BYTES_MAX)) this.#release();
    if (this.#bytes <= HELD_BYTES_MAX) return;
    throw new TributaryError(
      "FILE_ROW_TOO_LONG",
      `the ${this.#rows} rows up to line ${row.line} are longer than ${HELD_BYTES_MAX} bytes: declare a shorter footer`,
    );
  }

  /** The rows that were the footer at the end: those still held. */
  get rows(): readonly Row[] {
    return this.#held;
  }

  #begins(row: Row): boolean {
    return this.#matches?.(Buffer.from(row.raw()).toString("utf8")) ?? true;
  }

  /** Passes on the first row, and those after it that do not begin a footer. */
  #release(): void {
    do {
      const row = this.#held.shift()!;
      this.#bytes -= row.raw().length;
      this.#onRow(row);
    } while (this.#held.length > 0 && !this.#begins(this.#held[0]!));
  }
}
