import type { FormatOptions } from "./format.ts";
import { DEFAULT_FORMAT, FORMATS } from "./registry.ts";

/** JSON on record, in characters. Longer lists of null markers are left out. */
const JSON_CHARS_MAX = 4_000;

interface ReadFile {
  format?: string;
  dialect?: FormatOptions;
}

export type Reading = Readonly<Record<string, unknown>>;

/**
 * How a file was read, whole: the format's options, also those that hold by default, the contract's null
 * markers for all columns, and what else the dialect says. Undefined: it failed before that was known.
 */
export function readingOf(
  { format = DEFAULT_FORMAT, dialect }: ReadFile,
  { nullMarkers }: { nullMarkers: readonly string[] },
): Reading | undefined {
  if (!dialect) return undefined;
  const whole = FORMATS.find(({ name }) => name === format)?.wholeOptions?.(dialect) ?? dialect;
  return { format, ...whole, nullMarkers };
}

/** A reading as JSON of bounded length, without the evidence; null: it is not known. */
export function readingJson(reading: Reading | undefined): string | null {
  if (!reading) return null;
  const { evidence: _, ...options } = reading;
  const json = JSON.stringify(options);
  return json.length <= JSON_CHARS_MAX ? json : JSON.stringify({ ...options, nullMarkers: undefined });
}

/** The reverse of `readingJson`; null: nothing is on record, or nothing that can be read. */
export function readingIn(json: string | null | undefined): Reading | null {
  if (!json) return null;
  try {
    const given = JSON.parse(json) as unknown;
    return typeof given === "object" && given !== null ? (given as Reading) : null;
  } catch {
    return null;
  }
}
