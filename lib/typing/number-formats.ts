import { classifyLeniently, KIND, type Scan } from "./scan.ts";

/** How a contract says that the numbers of a column are written. */
export interface NumberOptions {
  decimal?: "." | "," | undefined;
  /** The character between groups of digits; undefined: none. */
  group?: string | undefined;
  /** Texts before or after the number that are left out. */
  strip?: readonly string[] | undefined;
  percent?: boolean | undefined;
  parentheses?: boolean | undefined;
}

/** A contract's `number`, prepared. One column's values share it, and its `canonical`. */
export interface NumberFormat {
  decimal: number;
  groups: readonly Buffer[];
  strip: readonly Buffer[];
  percent: boolean;
  parentheses: boolean;
  /** The last number in the notation of programs: 1.248,61 as 1248.61. The scan's positions are in here. */
  canonical: Buffer;
}

/** Longer texts are not numbers: no type keeps so many digits. */
const NUMBER_BYTES_MAX = 400;
const [PLUS, COMMA, MINUS, POINT, OPEN, CLOSE, ZERO, NINE, E] = [43, 44, 45, 46, 40, 41, 48, 57, 0x65];

const NO_BREAK = "\u00a0";
const BLANKS = [" ", "\t", NO_BREAK, "\u202f", "\u2009"].map((text) => Buffer.from(text));
const APOSTROPHES = ["'", "’"].map((text) => Buffer.from(text));
const MINUS_SIGN = Buffer.from("−");
const PERCENT = Buffer.from("%");
const PER_MILLE = Buffer.from("‰");

/** Characters that may separate groups of digits. Blanks of any width are one, apostrophes too. */
export const GROUP_CHARACTERS = [",", ".", " ", NO_BREAK, "\u202f", "\u2009", "'", "’", "_"] as const;

export function numberFormat(options: NumberOptions): NumberFormat {
  const { decimal = ".", group, strip = [], percent = false, parentheses = false } = options;
  return {
    decimal: decimal.charCodeAt(0),
    groups: group === undefined ? [] : groupsOf(Buffer.from(group)),
    strip: strip.map((text) => Buffer.from(text)).toSorted((a, b) => b.length - a.length),
    percent,
    parentheses,
    canonical: Buffer.alloc(NUMBER_BYTES_MAX + 8),
  };
}

function groupsOf(group: Buffer): readonly Buffer[] {
  const alike = [BLANKS, APOSTROPHES].find((family) => family.some((one) => one.equals(group)));
  return alike ?? [group];
}

/**
 * Kind of bytes[start, end) as a number of this format; EMPTY for blanks, TEXT for what is not such a number.
 * Groups must be whole: `1.5` is not 15 where the point separates groups.
 */
export function scanNumberAs(
  format: NumberFormat,
  bytes: Uint8Array,
  { start, end }: { start: number; end: number },
  scan: Scan,
): number {
  scan.start = start;
  scan.end = start;
  if (end - start > NUMBER_BYTES_MAX) return KIND.TEXT;
  const frame = unframe(format, bytes, start, end);
  if (!frame) return KIND.TEXT;
  if (frame === BLANK) return KIND.EMPTY;
  const length = writeDigits(format, bytes, frame);
  if (length === 0) return KIND.TEXT;
  return classifyLeniently(format.canonical, 0, length, scan);
}

/** A number without what surrounds its digits. */
interface Frame {
  start: number;
  end: number;
  negative: boolean;
  /** Power of ten by which the digits are divided: 2 for per cent, 3 for per mille. */
  shift: number;
}

const BLANK: Frame = { start: 0, end: 0, negative: false, shift: 0 };

/** Takes signs, parentheses, percent signs and stripped texts off, each once, in any order. */
function unframe(format: NumberFormat, bytes: Uint8Array, start: number, end: number): Frame | undefined {
  const at = { start, end };
  skipBlanks(bytes, at);
  if (at.start === at.end) return BLANK;
  let [signs, parentheses, stripped, shift] = [0, 0, 0, 0];
  let negative = false;
  for (let before = -1; before !== at.end - at.start;) {
    before = at.end - at.start;
    const sign = takeSign(bytes, at);
    if (sign !== 0) {
      signs++;
      negative ||= sign < 0;
    }
    if (format.parentheses && bytes[at.start] === OPEN && bytes[at.end - 1] === CLOSE && at.end - at.start > 2) {
      at.start++;
      at.end--;
      parentheses++;
      negative = true;
    }
    if (format.strip.some((text) => takeEdge(bytes, at, text))) stripped++;
    if (format.percent && takeEdge(bytes, at, PERCENT)) shift += 2;
    if (format.percent && takeEdge(bytes, at, PER_MILLE)) shift += 3;
    skipBlanks(bytes, at);
  }
  if (signs + parentheses > 1 || stripped > 2 || shift > 3) return undefined;
  // A column of percentages must say of each value that it is one: 5 could be 5 or 500 %.
  if (format.percent && shift === 0) return undefined;
  return { ...at, negative, shift };
}

