/** Rows as a CSV file that is safe to open in a spreadsheet. */

/** Prefixes text that a spreadsheet would execute as a formula with an apostrophe, which marks it as text. */
const withoutFormula = (text) => (/^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+(\.\d+)?$/.test(text) ? `'${text}` : text);

const field = (value) => {
  const text = withoutFormula(value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export const csvText = (header, rows) => [header, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
