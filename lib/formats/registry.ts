import { TributaryError } from "../errors.ts";
import { csvFormat } from "./csv/csv-format.ts";
import type { FileFormat, FormatRequest, PinnedFormat, TextSample } from "./format.ts";
import type { FormatName } from "./names.ts";

const BY_NAME: Readonly<Record<FormatName, FileFormat>> = { csv: csvFormat };

/** Every format that files may have. Of equally good matches the first is chosen. */
export const FORMATS: readonly FileFormat[] = Object.values(BY_NAME);

/** The format of messages and ledger entries that name none. */
export const DEFAULT_FORMAT = csvFormat.name;

/** @throws FILE_NOT_CSV for a name that is not registered */
export function formatNamed(name: string, formats: readonly FileFormat[] = FORMATS): FileFormat {
  const format = formats.find((one) => one.name === name);
  if (format) return format;
  const names = formats.map((one) => one.name).join(", ");
  throw new TributaryError("FILE_NOT_CSV", `unknown format '${name.slice(0, 40)}': use one of ${names}`);
}

/**
 * The declared format; else the table's pinned one, if the text may be of it; else the one that fits the text
 * best. Declared options without a format's name are those of CSV.
 */
export function chooseFormat(
  sample: TextSample,
  requested: FormatRequest,
  pinned?: PinnedFormat,
  formats: readonly FileFormat[] = FORMATS,
): FileFormat {
  const { format: name, encoding: _, ...options } = requested;
  if (name !== undefined || Object.keys(options).length > 0) return formatNamed(name ?? DEFAULT_FORMAT, formats);
  const scores = new Map(formats.map((format) => [format, format.sniff(sample)]));
  const usual = formats.find((format) => format.name === pinned?.format);
  if (usual && scores.get(usual)! > 0) return usual;
  return formats.reduce((best, format) => (scores.get(format)! > scores.get(best)! ? format : best));
}

export type RequestCheck = { success: true; data: FormatRequest } | { success: false; issues: RequestIssue[] };

export interface RequestIssue {
  path: PropertyKey[];
  message: string;
}

/** Checks what a sender or a contract declares against the options of its format (CSV if it names none). */
export function checkRequest(given: unknown, formats: readonly FileFormat[] = FORMATS): RequestCheck {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    return { success: false, issues: [{ path: [], message: "must be an object" }] };
  }
  const { format: name, ...options } = given as Record<string, unknown>;
  const format = formats.find((one) => one.name === (name ?? DEFAULT_FORMAT));
  if (!format) {
    const names = formats.map((one) => one.name).join(", ");
    return { success: false, issues: [{ path: ["format"], message: `unknown format: use one of ${names}` }] };
  }
  const parsed = format.optionsSchema.safeParse(options);
  if (!parsed.success) return { success: false, issues: parsed.error.issues };
  return { success: true, data: { ...(name === undefined ? {} : { format: format.name }), ...parsed.data } };
}
