/**
 * Reads one value from its bytes, without making strings: what kind of value it is, and its parts. Inference and casting both
 * stand on this one scanner; that is why what inference accepts, the cast accepts.
 */

/** What the text of a value looks like. Bits, so that a column can gather the kinds it has seen. */
export const KIND = {
  EMPTY: 0,
  INTEGER: 1,
  /** Plain decimal notation: 12.50 */
  DECIMAL: 2,
  /** Exponent notation, NaN, Infinity */
  DOUBLE: 4,
  BOOLEAN: 8,
  DATE: 16,
  TIMESTAMP: 32,
  TIMESTAMP_TZ: 64,
  TEXT: 128,
} as const;

/** The parts of the value scanned last. Reused: read it before the next scan. */
export interface Scan {
  /** The value without surrounding blanks. */
  start: number;
  end: number;
  negative: boolean;
  /** First digit after the sign, and the place of the decimal point (`end` or the exponent's place if there is none). */
  digits: number;
  point: number;
  /** Digits before the point, leading zeros not counted. */
  intDigits: number;
  /** Digits after the point, as written. */
  scale: number;
  /** All digits as one number, exact while `intDigits + scale` ≤ 15. */
  mantissa: number;
  boolean: boolean;
  /** Since 1970-01-01, of a date or timestamp. */
  days: number;
  /** Since 1970-01-01T00:00:00Z (or the wall clock's), of a timestamp. */
  seconds: number;
  /** 0…999999, to be added to `seconds`. */
  micros: number;
}

export const newScan = (): Scan => ({
  start: 0,
  end: 0,
  negative: false,
  digits: 0,
  point: 0,
  intDigits: 0,
  scale: 0,
  mantissa: 0,
  boolean: false,
  days: 0,
  seconds: 0,
  micros: 0,
});

const [SPACE, TAB, PLUS, MINUS, POINT, SLASH, ZERO, NINE, COLON] = [32, 9, 43, 45, 46, 47, 48, 57, 58];

