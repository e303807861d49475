import { TributaryError } from "../../../errors.ts";
import { SCHEMA } from "../../sql/sql.ts";
import { INFORMATION_TABLES, TABLE_FUNCTIONS } from "./allowed.ts";
import type { Cursor } from "./cursor.ts";
import { nameOf } from "./tokens.ts";

const JOINS = ["CROSS", "NATURAL", "INNER", "LEFT", "RIGHT", "FULL", "JOIN"];

/** Takes a relation with its joins. An ON may follow later joins, so its place does not matter here. */
export function relation(c: Cursor): void {
  sampled(c);
  for (;;) {
    if (c.isWord(JOINS)) {
      while (c.acceptWord(["CROSS", "NATURAL", "INNER", "LEFT", "RIGHT", "FULL", "OUTER"]));
      c.word("JOIN");
      sampled(c);
    } else if (c.acceptWord("ON")) c.rules.expression(c);
    else if (c.acceptWord("USING")) c.names();
    else return;
  }
}

function sampled(c: Cursor): void {
  c.nested(() => primary(c));
  alias(c);
  if (!c.acceptWord("TABLESAMPLE")) return;
  c.word("BERNOULLI", "SYSTEM");
  c.parenthesized(() => c.rules.expression(c));
}

/** Takes `[[AS] name [(column, …)]]`. */
function alias(c: Cursor): void {
  if (c.isWord("MATCH_RECOGNIZE") && c.isSymbol("(", 1)) c.refuse("MATCH_RECOGNIZE");
  if (c.acceptWord("AS")) c.name();
  else if (c.isAlias()) c.name();
  else return;
  if (c.isSymbol("(")) c.names();
}

function primary(c: Cursor): void {
  if (c.holdsQuery()) return c.subquery();
  if (c.isSymbol("(")) return c.parenthesized(() => relation(c));
  if (c.acceptWord("UNNEST")) {
    c.parenthesized(() => c.list(() => c.rules.expression(c)));
    if (c.acceptWord("WITH")) c.word("ORDINALITY");
  } else if (c.isWord("LATERAL") && c.isSymbol("(", 1)) {
    c.take();
    c.subquery();
  } else if (c.acceptWord("TABLE")) c.parenthesized(() => tableFunction(c));
  else {
    tableName(c);
    if (c.isWord("FOR")) asOf(c);
  }
}

function asOf(c: Cursor): void {
  c.take();
  c.word("TIMESTAMP", "VERSION");
  c.word("AS");
  c.word("OF");
  c.rules.expression(c);
}

/**
 * Takes the name of a table of the own schema, or of `information_schema`. A name without a schema is a
 * table of the own schema or of WITH.
 * @throws QUERY_NOT_ALLOWED that names another table
 */
export function tableName(c: Cursor): void {
  const { catalog, schema } = c.own;
  if (!c.isName()) c.fail("a table");
  const found: string[] = [];
  for (let ahead = 0; c.isName(ahead); ahead += 2) {
    found.push(nameOf(c.peek(ahead)));
    if (!c.isSymbol(".", ahead + 1)) break;
  }
  if (c.isSymbol("(", found.length * 2 - 1)) c.refuse(`the table function '${found.join(".")}'`);
  const [table, inSchema = schema, inCatalog = catalog] = [...found].reverse();
  const isOwn = inSchema === schema || inSchema === SCHEMA;
  const isAllowed = isOwn ? !table!.includes("$") : inSchema === "information_schema" && INFORMATION_TABLES.has(table!);
  if (found.length > 3 || inCatalog !== catalog || !isAllowed)
    throw new TributaryError("QUERY_NOT_ALLOWED", `${found.join(".")} is none of the tables of '${SCHEMA}'`);
  for (const [index] of found.entries()) {
    if (index > 0) c.symbol(".");
    c.name(index === found.length - 2 && isOwn ? schema : undefined);
  }
}

/** Takes the call inside `TABLE(…)`. */
function tableFunction(c: Cursor): void {
  const name = nameOf(c.peek());
  if (!TABLE_FUNCTIONS.has(name) || !c.isSymbol("(", 1)) c.refuse(`the table function '${name}'`);
  c.take();
  c.parenthesized(() => {
    if (c.isSymbol(")")) return;
    c.list(() => {
      if (c.isName() && c.isSymbol("=>", 1)) {
        c.name();
        c.take();
      }
      if (c.isWord("TABLE") && c.isSymbol("(", 1)) tableArgument(c);
      else if (c.isWord("DESCRIPTOR") && c.isSymbol("(", 1)) {
        c.take();
        c.names();
      } else c.rules.expression(c);
    });
  });
}

function tableArgument(c: Cursor): void {
  c.take();
  if (c.holdsQuery()) c.subquery();
  else c.parenthesized(() => tableName(c));
  alias(c);
}
