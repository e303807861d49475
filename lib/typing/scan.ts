/**
 * Reads one value from its bytes without building strings: its kind and its parts. Inference and casting
 * share this scanner, so casting accepts everything that inference accepted.
 */

/** Kind of a value by its text. Bits, so that a column can collect the kinds it has seen. */
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

/** The parts of the last value. Reused: read them before the next scan. */
export interface Scan {
  /** The value without surrounding blanks. */
  start: number;
  end: number;
  negative: boolean;
  /** Positions of the first digit and of the decimal point (without a point: `end`, or the exponent). */
  digits: number;
  point: number;
  /** Digits before the point, without leading zeros. */
  intDigits: number;
  /** Digits after the point, as written. */
  scale: number;
  /** All digits as one number, exact while `intDigits + scale` ≤ 15. */
  mantissa: number;
  boolean: boolean;
  /** Days since 1970-01-01, for a date or timestamp. */
  days: number;
  /** Seconds since 1970-01-01T00:00:00, UTC or local, for a timestamp. */
  seconds: number;
  /** 0 to 999999, added to `seconds`. */
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

/** Sets `start` and `end`, excluding surrounding spaces and tabs. */
export function trim(bytes: Uint8Array, start: number, end: number, scan: Scan): void {
  while (start < end && (bytes[start] === SPACE || bytes[start] === TAB)) start++;
  while (end > start && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end--;
  scan.start = start;
  scan.end = end;
}

/** Kind of bytes[start, end) in strict notation: `007`, `+49`, `5.`, `yes` and impossible dates are text. */
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

/** As `classify`, and `1e5` is a number: for columns that are known to hold numbers with exponents. */
export function classifyDouble(bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  const kind = classify(bytes, start, end, scan);
  return kind === KIND.TEXT ? scanNumber(bytes, scan, NOTATION.ANY_EXPONENT) : kind;
}

/**
 * Kind in the notation of declared columns, which adds `+5`, `007` and `5.`; for booleans see `scanTruth`.
 */
export function classifyLeniently(bytes: Uint8Array, start: number, end: number, scan: Scan): number {
  const kind = classify(bytes, start, end, scan);
  return kind === KIND.TEXT ? scanNumber(bytes, scan, NOTATION.LENIENT) : kind;
}

const NOTATION = { STRICT: 0, ANY_EXPONENT: 1, LENIENT: 2 } as const;

/** Integer, plain decimal or exponent notation; else TEXT. `scan.start` and `scan.end` must be set. */
function scanNumber(bytes: Uint8Array, scan: Scan, notation: number = NOTATION.STRICT): number {
  const { start, end } = scan;
  const lenient = notation === NOTATION.LENIENT;
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
  const hasExponent = (byte | 0x20) === 0x65 /* e */ && isExponent(bytes, at + 1, end);
  if (hasExponent && notation === NOTATION.STRICT && !isScientific(bytes, at, scan)) return KIND.TEXT;
  return hasExponent && isRepresentable(bytes, scan) ? KIND.DOUBLE : KIND.TEXT;
}

/**
 * Whether a program wrote the number: with a decimal point (1.5E3), or with one digit and a signed exponent
 * (1e-05, 1E+11). Product codes such as 32E01 and 5E0 are text. `at` is the position of the `e`.
 */
const isScientific = (bytes: Uint8Array, at: number, { scale, point, digits }: Scan): boolean =>
  scale > 0 || (point - digits === 1 && (bytes[at + 1] === PLUS || bytes[at + 1] === MINUS));

/** False for numbers that become infinity or zero as a double. */
function isRepresentable(bytes: Uint8Array, { start, end, mantissa }: Scan): boolean {
  const value = Number(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1"));
  return Number.isFinite(value) && (value !== 0 || mantissa === 0);
}

function isExponent(bytes: Uint8Array, at: number, end: number): boolean {
  if (at < end && (bytes[at] === PLUS || bytes[at] === MINUS)) at++;
  // Three digits cover every double; longer exponents are identifiers such as 1e20240131.
  return at < end && end - at <= 3 && areDigits(bytes, at, end);
}

function areDigits(bytes: Uint8Array, at: number, end: number): boolean {
  for (; at < end; at++) if (bytes[at]! < ZERO || bytes[at]! > NINE) return false;
  return true;
}

/** NaN, Infinity and -Infinity in exactly this spelling: other spellings may be names. */
function isSpecialDouble(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] === MINUS) return equals(bytes, start + 1, end, "Infinity");
  return equals(bytes, start, end, "NaN") || equals(bytes, start, end, "Infinity");
}

function equals(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word.charCodeAt(i)) return false;
  return true;
}

/** True if bytes[start, end) equals `word` (lower case), ignoring case. */
function equalsAnyCase(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) if ((bytes[start + i]! | 0x20) !== word.charCodeAt(i)) return false;
  return true;
}

function scanBoolean(bytes: Uint8Array, scan: Scan): number {
  scan.boolean = equalsAnyCase(bytes, scan.start, scan.end, "true");
  return scan.boolean || equalsAnyCase(bytes, scan.start, scan.end, "false") ? KIND.BOOLEAN : KIND.TEXT;
}

export const TRUE_WORDS = ["true", "t", "yes", "y", "on"];
export const FALSE_WORDS = ["false", "f", "no", "n", "off"];

/**
 * Reads a declared BOOLEAN: true/false, yes/no, y/n, t/f, on/off in any case, 1/0. False if it is none of
 * these.
 */
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

/** Days since 1970-01-01; NaN if the date does not exist. Years 1 to 9999. */
export function daysOf(year: number, month: number, day: number): number {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return NaN;
  const leap = isLeap(year);
  if (day > DAYS_IN_MONTH[month]! + (leap && month === 2 ? 1 : 0)) return NaN;
  const before = year - 1;
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400);
  return before * 365 + leapDays + DAYS_BEFORE_MONTH[month]! + (leap && month > 2 ? 1 : 0) + day - 719_163;
}

/** The number in the two digits at `at`; NaN if they are not digits. */
function two(bytes: Uint8Array, at: number): number {
  const high = bytes[at]! - ZERO;
  const low = bytes[at + 1]! - ZERO;
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : NaN;
}

/** yyyy-MM-dd or yyyy/MM/dd with optional time and offset; else TEXT. The value must start with a digit. */
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
  return isStorable(scan.seconds) ? KIND.TIMESTAMP_TZ : KIND.TEXT;
}

/** Tables hold years 1 to 9999 only, in UTC: an offset can move an instant out of them. */
export const isStorable = (seconds: number): boolean => seconds >= MIN_SECONDS && seconds <= MAX_SECONDS;

const MIN_SECONDS = daysOf(1, 1, 1) * 86_400;
const MAX_SECONDS = daysOf(9999, 12, 31) * 86_400 + 86_399;

/**
 * Adds HH:mm[:ss[.ffffff]] at `at` to the scan's seconds. Returns the position after it, or -1. Digits
 * beyond the sixth must be zeros.
 */
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

/** Reads the fraction of a second at `at` into the scan's micros. Returns the position after it, or -1. */
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

/**
 * Seconds east of UTC for `Z`, `UTC`, `+hh`, `+hhmm` or `+hh:mm` in bytes[at, end), after an optional space;
 * else NaN.
 */
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
