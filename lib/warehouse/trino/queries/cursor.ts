import { TributaryError } from "../../../errors.ts";
import { identifier } from "../../sql/sql.ts";
import { physicalName } from "../names.ts";
import { CONTINUES, NON_RESERVED, RESERVED } from "./keywords.ts";
import { nameOf, syntaxError, tokensOf, type Token } from "./tokens.ts";

/** The catalog and schema of the tables that a query may read. Trino keeps both in lower case. */
export interface OwnSchema {
  catalog: string;
  schema: string;
}

/** The rules that contain each other. */
export interface Rules {
  expression: (cursor: Cursor) => void;
  query: (cursor: Cursor) => void;
}

const NESTED_MAX = 200;
const QUERY_STARTS = new Set(["SELECT", "WITH", "VALUES", "TABLE"]);
const AFTER_QUERY = new Set(["UNION", "INTERSECT", "EXCEPT", "ORDER", "OFFSET", "LIMIT", "FETCH"]);

/**
 * Reads a statement from left to right and builds the text that Trino gets. Every rule of the grammar takes
 * each token in one role, without looking back: a keyword, a name, a function or a literal. Trino cannot give
 * a token another role: comments are left out, and a name that is also a word of the grammar is quoted.
 */
export class Cursor {
  readonly own: OwnSchema;
  readonly rules: Rules;
  isInLambda = false;
  readonly #sql: string;
  readonly #tokens: readonly Token[];
  /** The index of the closing parenthesis by that of the opening one. */
  readonly #closing: ReadonlyMap<number, number>;
  #next = 0;
  #depth = 0;
  #output = "";
  #endedAt = 0;

  constructor(sql: string, own: OwnSchema, rules: Rules) {
    this.#sql = sql;
    this.own = { catalog: own.catalog.toLowerCase(), schema: own.schema.toLowerCase() };
    this.rules = rules;
    this.#tokens = withoutLastSemicolons(tokensOf(sql));
    this.#closing = closingOf(this.#tokens);
  }

  /** What the rules have taken so far, at the lines and columns that it has in the query. */
  get output(): string {
    return this.#output.trim();
  }

  /** The number of tokens that the rules have taken. */
  get taken(): number {
    return this.#next;
  }

  peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#next + ahead, this.#tokens.length - 1)]!;
  }

  isWord(words: string | readonly string[], ahead = 0): boolean {
    const { kind, value } = this.peek(ahead);
    return kind === "word" && (typeof words === "string" ? words === value : words.includes(value));
  }

  isSymbol(symbol: string, ahead = 0): boolean {
    const { kind, value } = this.peek(ahead);
    return kind === "symbol" && value === symbol;
  }

  isName(ahead = 0): boolean {
    const { kind, value } = this.peek(ahead);
    return kind === "quoted" || (kind === "word" && !RESERVED.has(value));
  }

  /** True if the next token can be an alias without AS. */
  isAlias(): boolean {
    return this.isName() && !(this.peek().kind === "word" && CONTINUES.has(this.peek().value));
  }

  /** True if the parenthesis that opens here holds a query, and neither an expression nor a relation. */
  holdsQuery(): boolean {
    if (!this.isSymbol("(")) return false;
    for (let open = this.#next; ; open++) {
      const [first, second] = [this.#tokens[open + 1], this.#tokens[open + 2]];
      if (first?.kind === "word")
        return QUERY_STARTS.has(first.value) && !(first.value === "TABLE" && second?.value === "(");
      if (first?.value !== "(" || first.kind !== "symbol") return false;
      const after = this.#tokens[(this.#closing.get(open + 1) ?? this.#tokens.length) + 1];
      if (after?.kind === "word") return AFTER_QUERY.has(after.value);
      if (after?.kind !== "symbol" || after.value !== ")") return false;
    }
  }

  /** Takes the next token. `text` replaces it. */
  take(text?: string): Token {
    const token = this.peek();
    if (token.kind === "end") this.fail("more");
    this.#output += this.#sql.slice(this.#endedAt, token.at).replace(/[^\n]/g, " ") + (text ?? token.text);
    this.#endedAt = token.at + token.text.length;
    this.#next++;
    return token;
  }

  acceptWord(words: string | readonly string[]): boolean {
    if (!this.isWord(words)) return false;
    this.take();
    return true;
  }

  acceptSymbol(symbol: string): boolean {
    if (!this.isSymbol(symbol)) return false;
    this.take();
    return true;
  }

  word(...words: readonly string[]): void {
    if (!this.acceptWord(words)) this.fail(words.join(" or "));
  }

  symbol(symbol: string): void {
    if (!this.acceptSymbol(symbol)) this.fail(`'${symbol}'`);
  }

  /** Takes a name and returns it in lower case. Trino gets `instead`, or the name of the stored table. */
  name(instead?: string): string {
    if (!this.isName()) this.fail("a name");
    const { kind, text, value } = this.peek();
    const name = nameOf(this.peek());
    if (name === "" || name.includes("\0")) this.fail("a name");
    const stored = instead ?? physicalName(name);
    if (stored !== name) this.take(identifier(stored));
    else this.take(kind === "word" && NON_RESERVED.has(value) ? identifier(text) : undefined);
    return name;
  }

  /** `(name, …)` */
  names(): void {
    this.parenthesized(() => this.list(() => this.name()));
  }

  string(): void {
    if (this.peek().kind !== "string") this.fail("a string");
    this.take();
    if (this.acceptWord("UESCAPE")) this.string();
  }

  /** One or more, separated by commas. */
  list(one: () => void): void {
    do one();
    while (this.acceptSymbol(","));
  }

  parenthesized(inside: () => void): void {
    this.symbol("(");
    this.nested(inside);
    this.symbol(")");
  }

  /** `(query)` */
  subquery(): void {
    if (!this.holdsQuery()) this.fail("a query in parentheses");
    this.parenthesized(() => this.rules.query(this));
  }

  /** Limits the depth of rules that contain themselves. */
  nested(inside: () => void): void {
    if (++this.#depth > NESTED_MAX)
      throw syntaxError(this.#sql, this.peek().at, `is nested more than ${NESTED_MAX} deep`);
    inside();
    this.#depth--;
  }

  /** @throws QUERY_FAILED that says where */
  fail(expected: string): never {
    const { text, at, kind } = this.peek();
    const found = kind === "end" ? "the end" : `'${text.slice(0, 60)}'`;
    throw syntaxError(this.#sql, at, `has ${found} where Tributary expects ${expected}`);
  }

  /** @throws QUERY_NOT_READ_ONLY */
  refuse(what: string): never {
    throw new TributaryError("QUERY_NOT_READ_ONLY", `${what} is not allowed in a query`);
  }
}

function withoutLastSemicolons(tokens: Token[]): Token[] {
  const end = tokens.pop()!;
  while (tokens.at(-1)?.value === ";" && tokens.at(-1)?.kind === "symbol") tokens.pop();
  const semicolon = tokens.some(({ kind, value }) => kind === "symbol" && value === ";");
  if (tokens.length > 0 && !semicolon) return [...tokens, end];
  const found = semicolon ? "several statements" : "no statement";
  throw new TributaryError("QUERY_NOT_READ_ONLY", `${found}: send exactly one SELECT, SHOW, DESCRIBE or EXPLAIN`);
}

function closingOf(tokens: readonly Token[]): Map<number, number> {
  const closing = new Map<number, number>();
  const open: number[] = [];
  for (const [index, { kind, value }] of tokens.entries()) {
    if (kind !== "symbol") continue;
    if (value === "(") open.push(index);
    else if (value === ")" && open.length > 0) closing.set(open.pop()!, index);
  }
  return closing;
}
