import type { Dialect } from "./dialect.ts";

/**
 * A row as text, without its line end, so that it reads back as these fields in the dialect and as one row.
 * @throws a plain Error if the dialect has no quotes and a field cannot stand without them
 */
export function rowText(fields: readonly string[], dialect: Pick<Dialect, "delimiter" | "quote" | "escape">): string {
  // A lone empty field would be a blank line, which is no row.
  if (fields.length === 1 && fields[0] === "") return quoted("", dialect);
  return fields.map((field) => (needsQuotes(field, dialect) ? quoted(field, dialect) : field)).join(dialect.delimiter);
}

function needsQuotes(field: string, { delimiter, quote }: Pick<Dialect, "delimiter" | "quote">): boolean {
  return field.includes(delimiter) || /[\r\n]/.test(field) || (quote !== null && field.startsWith(quote));
}

function quoted(field: string, { quote, escape }: Pick<Dialect, "quote" | "escape">): string {
  if (quote === null)
    throw new Error(`${JSON.stringify(field.slice(0, 80))} needs quotes, which mean nothing in the file`);
  const escaped = escape === quote ? field : field.replaceAll(escape, escape + escape);
  return quote + escaped.replaceAll(quote, escape + quote) + quote;
}

/**
 * Text for a cell of a spreadsheet, which takes what begins with = + - @ for a formula: an apostrophe goes before it, unless it is a
 * plain number. `fromCell` takes it away again.
 */
export function toCell(text: string): string {
  return FORMULA.test(text) && !PLAIN_NUMBER.test(text) ? `'${text}` : text;
}

export function fromCell(text: string): string {
  return text.startsWith("'") && FORMULA.test(text) ? text.slice(1) : text;
}

/** Apostrophes may stand before it already. */
const FORMULA = /^'*[=+\-@\t\r]/;
const PLAIN_NUMBER = /^[+-]?[0-9]+([.,][0-9]+)?$/;
