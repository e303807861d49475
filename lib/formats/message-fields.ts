/**
 * How formats are written in messages. CSV keeps the fields that older readers know (`dialectJson`,
 * `delimiter`), so that versions can be mixed during an upgrade; every other format uses `format` and
 * `formatOptionsJson`.
 */
import type { Encoding } from "../text/encoding.ts";
import type { FormatOptions, FormatRequest, PinnedFormat } from "./format.ts";
import { checkRequest, DEFAULT_FORMAT } from "./registry.ts";

interface RequestFields {
  /** null: not declared. */
  format?: string | null;
  formatOptionsJson?: string | null;
  dialectJson: string | null;
}

/** A sender's declarations as fields of a FileEvent. */
export function requestFields(request: FormatRequest = {}): Required<RequestFields> {
  const { format = null, ...options } = request;
  const json = Object.keys(options).length > 0 ? JSON.stringify(options) : null;
  if (format !== null && format !== DEFAULT_FORMAT) return { format, formatOptionsJson: json, dialectJson: null };
  // CSV options imply the format; its name has to be written only without them.
  const implied = Object.keys(options).some((option) => option !== "encoding");
  return { format: implied ? null : format, formatOptionsJson: null, dialectJson: json };
}

/** A sender's declarations in a FileEvent. @throws a plain Error if they are not valid for their format */
export function requestIn({ format = null, formatOptionsJson, dialectJson }: RequestFields): FormatRequest {
  const options = JSON.parse(formatOptionsJson ?? dialectJson ?? "{}") as object;
  const checked = checkRequest({ ...(format === null ? {} : { format }), ...options });
  if (checked.success) return checked.data;
  throw new Error(`invalid format options: ${checked.issues.map(({ message }) => message).join("; ")}`);
}

interface WrittenFields {
  format: string;
  formatOptionsJson: string | null;
  delimiter: string;
  encoding: string;
}

/**
 * How a file was written, as fields of an EndOfFile. Undefined: the file failed before it was known. The
 * options of a CSV file are written only if they are not the usual ones, which older readers assume.
 */
export function writtenFields(format = DEFAULT_FORMAT, options?: FormatOptions): WrittenFields {
  const {
    encoding = "",
    delimiter = "",
    confidence: _,
    evidence: __,
    skippedRows: ___,
    ...more
  } = (options ?? {}) as Record<string, unknown> & {
    encoding?: string;
  };
  if (format === DEFAULT_FORMAT) {
    const { quote = USUAL_CSV.quote, escape = USUAL_CSV.escape, header: __, ...rest } = more;
    const usual = quote === USUAL_CSV.quote && escape === USUAL_CSV.escape && Object.keys(rest).length === 0;
    return { format, formatOptionsJson: usual ? null : JSON.stringify(more), delimiter: String(delimiter), encoding };
  }
  const own = delimiter === "" ? more : { ...more, delimiter };
  return { format, formatOptionsJson: JSON.stringify(own), delimiter: "", encoding };
}

/** Options that nearly all CSV files have. Whether a file has a header is not pinned. */
const USUAL_CSV = { quote: '"', escape: '"' };

/** The format that a file pins whose end has these fields (`writtenFields`); undefined for a failed file. */
export function pinnedBy(written: Partial<WrittenFields>): PinnedFormat | undefined {
  const { format = DEFAULT_FORMAT, formatOptionsJson, delimiter = "", encoding = "" } = written;
  if (encoding === "") return undefined;
  const own = JSON.parse(formatOptionsJson ?? "{}") as object;
  const csv = format === DEFAULT_FORMAT ? { ...USUAL_CSV, header: true, delimiter } : {};
  return { format, options: { ...csv, ...own, encoding: encoding as Encoding } };
}

interface PinnedFields {
  format?: string;
  formatOptionsJson?: string | null;
  dialectJson: string;
}

/**
 * What is written for a format that is not known. Older readers need a dialect, and take it for the table's;
 * `assumed` tells the others.
 */
const ASSUMED = { ...USUAL_CSV, delimiter: ",", header: true, encoding: "utf-8", assumed: true } as const;

/** A table's pinned format as fields of a TableSchemaEvent; undefined: not known. */
export function pinnedFields(pinned: PinnedFormat | undefined): PinnedFields {
  const { format, options } = pinned ?? { format: DEFAULT_FORMAT, options: ASSUMED };
  const json = JSON.stringify(options);
  return format === DEFAULT_FORMAT
    ? { format, formatOptionsJson: null, dialectJson: json }
    : { format, formatOptionsJson: json, dialectJson: "{}" };
}

/** The reverse of `pinnedFields`. */
export function pinnedIn(fields: PinnedFields): PinnedFormat | undefined {
  const { format = DEFAULT_FORMAT, formatOptionsJson, dialectJson } = fields;
  const options = JSON.parse(formatOptionsJson ?? dialectJson) as FormatOptions;
  return options["assumed"] === true ? undefined : { format, options };
}
