/** Rows as a CSV file that a spreadsheet may open. */

/** A spreadsheet would run it; numbers it may have. The apostrophe says that it is text. */
const harmless = (text) => (/^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+(\.\d+)?$/.test(text) ? `'${text}` : text);

const field = (value) => {
  const text = harmless(value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export const csvText = (header, rows) => [header, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
