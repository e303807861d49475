import type { Cursor } from "./cursor.ts";

const TYPES = new Set(
  (
    "BOOLEAN TINYINT SMALLINT INT INTEGER BIGINT REAL DOUBLE DECIMAL NUMERIC DEC VARCHAR CHAR VARBINARY JSON DATE TIME " +
    "TIMESTAMP UUID IPADDRESS"
  ).split(" "),
);
export const INTERVAL_FIELDS = ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"];

/** True before a literal such as `DATE '2024-01-31'`. */
export const isTypedLiteral = (c: Cursor): boolean =>
  c.peek().kind === "word" && TYPES.has(c.peek().value) && c.peek(1).kind === "string";

/** Takes a type: of CAST, or of a field of ROW. */
export function type(c: Cursor): void {
  const { kind, value } = c.peek();
  if (kind !== "word") c.fail("a type");
  if (value === "ROW") {
    c.take();
    c.parenthesized(() => c.list(() => field(c)));
  } else if (value === "ARRAY" || value === "MAP") {
    c.take();
    c.parenthesized(() => c.list(() => type(c)));
  } else if (value === "INTERVAL") {
    c.take();
    c.word("YEAR", "DAY");
    c.word("TO");
    c.word("MONTH", "SECOND");
  } else if (TYPES.has(value)) simpleType(c);
  else c.fail("a type");
  while (c.acceptWord("ARRAY"));
}

function simpleType(c: Cursor): void {
  const { value } = c.take();
  if (value === "DOUBLE") c.acceptWord("PRECISION");
  if (c.isSymbol("(")) c.parenthesized(() => c.list(() => integer(c)));
  if ((value === "TIME" || value === "TIMESTAMP") && c.acceptWord(["WITH", "WITHOUT"])) {
    c.word("TIME");
    c.word("ZONE");
  }
}

function field(c: Cursor): void {
  const isNamed = c.isName() && (c.peek(1).kind === "word" || c.peek(1).kind === "quoted");
  const isType =
    c.isWord(["DOUBLE", "TIME", "TIMESTAMP", "INTERVAL"]) &&
    c.isWord(["PRECISION", "WITH", "WITHOUT", "YEAR", "DAY"], 1);
  if (isNamed && !isType) c.name();
  type(c);
}

/** Takes a whole number in digits. */
export function integer(c: Cursor): void {
  if (c.peek().kind !== "number" || !/^\d+$/.test(c.peek().text)) c.fail("a whole number");
  c.take();
}
