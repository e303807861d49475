/**
 * How formats are written in messages. CSV keeps the fields that older readers know (`dialectJson`,
 * `delimiter`), so that versions can be mixed during an upgrade; every other format uses `format` and
 * `formatOptionsJson`.
 */
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
 * How a file was written, as fields of an EndOfFile or FileOutcome. Undefined: the file failed before it was
 * known.
 */
export function writtenFields(format = DEFAULT_FORMAT, options?: FormatOptions): WrittenFields {
  const {
    encoding = "",
    delimiter = "",
    confidence: _,
    ...more
  } = (options ?? {}) as Record<string, unknown> & {
    encoding?: string;
  };
  if (format === DEFAULT_FORMAT) return { format, formatOptionsJson: null, delimiter: String(delimiter), encoding };
  const own = delimiter === "" ? more : { ...more, delimiter };
  return { format, formatOptionsJson: JSON.stringify(own), delimiter: "", encoding };
}

interface PinnedFields {
  format?: string;
  formatOptionsJson?: string | null;
  dialectJson: string;
}

/** A table's pinned format as fields of a TableSchemaEvent. */
export function pinnedFields({ format, options }: PinnedFormat): PinnedFields {
  const json = JSON.stringify(options);
  return format === DEFAULT_FORMAT
    ? { format, formatOptionsJson: null, dialectJson: json }
    : { format, formatOptionsJson: json, dialectJson: "{}" };
}

export const pinnedIn = ({ format = DEFAULT_FORMAT, formatOptionsJson, dialectJson }: PinnedFields): PinnedFormat => ({
  format,
  options: JSON.parse(formatOptionsJson ?? dialectJson) as FormatOptions,
});
