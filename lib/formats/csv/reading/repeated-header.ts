import type { Row } from "../../format.ts";
import { isBlank } from "./bytes.ts";

/** Longest beginning of a header that rows are compared with before their whole text is. */
const BEGINNING_MAX = 64;

/** Finds the header's rows among the data: written alike, but for case and blanks around the fields. */
export class RepeatedHeader {
  readonly #delimiter: string;
  readonly #rows: readonly string[];
  /** The first field, which tells almost every row from the header at little cost. */
  readonly #beginning: string;
  /** Index of the row of the header that would come next. */
  #next = 0;

  constructor(rows: readonly Row[], delimiter: string) {
    this.#delimiter = delimiter;
    this.#rows = rows.map((row) => this.#plain(row));
    const [{ bytes, bounds }] = rows as [Row];
    this.#beginning = Buffer.from(bytes.subarray(bounds[0], bounds[1])).toString("utf8").trim().toUpperCase();
  }

  /** True if the row repeats the header, or the next of its rows. */
  takes(row: Row): boolean {
    if (this.#next === 0 && !this.beginsAlike(row.bytes, row.bounds[0]!, row.bounds[1]!)) return false;
    const plain = this.#plain(row);
    for (const at of [this.#next, 0]) {
      if (this.#rows[at] !== plain) continue;
      this.#next = at + 1 === this.#rows.length ? 0 : at + 1;
      return true;
    }
    this.#next = 0;
    return false;
  }

  /**
   * False only if the first field of a row, in bytes[start, end), differs from the header's; compares up to
   * its first character that is not ASCII.
   */
  beginsAlike(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (at < end && isBlank(bytes[at])) at++;
    if (at === end) return this.#beginning === "";
    for (let i = 0; i < this.#beginning.length && i < BEGINNING_MAX; i++, at++) {
      if (at === end) return false;
      const byte = bytes[at]!;
      if (byte >= 0x80) return true;
      if (this.#beginning.charCodeAt(i) !== (byte >= 97 && byte <= 122 ? byte - 32 : byte)) return false;
    }
    return true;
  }

  #plain(row: Row): string {
    return Buffer.from(row.raw())
      .toString("utf8")
      .replace(/^\ufeff/, "")
      .toUpperCase()
      .split(this.#delimiter)
      .map((cell) => cell.trim())
      .join(this.#delimiter);
  }
}
