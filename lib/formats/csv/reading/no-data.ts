/** Rows within a table that hold no data. The reader leaves them out, and detection does not count them. */
import type { Row } from "../../format.ts";

/** A cell with nothing but spaces and tabs, the usual one, no-break or ideographic. */
const BLANK_CELL = /^[ \t\u00a0\u3000]*$/;

export const isFilled = (cell: string): boolean => !BLANK_CELL.test(cell);

/** True if no cell has a value, quoted or not. */
export const isBlankRow = (cells: readonly string[]): boolean => !cells.some(isFilled);

/** The same for a row of the reader, which asks for every row. */
export function hasNoValue({ bytes, bounds, count, fault }: Row): boolean {
  if (fault !== undefined || count === 0) return false;
  const shown = Math.min(count, bounds.length / 2);
  for (let field = 0; field < shown; field++) {
    const end = bounds[2 * field + 1]!;
    for (let at = bounds[2 * field]!; at < end;) {
      const length = blankBytes(bytes, at);
      if (length === 0) return false;
      at += length;
    }
  }
  return shown === count;
}

/** Fewest signs of an underline in each field, and in one field below several names. */
const UNDERLINED_MIN = 3;

/**
 * True for a row that underlines the names above it, as database tools and Markdown write it: `--;----` or
 * `----+----`. A field has one kind of sign, as many as its name has characters, or three. So `--`, which may
 * be a value, underlines a short name only.
 */
export function isUnderline(cells: readonly string[], names: readonly string[]): boolean {
  const fields = cells.map((cell) => (cell.length > SIGNS_MAX ? "" : cell.trim()));
  const signs = fields.join("").replace(/[+: \t]/g, "");
  const [sign = ""] = signs;
  if (!"-=_".includes(sign) || signs.length < 2 || signs !== sign.repeat(signs.length)) return false;
  const run = (field: string): number => field.split(sign).length - 1;
  if (fields.length === 1) {
    const { length } = names.length === 1 ? names[0]!.trim() : "";
    return fields[0]!.includes(sign.repeat(UNDERLINED_MIN)) && signs.length >= length;
  }
  const lengths = names.map((name) => Math.min(UNDERLINED_MIN, name.trim().length));
  return fields.length === names.length && fields.every((field, at) => run(field) >= lengths[at]!);
}

/**
 * True for a row of nothing but lines, as around the rows of a table that is drawn: one field such as
 * `+----+---+`, or (`isBordered`) fields of such signs only.
 */
export function isRuler(cells: readonly string[], isBordered: boolean): boolean {
  const filled = cells.map((cell) => (cell.length > SIGNS_MAX ? "x" : cell.trim())).filter((cell) => cell !== "");
  if (filled.length === 0 || (cells.length > 1 && !isBordered)) return false;
  return isBordered
    ? filled.every((cell) => DRAWN.test(cell))
    : DRAWN.test(filled[0]!) && /([-=_─═])\1\1/.test(filled[0]!);
}

/** Signs of a line, also with corners and with colons that align a column. */
const DRAWN = /^[-=_+|:─━═┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬╞╡╪ ]*[-=_─━═][-=_+|:─━═┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬╞╡╪ ]*$/u;

/** Longer fields underline nothing. */
const SIGNS_MAX = 1_000;

/** Bytes of the blank that begins here; 0 for another character. */
function blankBytes(bytes: Uint8Array, at: number): number {
  const byte = bytes[at]!;
  if (byte === 0x20 || byte === 0x09) return 1;
  if (byte === 0xc2) return bytes[at + 1] === 0xa0 ? 2 : 0;
  return byte === 0xe3 && bytes[at + 1] === 0x80 && bytes[at + 2] === 0x80 ? 3 : 0;
}
