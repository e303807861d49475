import { TributaryError } from "../../../errors.ts";
import { SCHEMA } from "../../sql/sql.ts";
import { Cursor, type OwnSchema, type Rules } from "./cursor.ts";
import { expression } from "./expressions.ts";
import { OTHER_STATEMENTS } from "./keywords.ts";
import { tableName } from "./relations.ts";
import { query } from "./select.ts";
import { nameOf, tokensOf } from "./tokens.ts";

const RULES: Rules = { expression, query };
const EXPLAIN_OPTIONS = new Map([
  ["TYPE", ["LOGICAL", "DISTRIBUTED", "VALIDATE", "IO"]],
  ["FORMAT", ["TEXT", "JSON", "GRAPHVIZ"]],
]);

/**
 * Checks a user's statement: one query, SHOW, DESCRIBE or EXPLAIN, in which every function and relation is on
 * a list. Returns the text that Trino may get, built of the tokens that were checked, with the names of the
 * stored tables. What the grammar here does not know is refused.
 * @throws QUERY_NOT_READ_ONLY or QUERY_NOT_ALLOWED naming the part that is not allowed; QUERY_FAILED with
 * line and column for what cannot be read
 */
export function checkedStatement(sql: string, own: OwnSchema): string {
  const cursor = new Cursor(sql, own, RULES);
  statement(cursor);
  if (cursor.peek().kind !== "end") cursor.fail("the end");
  const checked = cursor.output;
  // Trino must see these tokens and no others.
  if (tokensOf(checked).length !== cursor.taken + 1) throw new Error("the checked query has other tokens");
  return checked;
}

/**
 * Checks a text that becomes a part of a statement: one query of its own, which closes no bracket that it
 * has not opened.
 * @throws as `checkedStatement`
 */
export function checkSelect(sql: string, own: OwnSchema): void {
  const cursor = new Cursor(sql, own, RULES);
  query(cursor);
  if (cursor.peek().kind !== "end") cursor.fail("the end");
}

function statement(c: Cursor): void {
  if (c.acceptWord("EXPLAIN")) explain(c);
  else if (c.acceptWord("SHOW")) show(c);
  else if (c.acceptWord(["DESCRIBE", "DESC"])) tableName(c);
  else if (c.isSymbol("(") || c.isWord(["SELECT", "WITH", "VALUES", "TABLE"])) query(c);
  else if (c.peek().kind === "word" && OTHER_STATEMENTS.has(c.peek().value))
    c.refuse(`the statement ${c.peek().value}`);
  else c.fail("SELECT, WITH, VALUES, TABLE, SHOW, DESCRIBE or EXPLAIN");
}

function explain(c: Cursor): void {
  if (c.acceptWord("ANALYZE")) c.acceptWord("VERBOSE");
  else if (c.isSymbol("(") && c.isWord([...EXPLAIN_OPTIONS.keys()], 1)) {
    c.parenthesized(() => c.list(() => c.word(...(EXPLAIN_OPTIONS.get(c.take().value) ?? []))));
  }
  if (c.peek().kind === "word" && OTHER_STATEMENTS.has(c.peek().value)) c.refuse(`EXPLAIN ${c.peek().value}`);
  query(c);
}

/** SHOW can reveal the names of tables in every schema, so only our own tables can be shown. */
function show(c: Cursor): void {
  if (c.acceptWord("TABLES")) {
    if (c.acceptWord(["FROM", "IN"])) ownSchema(c);
    like(c);
  } else if (c.acceptWord("COLUMNS")) {
    c.word("FROM", "IN");
    tableName(c);
    like(c);
  } else if (c.acceptWord("CREATE")) {
    c.word("TABLE", "VIEW");
    tableName(c);
  } else if (c.acceptWord("STATS")) {
    c.word("FOR");
    if (c.holdsQuery()) c.subquery();
    else tableName(c);
  } else if (c.acceptWord("FUNCTIONS")) like(c);
  else throw notShown();
}

function ownSchema(c: Cursor): void {
  const name = nameOf(c.peek());
  if ((name !== c.own.schema && name !== SCHEMA) || c.isSymbol(".", 1)) throw notShown();
  c.name(c.own.schema);
}

const notShown = (): TributaryError =>
  new TributaryError("QUERY_NOT_ALLOWED", `only tables of '${SCHEMA}' are shown and described`);

function like(c: Cursor): void {
  if (!c.acceptWord("LIKE")) return;
  c.string();
  if (c.acceptWord("ESCAPE")) c.string();
}
