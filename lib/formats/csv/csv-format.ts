import type { ColumnDefinition } from "../../columns.ts";
import { TributaryError } from "../../errors.ts";
import { looksForeign, MARKUP_SAMPLE_BYTES, remedyFor } from "../../text/unsupported-formats.ts";
import type { Detected, FileFormat, FormatRequest, TextSample } from "../format.ts";
import { csvOptionsSchema, declaredExtras, declaredTable, wholeDialect, type Dialect } from "./options.ts";
import { CsvTableReader } from "./reading/table-reader.ts";
import { detectStructure } from "./structure/structure.ts";
import { rowText } from "./write-rows.ts";

/** Score of text that no other format claims: any text can be read as CSV with one column. */
const FALLBACK_SCORE = 0.1;

export const csvFormat: FileFormat<Dialect> = {
  name: "csv",
  optionsSchema: csvOptionsSchema,
  sniff: (sample) => (foreignIn(sample) === undefined ? FALLBACK_SCORE : 0),
  detect,
  open: (open, handlers) => new CsvTableReader(open, handlers),
  writeRow: (fields, dialect) => rowText(fields, dialect),
  declaredOptions: declaredTable,
  wholeOptions: wholeDialect,
};

const foreignIn = ({ bytes }: TextSample): string | undefined =>
  looksForeign(bytes.toString("utf8", 0, Math.min(bytes.length, MARKUP_SAMPLE_BYTES)));

/** See `detectStructure`. A sample of a longer file ends with its last whole line. */
function detect(
  { bytes, encoding, complete }: TextSample,
  requested: FormatRequest,
  pinned?: Dialect,
  known?: readonly ColumnDefinition[],
): Detected<Dialect> {
  const foreign = foreignIn({ bytes, encoding, complete });
  if (foreign !== undefined) {
    throw new TributaryError("FILE_NOT_CSV", `the file looks like ${foreign}: ${remedyFor(foreign)}`);
  }
  const end = complete ? 0 : Math.max(bytes.lastIndexOf(LF), bytes.lastIndexOf(CR)) + 1;
  const text = bytes.toString("utf8", 0, end > 0 ? end : bytes.length);
  const { format: _, ...options } = requested;
  const given = csvOptionsSchema.parse(options);
  const { dialect, ...found } = detectStructure({ text, complete, encoding, requested: given, pinned, known });
  return { options: { ...dialect, ...declaredExtras(given) }, ...found, skippedBytes: 0, firstLine: 1 };
}

const [LF, CR] = [10, 13];
