import { TributaryError } from "../../errors.ts";
import type { Encoding } from "../../text/encoding.ts";
import { looksMarkedUp, MARKUP_SAMPLE_BYTES } from "../../text/unsupported-formats.ts";
import type { Detected, FileFormat, FormatRequest, TextSample } from "../format.ts";
import { detectDialect, type DetectedDialect } from "./dialect.ts";
import { csvOptionsSchema, declaredExtras, declaredTable, type Dialect, type DialectRequest } from "./options.ts";
import { CsvTableReader } from "./reading/table-reader.ts";
import { rowText } from "./write-rows.ts";

/** Score of text that no other format claims: any text can be read as CSV with one column. */
const FALLBACK_SCORE = 0.1;

export const csvFormat: FileFormat<Dialect> = {
  name: "csv",
  optionsSchema: csvOptionsSchema,
  sniff: (sample) => (markupOf(sample) === undefined ? FALLBACK_SCORE : 0),
  detect,
  open: (open, handlers) => new CsvTableReader(open, handlers),
  writeRow: (fields, dialect) => rowText(fields, dialect),
  declaredOptions: declaredTable,
};

const markupOf = ({ bytes }: TextSample): string | undefined =>
  looksMarkedUp(bytes.toString("utf8", 0, Math.min(bytes.length, MARKUP_SAMPLE_BYTES)));

/** A line `sep=;` (written by Excel) wins over the pinned delimiter, but not over a declared one. */
function detect(sample: TextSample, requested: FormatRequest, pinned?: Dialect): Detected<Dialect> {
  const markup = markupOf(sample);
  if (markup !== undefined) throw new TributaryError("FILE_NOT_CSV", `the file looks like ${markup}`);
  const { bytes } = sample;
  const separator = /^sep=([,;\t|])(\r\n|\n|\r|$)/i.exec(bytes.toString("latin1", 0, 8));
  const skippedBytes = separator ? separator[0].length : 0;
  let text = bytes.toString("latin1", skippedBytes);
  if (!sample.complete) {
    const wholeLines = Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r")) + 1;
    if (wholeLines > 0) text = text.slice(0, wholeLines);
  }
  const { format: _, ...options } = requested;
  const given = {
    ...(separator ? { delimiter: separator[1] } : {}),
    ...csvOptionsSchema.parse(options),
  };
  const firstLine = separator ? 2 : 1;
  const { confidence, ...found } = detectIn(belowSkipped(text, firstLine, given), sample.encoding, given, pinned);
  return { options: { ...found, ...declaredExtras(given) }, confidence, skippedBytes, firstLine };
}

/** The text without the lines that are declared to be skipped. */
function belowSkipped(text: string, firstLine: number, { skipRows }: DialectRequest): string {
  let at = 0;
  for (let line = firstLine; typeof skipRows === "number" && line <= skipRows && at < text.length; line++) {
    const end = /\r\n|\n|\r/g;
    end.lastIndex = at;
    at = end.test(text) ? end.lastIndex : text.length;
  }
  return text.slice(at);
}

/** Detects the rest below a declared delimiter of several bytes by means of one that the text lacks. */
function detectIn(text: string, encoding: Encoding, given: DialectRequest, pinned?: Dialect): DetectedDialect {
  const { delimiter } = given;
  const bytes = delimiter === undefined ? "" : Buffer.from(delimiter).toString("latin1");
  if (delimiter === undefined || bytes.length === 1) return detectDialect(text, encoding, given, pinned);
  const [unit, record] = ["\x1f", "\x1e"];
  const single = text.replaceAll(unit, record).replaceAll(bytes, unit);
  return { ...detectDialect(single, encoding, { ...given, delimiter: unit }, pinned), delimiter };
}
