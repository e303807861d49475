import { TributaryError } from "../errors.ts";
import { daysOf, isStorable, KIND, scanFraction, scanOffset, type Scan } from "./scan.ts";

/** One element of a date format: a field to read, or a required byte. */
type Piece = { field: string; digitsMin: number; digitsMax: number } | { byte: number };

/** A contract's `format`, parsed. */
export interface MomentFormat {
  text: string;
  pieces: readonly Piece[];
  /** Kind of its values: KIND.DATE, TIMESTAMP or TIMESTAMP_TZ. */
  kind: number;
}

const FIELDS = new Map<string, [digitsMin: number, digitsMax: number]>(
  Object.entries<[number, number]>({
    yyyy: [4, 4],
    yy: [2, 2],
    MMM: [0, 0],
    MM: [2, 2],
    M: [1, 2],
    dd: [2, 2],
    d: [1, 2],
    HH: [2, 2],
    H: [1, 2],
    hh: [2, 2],
    h: [1, 2],
    mm: [2, 2],
    ss: [2, 2],
    S: [0, 0],
    a: [0, 0],
    X: [0, 0],
  }),
);

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/**
 * Parses a pattern such as `dd/MM/yyyy`, `M/d/yy h:mm a` or `yyyy-MM-dd'T'HH:mm:ss.SSSXXX`. Letters: y M d H
 * h m s S a X. `MMM` is an English month name of three letters, `S…` any number of fraction digits, `X…` any
 * offset or `Z`, `yy` a year from 1970 to 2069. Text in single quotes and all other characters must occur
 * literally.
 * @throws CONTRACT_INVALID for an unknown letter, or a missing year, month or day
 */
export function momentFormat(text: string): MomentFormat {
  const pieces: Piece[] = [];
  const literal = (word: string): void => {
    for (const byte of Buffer.from(word)) pieces.push({ byte });
  };
  for (const [part] of text.matchAll(/'([^']*)'|([A-Za-z])\2*|[^A-Za-z']/g)) {
    if (!/^[A-Za-z]/.test(part)) {
      literal(part.replaceAll("'", ""));
      continue;
    }
    const field = /^[SX]/.test(part) ? part[0]! : part;
    const digits = FIELDS.get(field);
    if (!digits) throw new TributaryError("CONTRACT_INVALID", `format '${text}': unknown field '${part}'`);
    pieces.push({ field, digitsMin: digits[0], digitsMax: digits[1] });
  }
  const has = (pattern: RegExp): boolean => pieces.some((piece) => "field" in piece && pattern.test(piece.field));
  if (!has(/^y/) || !has(/^M/) || !has(/^d/)) {
    throw new TributaryError("CONTRACT_INVALID", `format '${text}' needs a year (yyyy), a month (MM) and a day (dd)`);
  }
  return { text, pieces, kind: has(/^X/) ? KIND.TIMESTAMP_TZ : has(/^[Hh]/) ? KIND.TIMESTAMP : KIND.DATE };
}

/** The fields of one value; -1 where the format has no such field. */
interface Parts {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  afternoon: number;
  offset: number;
}

/**
 * Reads bytes[scan.start, scan.end) by the format into the scan. Returns the format's kind, or TEXT if it
 * does not match.
 */
export function scanFormatted(format: MomentFormat, bytes: Uint8Array, scan: Scan): number {
  const parts: Parts = { year: -1, month: -1, day: -1, hour: 0, minute: 0, second: 0, afternoon: -1, offset: 0 };
  scan.micros = 0;
  let at = scan.start;
  for (const piece of format.pieces) {
    if ("byte" in piece) {
      if (at >= scan.end || bytes[at] !== piece.byte) return KIND.TEXT;
      at++;
    } else {
      at = readPiece(piece, bytes, at, scan, parts);
      if (at < 0) return KIND.TEXT;
    }
  }
  if (at !== scan.end) return KIND.TEXT;
  scan.days = daysOf(parts.year, parts.month, parts.day);
  const hour = hourOf(parts);
  if (!(scan.days === scan.days) || hour < 0 || hour > 23 || parts.minute > 59 || parts.second > 59) return KIND.TEXT;
  scan.seconds = scan.days * 86_400 + hour * 3_600 + parts.minute * 60 + parts.second - parts.offset;
  return isStorable(scan.seconds) ? format.kind : KIND.TEXT;
}

/** The hour of the day; -1 if it is not valid on a 12-hour clock. */
function hourOf({ hour, afternoon }: Parts): number {
  if (afternoon < 0) return hour;
  return hour < 1 || hour > 12 ? -1 : (hour % 12) + 12 * afternoon;
}

function readPiece(
  piece: Extract<Piece, { field: string }>,
  bytes: Uint8Array,
  at: number,
  scan: Scan,
  parts: Parts,
): number {
  if (piece.field === "S") return scanFraction(bytes, at, scan);
  if (piece.field === "X") {
    parts.offset = scanOffset(bytes, at, scan.end);
    return parts.offset === parts.offset ? scan.end : -1;
  }
  if (piece.field === "MMM") {
    parts.month =
      MONTHS.indexOf(
        Buffer.from(bytes.subarray(at, at + 3))
          .toString("latin1")
          .toLowerCase(),
      ) + 1;
    return at + 3 <= scan.end ? at + 3 : -1;
  }
  if (piece.field === "a") {
    const half = Buffer.from(bytes.subarray(at, at + 2))
      .toString("latin1")
      .toLowerCase();
    parts.afternoon = half === "pm" ? 1 : 0;
    return half === "am" || half === "pm" ? at + 2 : -1;
  }
  let value = 0;
  const first = at;
  for (; at < scan.end && at - first < piece.digitsMax; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (at - first < piece.digitsMin) return -1;
  keep(piece.field, value, parts);
  return at;
}

function keep(field: string, value: number, parts: Parts): void {
  if (field === "yyyy") parts.year = value;
  else if (field === "yy") parts.year = value + (value < 70 ? 2000 : 1900);
  else if (field[0] === "M") parts.month = value;
  else if (field[0] === "d") parts.day = value;
  else if (field === "mm") parts.minute = value;
  else if (field === "ss") parts.second = value;
  else parts.hour = value;
}
