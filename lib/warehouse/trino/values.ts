/** Converts Trino's results to exact values, where JSON.parse would lose digits. All functions are pure. */

const LONG_INTEGER = /\d{16}/;
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * Parses like JSON.parse, but returns an integer that a double cannot hold exactly as a string of its
 * digits.
 */
export function exactJson(text: string): unknown {
  if (!LONG_INTEGER.test(text)) return JSON.parse(text);
  const kept = text.replace(STRING_OR_NUMBER, (token) => {
    if (token.length < 16 || !/^-?\d+$/.test(token)) return token;
    return Number.isSafeInteger(Number(token)) ? token : `"${token}"`;
  });
  return JSON.parse(kept);
}

const TIMESTAMP = /^(-?\d{4,}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d+))?(?: (.+))?$/;

/**
 * Converts a top-level value of a result to the form that QueryResult.rows promises. It converts timestamps
 * to ISO text and does not change other values.
 */
export function resultValue(type: string, value: unknown): unknown {
  if (typeof value !== "string" || !type.startsWith("timestamp")) return value;
  const match = TIMESTAMP.exec(value);
  if (!match) return value;
  const [, date, time, digits = "", zone] = match;
  const fraction = /^0*$/.test(digits) ? "" : `.${digits}`;
  const suffix = zone === undefined ? "" : zone === "UTC" ? "Z" : zone;
  return `${date}T${time}${fraction}${suffix}`;
}
