import { TributaryError } from "../../../errors.ts";

/** A token of Trino 476. Comments and white space are not tokens. */
export interface Token {
  kind: "word" | "quoted" | "string" | "number" | "symbol" | "end";
  /** As in the query. */
  text: string;
  /** A word in upper case, a quoted name without its quotes, else the text. */
  value: string;
  /** Index of its first character. */
  at: number;
}

const GAP = /(?:[ \t\r\n]+|--[^\r\n]*|\/\*[\s\S]*?\*\/)+/y;
/** A name or number must not touch the next one: Trino would read both as one token. */
const TOKENS: readonly (readonly [Token["kind"], RegExp])[] = [
  ["string", /[xX]'[0-9A-Fa-f ]*'(?!')|(?:[uU]&)?'[^']*(?:''[^']*)*'/y],
  ["quoted", /"[^"]*(?:""[^"]*)*"/y],
  ["number", /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])/y],
  ["word", /[A-Za-z_][A-Za-z0-9_]*/y],
  ["symbol", /->|=>|<=|>=|<>|!=|\|\||[-+*/%=<>().,;?[\]]/y],
];

/**
 * Divides a query into tokens as Trino does. Outside of strings, quoted names and comments it knows ASCII
 * only, as Trino does. The last token is the end.
 * @throws QUERY_FAILED for anything else
 */
export function tokensOf(sql: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at += matchAt(GAP, sql, at)?.length ?? 0;
    if (at >= sql.length) break;
    const token = tokenAt(sql, at);
    if (!token) throw syntaxError(sql, at, unreadable(sql, at));
    tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ kind: "end", text: "", value: "", at });
  return tokens;
}

function tokenAt(sql: string, at: number): Token | undefined {
  for (const [kind, pattern] of TOKENS) {
    const text = matchAt(pattern, sql, at);
    if (text !== undefined) return { kind, text, value: valueOf(kind, text), at };
  }
  return undefined;
}

function valueOf(kind: Token["kind"], text: string): string {
  if (kind === "word") return text.toUpperCase();
  return kind === "quoted" ? text.slice(1, -1).replaceAll('""', '"') : text;
}

/** The name that a word or a quoted name stands for. Trino's names do not depend on case. */
export const nameOf = ({ kind, text, value }: Token): string => (kind === "quoted" ? value : text).toLowerCase();

function matchAt(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0];
}

function unreadable(sql: string, at: number): string {
  const code = sql.codePointAt(at)!;
  const first = String.fromCodePoint(code);
  if (first === "'" || first === '"') return `has a quote ${first} that is not closed`;
  const named = code > 0x20 && code < 0x7f ? `'${first}'` : `the character U+${hex(code)}`;
  return `cannot be read from ${named} on`;
}

const hex = (code: number): string => code.toString(16).toUpperCase().padStart(4, "0");

/** A QUERY_FAILED that says where, in Trino's form: `line 1:8: …`. */
export function syntaxError(sql: string, at: number, what: string): TributaryError {
  const before = sql.slice(0, at).split("\n");
  return new TributaryError("QUERY_FAILED", `line ${before.length}:${before.at(-1)!.length + 1}: the query ${what}`);
}