/** Sets `start` and `end` without the spaces and tabs around. */
function trim(bytes: Uint8Array, start: number, end: number, scan: Scan): void {
  while (start < end && (bytes[start] === SPACE || bytes[start] === TAB)) start++;
  while (end > start && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end--;
  scan.start = start;
  scan.end = end;
}

/** The kind of the value in bytes[start, end), strictly: `007`, `+49`, `5.`, `yes` and impossible dates are text. */
export function classify(bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  trim(bytes, start, end, scan);
  start = scan.start;
  end = scan.end;
  if (start === end) return KIND.EMPTY;
  const first = bytes[start]!;
  if (first >= ZERO && first <= NINE) {
    const fifth = end - start >= 10 ? bytes[start + 4]! : 0;
    if (fifth === MINUS || fifth === SLASH) return scanMoment(bytes, scan);
    return scanNumber(bytes, scan);
  }
  if (first === MINUS || first === POINT) {
    const kind = scanNumber(bytes, scan);
    return kind === KIND.TEXT && isSpecialDouble(bytes, start, end) ? KIND.DOUBLE : kind;
  }
  const lower = first | 0x20;
  if (lower === 0x74 /* t */ || lower === 0x66 /* f */) return scanBoolean(bytes, scan);
  if (lower !== 0x6e /* n */ && lower !== 0x69 /* i */) return KIND.TEXT;
  scan.intDigits = 0;
  scan.scale = 0;
  return isSpecialDouble(bytes, start, end) ? KIND.DOUBLE : KIND.TEXT;
}

/** The kind, by the wider grammar of declared columns: also `+5`, `007`, `5.`; yes/no, y/n, t/f, on/off and 1/0 go by `scanTruth`. */
export function classifyLeniently(bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  const kind = classify(bytes, start, end, scan);
  return kind === KIND.TEXT ? scanNumber(bytes, scan, true) : kind;
}

/** Integer, plain decimal or exponent notation; else TEXT. Expects `start` and `end` in `scan`. */
function scanNumber(bytes: Uint8Array, scan: Scan, lenient = false): number {
  const { start, end } = scan;
  let at = start;
  const sign = bytes[at]!;
  if (sign === MINUS || (lenient && sign === PLUS)) at++;
  scan.negative = sign === MINUS;
  scan.digits = at;
  let mantissa = 0;
  let byte = 0;
  for (; at < end; at++) {
    byte = bytes[at]!;
    if (byte < ZERO || byte > NINE) break;
    mantissa = mantissa * 10 + byte - ZERO;
  }
  scan.point = at;
  let zeros = scan.digits;
  while (zeros < at && bytes[zeros] === ZERO) zeros++;
  const written = at - scan.digits;
  scan.intDigits = at - zeros;
  scan.scale = 0;
  if (!lenient && written > 1 && bytes[scan.digits] === ZERO) return KIND.TEXT;
  if (at === end) {
    scan.mantissa = mantissa;
    return written > 0 ? KIND.INTEGER : KIND.TEXT;
  }
  if (byte === POINT) {
    const fraction = ++at;
    for (; at < end; at++) {
      byte = bytes[at]!;
      if (byte < ZERO || byte > NINE) break;
      mantissa = mantissa * 10 + byte - ZERO;
    }
    scan.scale = at - fraction;
    scan.mantissa = mantissa;
    if (scan.scale === 0 && !(lenient && written > 0)) return KIND.TEXT;
    if (at === end) return KIND.DECIMAL;
  } else if (written === 0) {
    return KIND.TEXT;
  } else {
    scan.mantissa = mantissa;
  }
  const exponent = (byte | 0x20) === 0x65 /* e */ && isExponent(bytes, at + 1, end);
  return exponent && isRepresentable(bytes, scan) ? KIND.DOUBLE : KIND.TEXT;
}

/** False for numbers that a double would turn into infinity or zero. */
function isRepresentable(bytes: Uint8Array, { start, end, mantissa }: Scan): boolean {
  const value = Number(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1"));
  return Number.isFinite(value) && (value !== 0 || mantissa === 0);
}

function isExponent(bytes: Uint8Array, at: number, end: number): boolean {
  if (at < end && (bytes[at] === PLUS || bytes[at] === MINUS)) at++;
  // Three digits reach every double; more is no measurement but a hash such as 1e20240131.
  return at < end && end - at <= 3 && areDigits(bytes, at, end);
}

function areDigits(bytes: Uint8Array, at: number, end: number): boolean {
  for (; at < end; at++) if (bytes[at]! < ZERO || bytes[at]! > NINE) return false;
  return true;
}

/** NaN, Infinity, -Infinity, in just this spelling: other words may be names. */
function isSpecialDouble(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] === MINUS) return equals(bytes, start + 1, end, "Infinity");
  return equals(bytes, start, end, "NaN") || equals(bytes, start, end, "Infinity");
}

function equals(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word.charCodeAt(i)) return false;
  return true;
}

/** True if bytes[start, end) is `word` (lower-case letters) in any case. */
function equalsAnyCase(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) if ((bytes[start + i]! | 0x20) !== word.charCodeAt(i)) return false;
  return true;
}

function scanBoolean(bytes: Uint8Array, scan: Scan): number {
  scan.boolean = equalsAnyCase(bytes, scan.start, scan.end, "true");
  return scan.boolean || equalsAnyCase(bytes, scan.start, scan.end, "false") ? KIND.BOOLEAN : KIND.TEXT;
}

const TRUE_WORDS = ["true", "t", "yes", "y", "on"];
const FALSE_WORDS = ["false", "f", "no", "n", "off"];

/** The words a declared BOOLEAN may be written with, in any case; also 1 and 0. False if it is none of them. */
export function scanTruth(bytes: Uint8Array, start: number, end: number, scan: Scan): boolean {
  trim(bytes, start, end, scan);
  const is = (word: string) => equalsAnyCase(bytes, scan.start, scan.end, word);
  const digit = scan.end - scan.start === 1 ? bytes[scan.start]! - ZERO : -1;
  scan.boolean = digit === 1 || TRUE_WORDS.some(is);
  return scan.boolean || digit === 0 || FALSE_WORDS.some(is);
}

const DAYS_BEFORE_MONTH = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAYS_IN_MONTH = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

/** Days since 1970-01-01, or NaN if the calendar has no such day. Years 1 to 9999. */
export function daysOf(year: number, month: number, day: number): number {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return NaN;
  const leap = isLeap(year);
  if (day > DAYS_IN_MONTH[month]! + (leap && month === 2 ? 1 : 0)) return NaN;
  const before = year - 1;
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400);
  return before * 365 + leapDays + DAYS_BEFORE_MONTH[month]! + (leap && month > 2 ? 1 : 0) + day - 719_163;
}

