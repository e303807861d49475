import { ALLOWED_FUNCTIONS, LAMBDA_FUNCTIONS } from "./allowed.ts";
import type { Cursor } from "./cursor.ts";
import { nameOf } from "./tokens.ts";
import { filter, orderBy, over } from "./windows.ts";

/** Largest length that a query may ask of a text, and the longest text that may replace a match. */
const LENGTH_MAX = 10_000;
const REPLACEMENT_CHARS_MAX = 100;

export const isCall = (c: Cursor): boolean => c.isName() && c.isSymbol("(", 1);

/**
 * Takes a call of a function that is on the list.
 * @throws QUERY_NOT_READ_ONLY that names the function
 */
export function call(c: Cursor): void {
  const name = nameOf(c.peek());
  if (!ALLOWED_FUNCTIONS.has(name)) c.refuse(`the function '${name}'`);
  c.take();
  c.parenthesized(() => {
    if (c.isSymbol(")") || c.acceptSymbol("*")) return;
    c.acceptWord(["DISTINCT", "ALL"]);
    let index = 0;
    c.list(() => argument(c, name, index++));
    orderBy(c);
  });
  filter(c);
  if (c.isWord(["IGNORE", "RESPECT"]) && c.isWord("NULLS", 1)) {
    c.take();
    c.take();
  }
  over(c);
}

function argument(c: Cursor, name: string, index: number): void {
  if (index === 1 && (name === "lpad" || name === "rpad")) checkLength(c, name);
  if (index === 2 && (name === "replace" || name === "regexp_replace")) checkReplacement(c, name);
  if (isLambda(c)) lambda(c, name);
  else c.rules.expression(c);
}

/** Trino does not count the memory of one value, so a query must not choose its length freely. */
function checkLength(c: Cursor, name: string): void {
  const { kind, text } = c.peek();
  const isLast = c.isSymbol(",", 1) || c.isSymbol(")", 1);
  if (kind === "number" && isLast && /^\d{1,5}$/.test(text) && Number(text) <= LENGTH_MAX) return;
  c.refuse(`${name} with a length that is not a number up to ${LENGTH_MAX}`);
}

function checkReplacement(c: Cursor, name: string): void {
  const { kind, text } = c.peek();
  if (kind === "string" && c.isSymbol(")", 1) && text.length <= REPLACEMENT_CHARS_MAX) return;
  c.refuse(`${name} with a replacement that is not a text of up to ${REPLACEMENT_CHARS_MAX} characters`);
}

/** `x -> …` or `(x, y) -> …` */
function isLambda(c: Cursor): boolean {
  if (!c.isSymbol("(")) return c.isName() && c.isSymbol("->", 1);
  let ahead = 1;
  while (c.isName(ahead) || c.isSymbol(",", ahead)) ahead++;
  return c.isSymbol(")", ahead) && c.isSymbol("->", ahead + 1);
}

function lambda(c: Cursor, name: string): void {
  if (!LAMBDA_FUNCTIONS.has(name)) c.refuse(`a lambda in ${name}`);
  if (c.isInLambda) c.refuse("a lambda in a lambda");
  if (c.isSymbol("(")) c.names();
  else c.name();
  c.symbol("->");
  c.isInLambda = true;
  c.rules.expression(c);
  c.isInLambda = false;
}
