import { DOUBT_REASONS, type Doubt, type FormatOptions } from "./format.ts";
import { DEFAULT_FORMAT, FORMATS } from "./registry.ts";

/** JSON on record, in characters. Longer lists of null markers are left out. */
const JSON_CHARS_MAX = 4_000;
const DOUBTS_MAX = 4;
const DOUBT_CHARS_MAX = 500;

interface ReadFile {
  format?: string;
  dialect?: FormatOptions;
  outcome?: "complete" | "failed";
  doubts?: readonly Doubt[];
}

export type Reading = Readonly<Record<string, unknown>>;

/**
 * How a file was read, whole: the format's options, also those that hold by default, the contract's null
 * markers for all columns, and what else the dialect says. `doubts`: those in spite of which the file is
 * loaded. Undefined: it failed before that was known.
 */
export function readingOf(
  { format = DEFAULT_FORMAT, dialect, outcome, doubts = [] }: ReadFile,
  { nullMarkers }: { nullMarkers: readonly string[] },
): Reading | undefined {
  if (!dialect) return undefined;
  const whole = FORMATS.find(({ name }) => name === format)?.wholeOptions?.(dialect) ?? dialect;
  const overruled = outcome === "complete" ? doubts.slice(0, DOUBTS_MAX).map(bounded) : [];
  return { format, ...whole, nullMarkers, ...(overruled.length > 0 ? { doubts: overruled } : {}) };
}

const bounded = ({ reason, evidence }: Doubt): Doubt => ({ reason, evidence: evidence.slice(0, DOUBT_CHARS_MAX) });

/** The doubts in spite of which a file is loaded, as its reading has them. */
export function doubtsIn(reading: Reading | null | undefined): Doubt[] {
  const given = reading?.["doubts"];
  return Array.isArray(given) ? given.filter(isDoubt) : [];
}

function isDoubt(given: unknown): given is Doubt {
  if (typeof given !== "object" || given === null) return false;
  const { reason, evidence } = given as Partial<Record<string, unknown>>;
  return (DOUBT_REASONS as readonly unknown[]).includes(reason) && typeof evidence === "string";
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
