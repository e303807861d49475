/** Matches white space, a comment, a string, a quoted name, a word, a number or any other character. */
export const SQL_TOKEN =
  /\s+|--[^\n\r]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|[A-Za-z_@][\w@]*|\d[\w.]*|[\s\S]/g;
const IGNORED = /^(\s|--|\/\*)/;

/**
 * The tokens of a statement without white space and comments. Words are in upper case. A string or a quoted
 * name is one token.
 */
export function tokensOf(sql: string): string[] {
  return (sql.match(SQL_TOKEN) ?? [])
    .filter((token) => !IGNORED.test(token) || token === "/*")
    .map((token) => (/^[A-Za-z_]/.test(token) ? token.toUpperCase() : token));
}
