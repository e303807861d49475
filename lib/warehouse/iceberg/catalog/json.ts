/**
 * JSON for Iceberg: snapshot ids are whole numbers of 64 bits, which a JavaScript number cannot hold. Read,
 * such a number is text; written, a bigint is a number.
 */

/** A string, or a whole number of 16 digits or more. Strings match first: digits in them are no number. */
const STRING_OR_LONG = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;

/** As JSON.parse, but a whole number of 16 digits or more becomes a string. @throws SyntaxError */
export const parseJson = (text: string): unknown =>
  JSON.parse(text.replace(STRING_OR_LONG, (found) => (found.startsWith('"') ? found : `"${found}"`)));

/** As JSON.stringify for plain values, and a bigint becomes a number. Omits properties that are undefined. */
export function jsonText(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(jsonText).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return `{${entries.map(([name, one]) => `${JSON.stringify(name)}:${jsonText(one)}`).join(",")}}`;
}
