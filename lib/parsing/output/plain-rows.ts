import type { PlainText, RowsTaken } from "../../formats/format.ts";
import { daysOf, KIND } from "../../typing/scan.ts";
import type { Plan } from "../plan.ts";
import { FORM, ValueForms } from "./value-forms.ts";

const [LF, CR, SPACE, TAB, MINUS, POINT, SLASH, ZERO, NINE] = [10, 13, 32, 9, 45, 46, 47, 48, 57];
const [COLON, PLUS, UPPER_T, UPPER_Z] = [58, 43, 84, 90];
/** First bytes of a byte order mark, and of the blanks that are several bytes: U+00A0 and U+3000. */
const [BOM_BYTE, NBSP_BYTE, WIDE_BYTE] = [0xef, 0xc2, 0xe3];
/** Delimiters that are in no number, date or boolean. */
const DELIMITERS = [...Buffer.from(",;\t|")];
/** No position: the value is not plain. */
const NOT_PLAIN = -1;

/**
 * Takes plain rows of a file whose load is planned: rows that load, and of whose values the parser learns
 * nothing new. It reads each byte once, in one loop, and stops before the first row that it is not sure of.
 * The parser reads that row as always, so that nothing but time depends on what is plain.
 */
export class PlainRows {
  readonly #forms: ValueForms;
  readonly #padded: Uint8Array;
  readonly #rowBytesMax: number;
  /** Bytes of the longest row that was taken, without its line end. */
  rowBytes = 0;

  /** `padded`: by field, whether a value with blanks around it was seen. */
  constructor(padded: Uint8Array, rowBytesMax: number) {
    this.#forms = new ValueForms(padded.length);
    this.#padded = padded;
    this.#rowBytesMax = rowBytesMax;
  }

