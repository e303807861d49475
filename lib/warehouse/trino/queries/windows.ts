import type { Cursor } from "./cursor.ts";

/** Takes `[ORDER BY …]`. */
export function orderBy(c: Cursor): void {
  if (!c.acceptWord("ORDER")) return;
  c.word("BY");
  c.list(() => {
    c.rules.expression(c);
    c.acceptWord(["ASC", "DESC"]);
    if (c.acceptWord("NULLS")) c.word("FIRST", "LAST");
  });
}

/** Takes `[FILTER (WHERE …)]`. */
export function filter(c: Cursor): void {
  if (!c.isWord("FILTER") || !c.isSymbol("(", 1)) return;
  c.take();
  c.parenthesized(() => {
    c.word("WHERE");
    c.rules.expression(c);
  });
}

/** Takes `[OVER …]`. */
export function over(c: Cursor): void {
  if (!c.isWord("OVER") || !(c.isSymbol("(", 1) || c.isName(1))) return;
  c.take();
  if (c.isSymbol("(")) c.parenthesized(() => windowSpecification(c));
  else c.name();
}

const PARTS = ["PARTITION", "ORDER", "RANGE", "ROWS", "GROUPS"];

export function windowSpecification(c: Cursor): void {
  if (c.isName() && !c.isWord(PARTS)) c.name();
  if (c.acceptWord("PARTITION")) {
    c.word("BY");
    c.list(() => c.rules.expression(c));
  }
  orderBy(c);
  if (!c.acceptWord(["RANGE", "ROWS", "GROUPS"])) return;
  if (!c.acceptWord("BETWEEN")) return bound(c);
  bound(c);
  c.word("AND");
  bound(c);
}

function bound(c: Cursor): void {
  if (c.acceptWord("CURRENT")) return c.word("ROW");
  if (!c.acceptWord("UNBOUNDED")) c.rules.expression(c);
  c.word("PRECEDING", "FOLLOWING");
}