/** The number written by the two digits at `at`, or NaN. */
function two(bytes: Uint8Array, at: number): number {
  const high = bytes[at]! - ZERO;
  const low = bytes[at + 1]! - ZERO;
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : NaN;
}

/** yyyy-MM-dd or yyyy/MM/dd, then maybe a time of day, then maybe an offset; else TEXT (`start` holds a digit). */
function scanMoment(bytes: Uint8Array, scan: Scan): number {
  const { start, end } = scan;
  if (bytes[start + 7] !== bytes[start + 4]) return KIND.TEXT;
  const year = two(bytes, start) * 100 + two(bytes, start + 2);
  scan.days = daysOf(year, two(bytes, start + 5), two(bytes, start + 8));
  if (!(scan.days === scan.days)) return KIND.TEXT;
  scan.seconds = scan.days * 86_400;
  scan.micros = 0;
  if (end - start === 10) return KIND.DATE;
  const separator = bytes[start + 10];
  if ((separator !== SPACE && separator !== 0x54) /* T */ || end - start < 16) return KIND.TEXT;
  const at = scanTime(bytes, start + 11, scan);
  if (at < 0) return KIND.TEXT;
  if (at === end) return KIND.TIMESTAMP;
  const offset = scanOffset(bytes, at, end);
  if (!(offset === offset)) return KIND.TEXT;
  scan.seconds -= offset;
  // An instant that its offset moves out of the years 1…9999 has no place in a table.
  return scan.seconds < MIN_SECONDS || scan.seconds > MAX_SECONDS ? KIND.TEXT : KIND.TIMESTAMP_TZ;
}

const MIN_SECONDS = daysOf(1, 1, 1) * 86_400;
const MAX_SECONDS = daysOf(9999, 12, 31) * 86_400 + 86_399;

/** HH:mm[:ss[.ffffff]] at `at`, added to the scan's seconds; the place after it, or -1. More than six digits must be zeros. */
function scanTime(bytes: Uint8Array, at: number, scan: Scan): number {
  const { end } = scan;
  const [hour, minute] = [two(bytes, at), two(bytes, at + 3)];
  if (!(hour <= 23 && minute <= 59) || bytes[at + 2] !== COLON) return -1;
  at += 5;
  scan.seconds += hour * 3_600 + minute * 60;
  if (at >= end || bytes[at] !== COLON) return at;
  const second = at + 3 <= end ? two(bytes, at + 1) : NaN;
  if (!(second <= 59)) return -1;
  scan.seconds += second;
  at += 3;
  if (at >= end || bytes[at] !== POINT) return at;
  return scanFraction(bytes, at + 1, scan);
}

/** Digits of a second's fraction at `at`, into the scan's micros; the place after them, or -1. */
export function scanFraction(bytes: Uint8Array, at: number, scan: Scan): number {
  const first = at;
  let micros = 0;
  for (; at < scan.end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) break;
    if (at - first < 6) micros = micros * 10 + digit;
    else if (digit !== 0) return -1;
  }
  if (at === first) return -1;
  for (let written = at - first; written < 6; written++) micros *= 10;
  scan.micros = micros;
  return at;
}

/** Seconds east of UTC of `Z`, ` UTC`, `+hh`, `+hhmm` or `+hh:mm` in bytes[at, end), or NaN. A space may go before. */
export function scanOffset(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === SPACE) at++;
  if (end - at === 1 && (bytes[at]! | 0x20) === 0x7a /* z */) return 0;
  if (end - at === 3 && equals(bytes, at, end, "UTC")) return 0;
  const sign = bytes[at] === PLUS ? 1 : bytes[at] === MINUS ? -1 : NaN;
  const length = end - at;
  if (length !== 3 && length !== 5 && length !== 6) return NaN;
  if (length === 6 && bytes[at + 3] !== COLON) return NaN;
  const [hours, minutes] = [two(bytes, at + 1), length === 3 ? 0 : two(bytes, end - 2)];
  return hours <= 18 && minutes <= 59 ? sign * (hours * 3_600 + minutes * 60) : NaN;
}
