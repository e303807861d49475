import type { Cursor } from "./cursor.ts";
import { INTERVAL_FIELDS, integer, type } from "./types.ts";
import { filter, orderBy } from "./windows.ts";

/** An expression with syntax of its own. Its word can be a name, too, where `isHere` says no. */
interface SpecialForm {
  isHere: (c: Cursor) => boolean;
  take: (c: Cursor) => void;
}

const always = (): boolean => true;
const called = (c: Cursor): boolean => c.isSymbol("(", 1);

const forms = (words: string, isHere: (c: Cursor) => boolean, take: (c: Cursor) => void): [string, SpecialForm][] =>
  words.split(" ").map((word) => [word, { isHere, take }]);

const inParentheses =
  (inside: (c: Cursor) => void) =>
  (c: Cursor): void => {
    c.take();
    c.parenthesized(() => inside(c));
  };

export const SPECIAL_FORMS: ReadonlyMap<string, SpecialForm> = new Map([
  ...forms("NULL TRUE FALSE CURRENT_DATE CURRENT_USER CURRENT_CATALOG CURRENT_SCHEMA", always, (c) => c.take()),
  ...forms("CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP", always, timeOfDay),
  ...forms("CASE", always, caseWhen),
  ...forms("CAST TRY_CAST", called, inParentheses(castTo)),
  ...forms("EXISTS", always, exists),
  ...forms("EXTRACT", always, inParentheses(extract)),
  ...forms("TRIM", always, inParentheses(trim)),
  ...forms("SUBSTRING", called, inParentheses(substring)),
  ...forms("NORMALIZE", always, inParentheses(normalize)),
  ...forms(
    "GROUPING",
    always,
    inParentheses((c) => c.list(() => c.rules.expression(c))),
  ),
  ...forms("LISTAGG", always, listagg),
  ...forms("JSON_VALUE JSON_QUERY JSON_EXISTS", always, inParentheses(jsonPath)),
  ...forms(
    "ROW",
    called,
    inParentheses((c) => c.list(() => c.rules.expression(c))),
  ),
  ...forms("ARRAY", (c) => c.isSymbol("[", 1), array),
  ...forms("INTERVAL", isInterval, interval),
]);

function timeOfDay(c: Cursor): void {
  c.take();
  if (c.isSymbol("(")) c.parenthesized(() => integer(c));
}

function caseWhen(c: Cursor): void {
  c.take();
  if (!c.isWord("WHEN")) c.rules.expression(c);
  do {
    c.word("WHEN");
    c.rules.expression(c);
    c.word("THEN");
    c.rules.expression(c);
  } while (c.isWord("WHEN"));
  if (c.acceptWord("ELSE")) c.rules.expression(c);
  c.word("END");
}

function castTo(c: Cursor): void {
  c.rules.expression(c);
  c.word("AS");
  type(c);
}

function exists(c: Cursor): void {
  c.take();
  c.subquery();
}

function extract(c: Cursor): void {
  c.word(...INTERVAL_FIELDS, "QUARTER", "WEEK", "DOW", "DOY", "DAY_OF_WEEK", "DAY_OF_YEAR", "YEAR_OF_WEEK");
  c.word("FROM");
  c.rules.expression(c);
}

function trim(c: Cursor): void {
  c.acceptWord(["LEADING", "TRAILING", "BOTH"]);
  if (!c.isWord("FROM")) c.rules.expression(c);
  if (c.acceptWord("FROM") || c.acceptSymbol(",")) c.rules.expression(c);
}

function substring(c: Cursor): void {
  c.rules.expression(c);
  if (c.acceptWord("FROM")) {
    c.rules.expression(c);
    if (c.acceptWord("FOR")) c.rules.expression(c);
  } else while (c.acceptSymbol(",")) c.rules.expression(c);
}

function normalize(c: Cursor): void {
  c.rules.expression(c);
  if (c.acceptSymbol(",")) c.word("NFC", "NFD", "NFKC", "NFKD");
}

function listagg(c: Cursor): void {
  c.take();
  c.parenthesized(() => {
    c.acceptWord(["DISTINCT", "ALL"]);
    c.rules.expression(c);
    if (c.acceptSymbol(",")) c.string();
    if (c.acceptWord("ON")) overflow(c);
  });
  c.word("WITHIN");
  c.word("GROUP");
  c.parenthesized(() => orderBy(c));
  filter(c);
}

function overflow(c: Cursor): void {
  c.word("OVERFLOW");
  if (c.acceptWord("ERROR")) return;
  c.word("TRUNCATE");
  if (c.peek().kind === "string") c.string();
  c.word("WITH", "WITHOUT");
  c.word("COUNT");
}

/** `expression, 'path' [RETURNING type] [… ON EMPTY] [… ON ERROR]` */
function jsonPath(c: Cursor): void {
  c.rules.expression(c);
  c.symbol(",");
  c.string();
  if (c.acceptWord("RETURNING")) type(c);
  if (c.acceptWord(["WITH", "WITHOUT"])) {
    c.acceptWord(["CONDITIONAL", "UNCONDITIONAL"]);
    c.acceptWord("ARRAY");
    c.word("WRAPPER");
  }
  while (!c.isSymbol(")")) {
    if (c.acceptWord("DEFAULT")) c.rules.expression(c);
    else if (c.acceptWord("EMPTY")) c.word("ARRAY", "OBJECT");
    else c.word("NULL", "ERROR", "TRUE", "FALSE", "UNKNOWN");
    c.word("ON");
    c.word("EMPTY", "ERROR");
  }
}

function array(c: Cursor): void {
  c.take();
  c.symbol("[");
  if (!c.isSymbol("]")) c.nested(() => c.list(() => c.rules.expression(c)));
  c.symbol("]");
}

function isInterval(c: Cursor): boolean {
  const isSigned = c.isSymbol("-", 1) || c.isSymbol("+", 1);
  return c.peek(isSigned ? 2 : 1).kind === "string";
}

function interval(c: Cursor): void {
  c.take();
  if (!c.acceptSymbol("-")) c.acceptSymbol("+");
  c.string();
  c.word(...INTERVAL_FIELDS);
  if (c.acceptWord("TO")) c.word(...INTERVAL_FIELDS);
}
