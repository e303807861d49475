/** How files are written: the settings that a person can give, and the ones that a file was read with. */

/**
 * Names and labels of the API's parameters. A setting without a text to type in is yes or no.
 * test/services/gateway/console/dialect.test.ts compares them with the API.
 */
export const SETTINGS = [
  ["delimiter", "Delimiter", "detected"],
  ["quote", "Quote", "detected, or none"],
  ["escape", "Escape", "detected"],
  ["encoding", "Encoding", "detected"],
  ["header", "Header", "auto, none or rows"],
  ["skipRows", "Lines to skip", "auto"],
  ["footer", "Footer", "rows, pattern or none"],
  ["comment", "Comment mark", "detected, or none"],
  ["rowNames", "Row names without a header"],
  ["trailingDelimiter", "Delimiter at line ends"],
  ["leadingDelimiter", "Delimiter at line starts"],
  ["dropBlankNames", "Header has blank names too many"],
  ["trimBlanks", "Blanks around fields"],
];

const NAMES = new Map(Object.entries({ ",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space" }));

/** The main settings on one line. */
export const dialectText = (dialect) =>
  dialect
    ? [
        NAMES.get(dialect.delimiter) ?? dialect.delimiter,
        dialect.encoding.toUpperCase(),
        ...(dialect.header ? [] : ["no header"]),
      ].join(", ")
    : "not a text file";

/** Everything that a file was read with, without evidence and doubts. */
export const readingText = (dialect) =>
  Object.entries(dialect)
    .filter(([name]) => name !== "evidence" && name !== "doubts")
    .map(([name, value]) => `${name} ${typeof value === "string" ? (NAMES.get(value) ?? value) : JSON.stringify(value)}`)
    .join(", ");