  /** Takes rows from the beginning of the text on. */
  take(text: PlainText, plan: Plan): RowsTaken | undefined {
    const { delimiter, quote, to, lineEndBytes } = text;
    if (!DELIMITERS.includes(delimiter)) return undefined;
    const forms = this.#forms;
    forms.update(plan, this.#padded);
    const ends = { unquoted: endsOf([delimiter, quote, LF, CR]), quoted: endsOf([quote, LF, CR]) };
    const bytesMax = Math.min(this.#rowBytesMax, text.rowBytesMax);
    let { rowBytes } = this;
    let rows = 0;
    let at = 0;
    while (at < to) {
      const next = rowEnd(text, at, forms, ends);
      const length = next - at - lineEndBytes;
      if (next === NOT_PLAIN || length > bytesMax) break;
      if (length > rowBytes) rowBytes = length;
      at = next;
      rows++;
    }
    this.rowBytes = rowBytes;
    return { rows, next: at };
  }
}

/** By byte: 1 if it may end a text, without quotes around it and with quotes. */
interface Ends {
  unquoted: Uint8Array;
  quoted: Uint8Array;
}

function endsOf(bytes: readonly number[]): Uint8Array {
  const ends = new Uint8Array(256);
  for (const byte of bytes) if (byte >= 0) ends[byte] = 1;
  return ends;
}

/** The position after the row that begins at `at`; NOT_PLAIN. The text ends with a line end. */
function rowEnd(text: PlainText, at: number, forms: ValueForms, ends: Ends): number {
  const { bytes, delimiter, quote, lineEndBytes } = text;
  const { form, required } = forms;
  const last = form.length - 1;
  const lineEnd = lineEndBytes === 2 ? CR : LF;
  let hasValue = false;
  if (bytes[at] === BOM_BYTE) return NOT_PLAIN;
  for (let field = 0; field <= last; field++) {
    const stop = field < last ? delimiter : lineEnd;
    const quoted = bytes[at] === quote;
    if (quoted) at++;
    const start = at;
    const byte = bytes[at]!;
    const close = quoted ? quote : stop;
    if (byte === close) {
      if (required[field] === 1) return NOT_PLAIN;
    } else {
      const own = form[field]!;
      if (own === FORM.EMPTY) return NOT_PLAIN;
      if (own <= FORM.TEXT) at = textEnd(bytes, at, close, quoted ? ends.quoted : ends.unquoted);
      else if (own === FORM.NUMBER) at = numberEnd({ bytes, at, close, field }, forms);
      else if (own === FORM.MOMENT) at = momentEnd(bytes, at, close, forms.kinds[field]!);
      else at = booleanEnd(bytes, at, close);
      if (at === NOT_PLAIN) return NOT_PLAIN;
      if (own === FORM.TEXT && (isBlank(byte) || isBlank(bytes[at - 1]!))) return NOT_PLAIN;
      hasValue ||= byte !== SPACE && byte !== TAB && byte !== NBSP_BYTE && byte !== WIDE_BYTE;
    }
    if (field === 0 && text.isLikeHeader(bytes, start, at)) return NOT_PLAIN;
    if (quoted && bytes[++at] !== stop) return NOT_PLAIN;
    at++;
  }
  // A row without a value is no row.
  if (!hasValue) return NOT_PLAIN;
  if (lineEndBytes === 1) return at;
  return bytes[at] === LF ? at + 1 : NOT_PLAIN;
}

function textEnd(bytes: Uint8Array, at: number, close: number, ends: Uint8Array): number {
  let byte = bytes[at]!;
  while (ends[byte] === 0) byte = bytes[++at]!;
  return byte === close ? at : NOT_PLAIN;
}

function numberEnd(
  { bytes, at, close, field }: { bytes: Uint8Array; at: number; close: number; field: number },
  forms: ValueForms,
): number {
  if (bytes[at] === MINUS) at++;
  const first = at;
  let byte = bytes[at]!;
  while (isDigit(byte)) byte = bytes[++at]!;
  const written = at - first;
  const isZero = bytes[first] === ZERO;
  if (isZero && written > 1) return NOT_PLAIN;
  const digits = isZero ? 0 : written;
  if (byte === close) {
    if (written === 0 || digits > forms.integerDigits[field]!) return NOT_PLAIN;
    return digits === forms.edgeDigits[field] && bytes[first]! > forms.edgeFirst[field]! ? NOT_PLAIN : at;
  }
  if (byte !== POINT || digits > forms.intDigits[field]!) return NOT_PLAIN;
  const fraction = ++at;
  byte = bytes[at]!;
  while (isDigit(byte)) byte = bytes[++at]!;
  const scale = at - fraction;
  if (byte !== close || scale === 0 || scale > forms.scale[field]!) return NOT_PLAIN;
  return digits + scale <= forms.significant[field]! ? at : NOT_PLAIN;
}

const isBlank = (byte: number): boolean => byte === SPACE || byte === TAB;
const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE;

/** The number in the two digits at `at`; NaN if they are not digits. */
function two(bytes: Uint8Array, at: number): number {
  const high = bytes[at]! - ZERO;
  const low = bytes[at + 1]! - ZERO;
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : NaN;
}

/** `true` or `false` in any case. */
function booleanEnd(bytes: Uint8Array, start: number, close: number): number {
  const word = (bytes[start]! | 0x20) === TRUE[0] ? TRUE : FALSE;
  for (let i = 0; i < word.length; i++) if ((bytes[start + i]! | 0x20) !== word[i]) return NOT_PLAIN;
  return bytes[start + word.length] === close ? start + word.length : NOT_PLAIN;
}

const [TRUE, FALSE] = [Buffer.from("true"), Buffer.from("false")];

/** A date of the years 1000 to 9998, which no offset moves beyond what tables hold, or such a time. */
function momentEnd(bytes: Uint8Array, start: number, close: number, kinds: number): number {
  const separator = bytes[start + 4];
  if ((separator !== MINUS && separator !== SLASH) || bytes[start + 7] !== separator) return NOT_PLAIN;
  const year = two(bytes, start) * 100 + two(bytes, start + 2);
  const month = two(bytes, start + 5);
  const day = two(bytes, start + 8);
  if (!(year >= 1000 && year <= 9998 && month >= 1 && month <= 12 && day >= 1)) return NOT_PLAIN;
  if (day > 28 && Number.isNaN(daysOf(year, month, day))) return NOT_PLAIN;
  let at = start + 10;
  if (bytes[at] === close) return (kinds & KIND.DATE) === 0 ? NOT_PLAIN : at;
  if (bytes[at] !== SPACE && bytes[at] !== UPPER_T) return NOT_PLAIN;
  at = timeEnd(bytes, at + 1);
  if (at === NOT_PLAIN) return at;
  if (bytes[at] === close) return (kinds & KIND.TIMESTAMP) === 0 ? NOT_PLAIN : at;
  if ((kinds & KIND.TIMESTAMP_TZ) === 0) return NOT_PLAIN;
  at = offsetEnd(bytes, at);
  return bytes[at] === close ? at : NOT_PLAIN;
}

/** HH:mm[:ss[.f]], with up to six digits after the point. */
function timeEnd(bytes: Uint8Array, at: number): number {
  if (!(two(bytes, at) <= 23 && two(bytes, at + 3) <= 59) || bytes[at + 2] !== COLON) return NOT_PLAIN;
  at += 5;
  if (bytes[at] !== COLON) return at;
  if (!(two(bytes, at + 1) <= 59)) return NOT_PLAIN;
  at += 3;
  if (bytes[at] !== POINT) return at;
  const fraction = ++at;
  while (isDigit(bytes[at]!)) at++;
  return at > fraction && at - fraction <= 6 ? at : NOT_PLAIN;
}

/** `Z` or `+hh:mm`. */
function offsetEnd(bytes: Uint8Array, at: number): number {
  if (bytes[at] === UPPER_Z) return at + 1;
  if ((bytes[at] !== PLUS && bytes[at] !== MINUS) || bytes[at + 3] !== COLON) return NOT_PLAIN;
  return two(bytes, at + 1) <= 18 && two(bytes, at + 4) <= 59 ? at + 6 : NOT_PLAIN;
}