/** 1 or -1 for a sign before or after the number, which is taken off; else 0. */
function takeSign(bytes: Uint8Array, at: { start: number; end: number }): number {
  if (takeEdge(bytes, at, MINUS_SIGN)) return -1;
  const [first, last] = [bytes[at.start], bytes[at.end - 1]];
  if (first === MINUS || first === PLUS) {
    at.start++;
    return first === MINUS ? -1 : 1;
  }
  if (last !== MINUS && last !== PLUS) return 0;
  at.end--;
  return last === MINUS ? -1 : 1;
}

function takeEdge(bytes: Uint8Array, at: { start: number; end: number }, text: Buffer): boolean {
  if (isAt(bytes, at.start, at.end, text)) at.start += text.length;
  else if (isAt(bytes, at.end - text.length, at.end, text) && at.end - text.length >= at.start) at.end -= text.length;
  else return false;
  return true;
}

function skipBlanks(bytes: Uint8Array, at: { start: number; end: number }): void {
  while (BLANKS.some((blank) => takeEdge(bytes, at, blank)));
}

function isAt(bytes: Uint8Array, start: number, end: number, text: Buffer): boolean {
  if (start < 0 || start + text.length > end) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text[i]) return false;
  return true;
}

/** Writes the number to `canonical`. Returns its length; 0 if a character or a group is not in its place. */
function writeDigits(format: NumberFormat, bytes: Uint8Array, frame: Frame): number {
  const { canonical } = format;
  let length = 0;
  if (frame.negative) canonical[length++] = MINUS;
  const first = length;
  let [groups, inGroup, point] = [0, 0, -1];
  for (let at = frame.start; at < frame.end;) {
    const byte = bytes[at]!;
    if (byte >= ZERO && byte <= NINE) {
      canonical[length++] = byte;
      inGroup++;
      at++;
      continue;
    }
    const isInteger = point < 0;
    if (isInteger && byte === format.decimal) {
      if (groups > 0 && inGroup !== 3) return 0;
      point = length;
      canonical[length++] = POINT;
      at++;
      continue;
    }
    const group = isInteger ? format.groups.find((one) => isAt(bytes, at, frame.end, one)) : undefined;
    if (group === undefined) {
      if ((byte | 0x20) !== E || frame.shift > 0 || groups > 0 || length === first) return 0;
      while (at < frame.end) canonical[length++] = bytes[at++]!;
      return length;
    }
    const isWhole = groups === 0 ? inGroup >= 1 && inGroup <= 3 && canonical[first] !== ZERO : isInner(inGroup, byte);
    if (!isWhole) return 0;
    groups++;
    inGroup = 0;
    at += group.length;
  }
  if (point < 0 && groups > 0 && inGroup !== 3) return 0;
  if (length === first) return 0;
  return frame.shift === 0 ? length : shiftPoint(canonical, { first, length, point }, frame.shift);
}

/** Three digits, or two in the Indian way: 12,34,567. */
const isInner = (digits: number, group: number): boolean => digits === 3 || (digits === 2 && group === COMMA);

/** Moves the point `shift` digits to the left, without rounding. Returns the new length. */
function shiftPoint(
  canonical: Buffer,
  { first, length, point }: { first: number; length: number; point: number },
  shift: number,
): number {
  const text = canonical.toString("latin1", first, length).replace(".", "");
  const whole = (point < 0 ? length : point) - first;
  const padded = text.padStart(text.length + Math.max(0, shift + 1 - whole), "0");
  const cut = padded.length - (text.length - whole) - shift;
  const written = `${padded.slice(0, cut).replace(/^0+(?=\d)/, "")}.${padded.slice(cut)}`;
  return first + canonical.write(written, first, "latin1");
}
