/** Space, a comment, a string, a quoted name, a word, a number or any other character. */
export const SQL_TOKEN =
  /\s+|--[^\n\r]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|[A-Za-z_@][\w@]*|\d[\w.]*|[\s\S]/g;
const IGNORED = /^(\s|--|\/\*)/;

/** The tokens of a statement, words in upper case, without space and comments; strings and quoted names as one token each. */
export function tokensOf(sql: string): string[] {
  return (sql.match(SQL_TOKEN) ?? [])
    .filter((token) => !IGNORED.test(token) || token === "/*")
    .map((token) => (/^[A-Za-z_]/.test(token) ? token.toUpperCase() : token));
}
