import type { ColumnType } from "../../../columns.ts";

/**
 * What a cell looks like to a person. Wider than the types that columns can have: a price or a date in any
 * usual notation says as much about the structure of a file as a number does.
 */
export type Kind =
  | "empty"
  /** A usual text for a missing value. */
  | "marker"
  | "integer"
  | "decimal"
  | "money"
  | "boolean"
  | "date"
  | "time"
  | "timestamp"
  /** URL, e-mail address, IP address, UUID. */
  | "link"
  /** Letters and digits without blanks: MG-8769. */
  | "code"
  | "word"
  | "text";

/** Longer cells are text, or links. */
const TYPED_CHARS_MAX = 64;

const INTEGER = /^[+-]?\d+$/;
const DECIMAL =
  /^[+-]?(?:(?:\d+[.,]\d*|[.,]\d+)(?:e[+-]?\d{1,3})?|\d+e[+-]?\d{1,3}|\d{1,3}(?:[.,' \u00a0\u202f]\d{3})+(?:[.,]\d+)?)$/i;
const MONEY = /^\(?[+-]? ?(?:[$€£¥₹] ?[+-]?\d[\d.,]*|\d[\d.,]* ?(?:[%$€£¥₹]|EUR|USD|GBP|CHF))\)?$/;
const DATE_TEXT =
  "(?:\\d{4}([-/.])\\d{1,2}\\1\\d{1,2}|\\d{1,2}([-/.])\\d{1,2}\\2(?:\\d{4}|\\d{2})|" +
  "\\d{1,2}[- ][a-z]{3,9}[- ]\\d{2,4}|[a-z]{3,9} \\d{1,2}, ?\\d{4})";
const TIME_TEXT = "\\d{1,2}:\\d{2}(?::\\d{2}(?:[.,]\\d+)?)?(?: ?[ap]m)?";
const DATE = new RegExp(`^${DATE_TEXT}$`, "i");
const TIME = new RegExp(`^${TIME_TEXT}$`, "i");
const TIMESTAMP = new RegExp(`^${DATE_TEXT}[T ]${TIME_TEXT} ?(?:Z|UTC|[+-]\\d{2}:?\\d{0,2})?$`, "i");
const BOOLEAN = /^(?:true|false|yes|no)$/i;
const MARKER = /^(?:n\/?a|null|nan|none|nil|\\n|-{1,3}|\?|\.)$/i;
const LINK =
  /^(?:[a-z][a-z0-9+.-]{1,9}:\/\/\S+|[\w.+-]+@[\w-]+\.[\w.-]+|(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;
const CODE = /^[\p{L}\d_.\-/:#]*\d[\p{L}\d_.\-/:#]*$/u;
const WORD = /^[\p{L}][\p{L}\p{M}\d_'-]*$/u;

/** The kinds of the cells seen last: detection asks for each several times. Bounds the memory. */
const seen = new Map<string, Kind>();
const SEEN_MAX = 20_000;

/** Kind of a cell, without surrounding blanks. */
export function kindOf(cell: string): Kind {
  const known = seen.get(cell);
  if (known !== undefined) return known;
  const kind = kindOfText(cell.trim());
  if (seen.size >= SEEN_MAX) seen.clear();
  seen.set(cell, kind);
  return kind;
}

/** Lets go of the cells, which keep the text that they are part of in memory. */
export const forgetKinds = (): void => seen.clear();

function kindOfText(text: string): Kind {
  if (text === "") return "empty";
  if (text.length > TYPED_CHARS_MAX) return text.length < 300 && LINK.test(text) ? "link" : "text";
  const first = text.charCodeAt(0);
  const startsAsWord = (first >= 65 && first <= 90) || (first >= 97 && first <= 122) || first > 127;
  if (!startsAsWord) {
    if (INTEGER.test(text)) return "integer";
    if (DECIMAL.test(text)) return "decimal";
    if (TIME.test(text)) return "time";
    if (MONEY.test(text)) return "money";
  }
  // Most words have no digit, and so are no date.
  if (!startsAsWord || /\d/.test(text)) {
    if (DATE.test(text)) return "date";
    if (TIMESTAMP.test(text)) return "timestamp";
  }
  if (text.length <= WORDS_CHARS_MAX) {
    if (BOOLEAN.test(text)) return "boolean";
    if (MARKER.test(text)) return "marker";
  }
  if (LINK.test(text)) return "link";
  if (WORD.test(text)) return "word";
  return CODE.test(text) ? "code" : "text";
}

/** Length of the longest boolean or marker. */
const WORDS_CHARS_MAX = 5;

/** Kinds that one column may mix. */
export type Family = "none" | "number" | "moment" | "time" | "boolean" | "link" | "text";

export function familyOf(kind: Kind): Family {
  switch (kind) {
    case "empty":
    case "marker":
      return "none";
    case "integer":
    case "decimal":
    case "money":
      return "number";
    case "date":
    case "timestamp":
      return "moment";
    case "code":
    case "word":
    case "text":
      return "text";
    default:
      return kind;
  }
}

/** True for numbers, dates and whatever else is no mere text. */
export const isTyped = (family: Family): boolean => family !== "text" && family !== "none";

export const isTypedCell = (cell: string): boolean => isTyped(familyOf(kindOf(cell)));

export const isNumber = (cell: string): boolean => familyOf(kindOf(cell)) === "number";

/** True for a date, a time or both. */
export const isDateOrTime = (cell: string): boolean => ["moment", "time"].includes(familyOf(kindOf(cell)));

/** The cell's form: digits as 9, letters as A, each with its neighbours: `MG-8769` is `A-9`. */
export function shapeOf(cell: string): string {
  const text = cell.trim().slice(0, TYPED_CHARS_MAX);
  let shape = "";
  let last = "";
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 127) return text.replace(/\d+/g, "9").replace(/\p{L}+/gu, "A");
    const isLetter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
    const mark = isLetter ? "A" : code >= 48 && code <= 57 ? "9" : text[at]!;
    // A sign that recurs stays as often as it is.
    if (mark === last && (isLetter || mark === "9")) continue;
    shape += mark;
    last = mark;
  }
  return shape;
}

/** True if a column of this type may hold the cell; of VARCHAR, which holds all, this says nothing. */
export function fitsType(cell: string, type: ColumnType): boolean {
  const kind = kindOf(cell);
  const family = familyOf(kind);
  if (family === "none" || type === "VARCHAR") return true;
  if (type === "BOOLEAN") return family === "boolean" || /^[01tfyn]$|^o(n|ff)$/i.test(cell.trim());
  if (type === "INTEGER" || type === "BIGINT") return kind === "integer";
  if (type === "DOUBLE" || type.startsWith("DECIMAL")) return family === "number";
  return family === "moment";
}
