import { isCodeAndWord, isCurrencyCode } from "./currencies.ts";
import { isMissingText, MISSING_BYTES_MAX } from "./missing-texts.ts";

/** What a value shows about the notation of its file's numbers. Bits: a column's marks are joined with OR. */
export const MARK = {
  /** A point that separates no groups of three digits: 1.5, 0.125. */
  DECIMAL_POINT: 1,
  /** A whole number of more than three digits, without groups: 1234. */
  UNGROUPED: 2,
  /** A comma that only decimals have: 1.234,5 or 12,5 or 0,125 or 12,50 € or 12,-. */
  DECIMAL_COMMA: 4,
  /** Two numbers in rising order: 12,13 may be one number with decimals, or a list of 12 and 13. */
  PAIR: 8,
  /** Three decimals that do not end in 0, as hardly all thousands do: 1.234. */
  FINE: 16,
  /** A list of numbers, or a number with a comma between groups: 36,38,40 or 1,234.50. */
  LIST: 32,
  /** Points that can only separate groups: 1.234.567. */
  GROUPED: 64,
  /** Points between other numbers, as in 1.2.3: a version, an address or a date. */
  DOTTED: 128,
  /** A text that is no number in any notation, and not written for a missing value. */
  NO_NUMBER: 256,
} as const;

/** The digits of a group, as in thousands. */
export const GROUP_DIGITS = 3;

/** Longer texts are no numbers, and nor are those with digits further back. They bound the time. */
const BYTES_MAX = 48;
const FIRST_DIGIT_MAX = 8;
const [ZERO, NINE, POINT, COMMA, BLANK, PLUS, MINUS] = [48, 57, 46, 44, 32, 43, 45];

/**
 * What a text says about the notation of numbers; 0: nothing new, as `1,234` may be in either. `known`: the
 * column's marks so far.
 */
export function markOf(bytes: Uint8Array, start: number, end: number, known: number): number {
  let [first, commas, points] = [-1, 0, 0];
  const last = Math.min(end, start + BYTES_MAX);
  for (let at = start; at < last; at++) {
    const byte = bytes[at]!;
    if (first < 0 && at - start > FIRST_DIGIT_MAX) break;
    if (byte >= ZERO && byte <= NINE && first < 0) first = at - start;
    else if (byte === COMMA && mayContinue(bytes, at + 1, end)) commas++;
    else if (byte === POINT) points++;
  }
  const isLong = end - start > BYTES_MAX;
  if (!isLong && first >= 0 && (commas > 0 || points > 1)) {
    return markOfText(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8"));
  }
  if ((known & MARK.NO_NUMBER) !== 0 || (first < 0 && isMissing(bytes, start, end))) return 0;
  return MARK.NO_NUMBER;
}

/** True if a number may go on behind a comma: a digit, a dash, or a blank and more. Spares most sentences. */
function mayContinue(bytes: Uint8Array, at: number, end: number): boolean {
  const byte = at < end ? bytes[at]! : 0;
  if (byte !== BLANK) return byte > 127 || byte === MINUS || byte === PLUS || (byte >= ZERO && byte <= NINE);
  return at + 1 < end && bytes[at + 1]! <= NINE;
}

const isMissing = (bytes: Uint8Array, start: number, end: number): boolean =>
  end - start <= MISSING_BYTES_MAX &&
  isMissingText(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8"));

/** Signs and currencies before a number. Other words are no unit there: `Room 1,5`. */
const FRONT = "(?:[-+−~≈<>≤≥=±(] ?|(?:ca\\.?|circa|rd\\.?|etwa|ab|bis|max\\.?|min\\.?) )*";
const CURRENCY = "(?:[A-Z]{0,2}\\p{Sc}|[A-Z]{3}|S?Fr\\.?|kr\\.?|zł|Kč)";
const NUMBER = "(\\d{1,3}(?:[. '’\\u00a0\\u202f]\\d{3})+|\\d+)";
const UNIT = "((?:[ \\u00a0]?\\(?[\\p{L}\\p{M}\\p{Sc}%‰°µ²³*/.]{1,16}\\)?){1,3})";
const DECIMALS = `${NUMBER},(\\d+|[-–]{1,2})`;

const COMMA_NUMBER = new RegExp(
  `^${FRONT}(${CURRENCY} ?[-−+]?)?${DECIMALS}(?: ?[-–x×] ?\\d+,\\d+)?[-−]?(?:${UNIT})?[)]?$`,
  "u",
);
const POINTED = new RegExp(`^${FRONT}(?:${CURRENCY} ?)?([1-9]\\d{0,2}(?:\\.\\d{3}){2,})[-−]?(?:${UNIT})?$`, "u");
const LIST =
  /^[[({]?\s*[-+]?\d+(?:\.\d+)?(?:(?:\s?,\s?[-+]?\d+(?:\.\d+)?){2,}|,\s?[-+]?\d+\.\d+|,\s[-+]?\d+)\s*,?[\])}]?$/;
const DOTTED = /^\p{L}?\d+(?:\.\d+){2,}/u;

function markOfText(text: string): number {
  const match = COMMA_NUMBER.exec(text);
  if (match) {
    const [, currency, whole, decimals, unit] = match;
    if (currency !== undefined && isOtherWord(currency)) return MARK.NO_NUMBER;
    return markOfDecimals(whole!, decimals!, currency !== undefined || isShortUnit(unit));
  }
  if (LIST.test(text)) return MARK.LIST;
  const groups = POINTED.exec(text)?.[1]?.split(".");
  // Four numbers of one byte each may be an address.
  if (groups) return groups.length === 4 && groups.every((group) => Number(group) <= 255) ? 0 : MARK.GROUPED;
  return DOTTED.test(text) ? MARK.DOTTED | MARK.NO_NUMBER : MARK.NO_NUMBER;
}

/** Longer words behind numbers may say of what there are several: `10,20 pages`. */
const UNIT_CHARS_MAX = 4;
const isShortUnit = (unit: string | undefined): boolean => unit !== undefined && unit.trim().length <= UNIT_CHARS_MAX;

/** True for three letters that are no currency, as in `BUS 12,13`, or a word as well. */
function isOtherWord(sign: string): boolean {
  const [word] = /^[A-Z]{3}/.exec(sign) ?? [];
  return word !== undefined && (!isCurrencyCode(word) || isCodeAndWord(word));
}

/** The mark of a number with a comma. `hasUnit`: it is one number, no list. */
function markOfDecimals(whole: string, decimals: string, hasUnit: boolean): number {
  if (!/^\d/.test(decimals) || /\D/.test(whole)) return MARK.DECIMAL_COMMA;
  if (decimals.length === GROUP_DIGITS && whole.length <= GROUP_DIGITS) {
    return whole === "0" ? MARK.DECIMAL_COMMA : 0;
  }
  // Numbers in lists rise, and have no zeros in front.
  const mayBeList = !hasUnit && !whole.startsWith("0") && !decimals.startsWith("0") && Number(whole) < Number(decimals);
  return mayBeList ? MARK.PAIR : MARK.DECIMAL_COMMA;
}
