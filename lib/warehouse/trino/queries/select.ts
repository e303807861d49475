import type { Cursor } from "./cursor.ts";
import { relation, tableName } from "./relations.ts";
import { integer } from "./types.ts";
import { orderBy, windowSpecification } from "./windows.ts";

/** Takes a query with its WITH, set operations, ORDER BY and LIMIT. */
export function query(c: Cursor): void {
  if (c.acceptWord("WITH")) {
    if (c.isWord(["FUNCTION", "SESSION"]) && c.isName(1)) c.refuse(`WITH ${c.peek().value}`);
    c.acceptWord("RECURSIVE");
    c.list(() => namedQuery(c));
  }
  term(c);
  while (c.acceptWord(["UNION", "INTERSECT", "EXCEPT"])) {
    c.acceptWord(["ALL", "DISTINCT"]);
    term(c);
  }
  orderBy(c);
  if (c.acceptWord("OFFSET")) {
    integer(c);
    c.acceptWord(["ROW", "ROWS"]);
  }
  if (c.acceptWord("LIMIT")) {
    if (!c.acceptWord("ALL")) integer(c);
  } else if (c.acceptWord("FETCH")) {
    c.word("FIRST", "NEXT");
    if (c.peek().kind === "number") integer(c);
    c.word("ROW", "ROWS");
    if (!c.acceptWord("ONLY")) {
      c.word("WITH");
      c.word("TIES");
    }
  }
}

function namedQuery(c: Cursor): void {
  c.name();
  if (c.isSymbol("(")) c.names();
  c.word("AS");
  c.parenthesized(() => query(c));
}

function term(c: Cursor): void {
  if (c.isSymbol("(")) c.parenthesized(() => query(c));
  else if (c.acceptWord("SELECT")) select(c);
  else if (c.acceptWord("TABLE")) tableName(c);
  else if (c.acceptWord("VALUES")) c.list(() => c.rules.expression(c));
  else c.fail("SELECT, WITH, VALUES or TABLE");
}

function select(c: Cursor): void {
  if (c.isWord(["DISTINCT", "ALL"]) && !c.isSymbol(",", 1) && !c.isWord("FROM", 1)) c.take();
  c.list(() => item(c));
  if (c.acceptWord("FROM")) c.list(() => relation(c));
  if (c.acceptWord("WHERE")) c.rules.expression(c);
  if (c.acceptWord("GROUP")) groupBy(c);
  if (c.acceptWord("HAVING")) c.rules.expression(c);
  if (!c.acceptWord("WINDOW")) return;
  c.list(() => {
    c.name();
    c.word("AS");
    c.parenthesized(() => windowSpecification(c));
  });
}

function item(c: Cursor): void {
  if (c.acceptSymbol("*")) return;
  c.rules.expression(c);
  if (c.acceptSymbol(".")) {
    c.symbol("*");
    if (c.acceptWord("AS")) c.names();
  } else if (c.acceptWord("AS")) c.name();
  else if (c.isAlias()) c.name();
}

function groupBy(c: Cursor): void {
  c.word("BY");
  if (c.isWord(["ALL", "DISTINCT"])) c.take();
  c.list(() => {
    if (c.acceptWord(["ROLLUP", "CUBE"])) c.parenthesized(() => c.list(() => groupingSet(c)));
    else if (c.isWord("GROUPING") && c.isWord("SETS", 1)) {
      c.take();
      c.take();
      c.parenthesized(() => c.list(() => groupingSet(c)));
    } else groupingSet(c);
  });
}

function groupingSet(c: Cursor): void {
  if (!c.isSymbol("(") || !c.isSymbol(")", 1)) return c.rules.expression(c);
  c.take();
  c.take();
}
