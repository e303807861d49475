/** Matches white space, a comment, a string, a quoted name, a word, a number or any other character. */
export const SQL_TOKEN =
  /\s+|--[^\n\r]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|[A-Za-z_@][\w@]*|\d[\w.]*|[\s\S]/g;
