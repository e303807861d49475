import type { Dialect } from "./options.ts";

type RowDialect = Pick<Dialect, "delimiter" | "quote" | "escape" | "comment" | "trimBlanks">;

/**
 * A row as text that reads back as these fields, without a line end.
 * @throws a plain Error if a field needs quotes and the dialect has none
 */
export function rowText(fields: readonly string[], dialect: RowDialect): string {
  // A single empty field would be a blank line, which some readers skip.
  if (fields.length === 1 && fields[0] === "") return quoted("", dialect);
  const { delimiter, comment } = dialect;
  const cells = fields.map((field) => (needsQuotes(field, dialect) ? quoted(field, dialect) : field));
  if (fields[0]?.startsWith("\ufeff") || (comment && cells[0]?.startsWith(comment))) {
    cells[0] = quoted(fields[0]!, dialect);
  }
  return cells.join(delimiter);
}

function needsQuotes(field: string, { delimiter, quote, trimBlanks = false }: RowDialect): boolean {
  // The end of the field and the delimiter after it may contain a delimiter, too.
  const divided = (field + delimiter).indexOf(delimiter) < field.length;
  return (
    divided ||
    /[\r\n]/.test(field) ||
    (quote !== null && field.startsWith(quote)) ||
    (trimBlanks && /^[ \t]|[ \t]$/.test(field))
  );
}

function quoted(field: string, { quote, escape }: Pick<Dialect, "quote" | "escape">): string {
  if (quote === null)
    throw new Error(`${JSON.stringify(field.slice(0, 80))} needs quotes, but the file is written without quotes`);
  const escaped = escape === quote ? field : field.replaceAll(escape, escape + escape);
  return quote + escaped.replaceAll(quote, escape + quote) + quote;
}

/**
 * Text for a spreadsheet cell. Spreadsheets treat text that starts with = + - @ as a formula, so this puts an
 * apostrophe before it, except before plain numbers. `fromCell` removes the apostrophe.
 */
export function toCell(text: string): string {
  return FORMULA.test(text) && !PLAIN_NUMBER.test(text) ? `'${text}` : text;
}

export function fromCell(text: string): string {
  return text.startsWith("'") && FORMULA.test(text) ? text.slice(1) : text;
}

/** The text may already start with apostrophes. */
const FORMULA = /^'*[=+\-@\t\r]/;
const PLAIN_NUMBER = /^[+-]?[0-9]+([.,][0-9]+)?$/;
