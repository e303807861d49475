import { call, isCall } from "./calls.ts";
import type { Cursor } from "./cursor.ts";
import { SPECIAL_FORMS } from "./special-forms.ts";
import { isTypedLiteral } from "./types.ts";

const SYMBOLS = ["+", "-", "*", "/", "%", "||"];
const COMPARISONS = ["=", "<>", "!=", "<", "<=", ">", ">="];
/** BETWEEN is followed by AND, LIKE by ESCAPE: which one belongs to which does not matter here. */
const WORDS = ["AND", "OR", "BETWEEN", "LIKE", "ESCAPE"];

/**
 * Takes an expression. The rule does not know precedence: Trino groups the operands, and a query that only
 * this rule accepts fails in Trino.
 */
export function expression(c: Cursor): void {
  operand(c);
  while (operator(c));
}

/** Takes an operator and its right side. Returns false if there is none. */
function operator(c: Cursor): boolean {
  const { kind, value } = c.peek();
  if (kind === "symbol" && SYMBOLS.includes(value)) c.take();
  else if (kind === "symbol" && COMPARISONS.includes(value)) {
    c.take();
    if (c.isWord(["ALL", "ANY", "SOME"]) && c.isSymbol("(", 1)) {
      c.take();
      c.subquery();
      return true;
    }
  } else if (kind === "word") return wordOperator(c);
  else return false;
  operand(c);
  return true;
}

function wordOperator(c: Cursor): boolean {
  if (c.isWord("AT") && c.isWord("TIME", 1)) {
    c.take();
    c.word("TIME");
    c.word("ZONE");
    if (c.isWord("INTERVAL")) operand(c);
    else c.string();
    return true;
  }
  if (c.acceptWord("IS")) {
    c.acceptWord("NOT");
    if (c.acceptWord("NULL")) return true;
    c.word("DISTINCT");
    c.word("FROM");
    operand(c);
    return true;
  }
  if (c.isWord("NOT") && c.isWord(["BETWEEN", "IN", "LIKE"], 1)) c.take();
  if (c.acceptWord("IN")) {
    if (c.holdsQuery()) c.subquery();
    else c.parenthesized(() => c.list(() => expression(c)));
    return true;
  }
  if (!c.acceptWord(WORDS)) return false;
  operand(c);
  return true;
}

/** Takes a value with the signs, NOTs, subscripts and fields around it. */
export function operand(c: Cursor): void {
  while (c.isSymbol("-") || c.isSymbol("+") || c.isWord("NOT")) c.take();
  c.nested(() => value(c));
  for (;;) {
    if (c.acceptSymbol("[")) {
      c.nested(() => expression(c));
      c.symbol("]");
    } else if (c.isSymbol(".") && !c.isSymbol("*", 1)) {
      c.take();
      c.name();
      if (c.isSymbol("(")) c.refuse("a function with a qualified name");
    } else return;
  }
}

function value(c: Cursor): void {
  const { kind, value: word } = c.peek();
  if (kind === "number") c.take();
  else if (kind === "string") c.string();
  else if (c.isSymbol("?")) c.refuse("a parameter");
  else if (c.holdsQuery()) c.subquery();
  else if (c.isSymbol("(")) c.parenthesized(() => c.list(() => expression(c)));
  else if (isTypedLiteral(c)) {
    c.take();
    c.string();
  } else {
    const form = kind === "word" ? SPECIAL_FORMS.get(word) : undefined;
    if (form?.isHere(c)) form.take(c);
    else if (isCall(c)) call(c);
    else column(c);
  }
}

function column(c: Cursor): void {
  if (!c.isName()) c.fail("an expression");
  const { text, kind } = c.peek();
  const isSchema =
    c.isSymbol(".", 1) && (kind === "quoted" ? text === '"lakehouse"' : text.toLowerCase() === "lakehouse");
  c.name(isSchema ? c.own.schema : undefined);
}
