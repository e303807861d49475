/**
 * JSON whose numbers survive. Snapshot ids are whole numbers of 64 bits, which a JavaScript number cannot
 * hold: JSON.parse rounds them. Node 20 has neither JSON.rawJSON nor the source text of a number in a
 * reviver.
 */
import { randomBytes } from "node:crypto";

/** A number that JSON.parse would change, as its digits. */
export class ExactNumber {
  readonly digits: string;

  constructor(digits: string) {
    this.digits = digits;
  }
}

/** Strings match first, so digits inside them are no number. */
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

/** Past the safe numbers even one that is written the same may stand for its neighbours. */
const isExact = (digits: string): boolean =>
  String(Number(digits)) === digits && Math.abs(Number(digits)) <= Number.MAX_SAFE_INTEGER;

const withNumbers = (text: string, replace: (digits: string) => string): string =>
  text.replace(STRING_OR_NUMBER, (found) => (found.startsWith('"') || isExact(found) ? found : replace(found)));

/** As JSON.parse, but a number that it would change becomes an ExactNumber. @throws SyntaxError */
export function parseExact(text: string): unknown {
  const mark = `number ${randomBytes(12).toString("hex")} `;
  return JSON.parse(
    withNumbers(text, (digits) => `"${mark}${digits}"`),
    (_name, value: unknown) =>
      typeof value === "string" && value.startsWith(mark) ? new ExactNumber(value.slice(mark.length)) : value,
  );
}

/**
 * As JSON.parse, but a number that it would change becomes a string. For texts of megabytes.
 * @throws SyntaxError
 */
export const parseForReading = (text: string): unknown => JSON.parse(withNumbers(text, (digits) => `"${digits}"`));

/** As JSON.stringify, for what `parseExact` gives. */
export function exactText(value: unknown): string {
  if (value instanceof ExactNumber) return value.digits;
  if (Array.isArray(value)) return `[${value.map(exactText).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${exactText(member)}`);
  return `{${members.join(",")}}`;
}

/** An id as its digits: catalogs write it as a number. undefined: not an id, or none. */
export function idOf(value: unknown): string | undefined {
  if (value instanceof ExactNumber) return value.digits;
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  return typeof value === "string" && /^-?\d{1,19}$/.test(value) ? value : undefined;
}

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);

export const objectsIn = (value: unknown): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
