import { z } from "zod";
import { TributaryError } from "../../errors.ts";
import { ENCODINGS } from "../../text/encoding.ts";
import { looksMarkedUp, MARKUP_SAMPLE_BYTES } from "../../text/unsupported-formats.ts";
import {
  fieldsOf,
  type Detected,
  type FileFormat,
  type FormatRequest,
  type OpenOptions,
  type RecordHandlers,
  type RecordReader,
  type Row,
  type TextSample,
} from "../format.ts";
import { DELIMITERS, detectDialect, type Delimiter, type Dialect } from "./dialect.ts";
import { CsvRecordReader } from "./records.ts";
import { rowText } from "./write-rows.ts";

/** Other characters are no byte of their own in UTF-8, or already separate fields or rows. */
const mark = z
  .string()
  .regex(/^[!-~]$/, "use one ASCII character that is not a space")
  .refine(
    (character) => !(DELIMITERS as readonly string[]).includes(character),
    `must not be a delimiter (${DELIMITERS.map((one) => JSON.stringify(one)).join(" ")})`,
  );

/** What a sender or a contract may declare about a CSV file; the rest is detected. */
export const csvOptionsSchema = z.strictObject({
  delimiter: z.enum(DELIMITERS).optional(),
  quote: mark.nullable().optional().describe("null: quotes have no meaning"),
  escape: mark.optional().describe("default: the quote doubled"),
  encoding: z.enum(ENCODINGS).optional(),
  header: z.boolean().optional().describe("false: columns are column_1, column_2 …"),
});

/** Header names are cut to this many characters (and compared so): a table's headers share one message. */
const HEADER_CHARS_MAX = 256;

/** Score of text that no other format claims: any text can be read as CSV with one column. */
const FALLBACK_SCORE = 0.1;

export const csvFormat: FileFormat<Dialect> = {
  name: "csv",
  optionsSchema: csvOptionsSchema,
  sniff: (sample) => (markupOf(sample) === undefined ? FALLBACK_SCORE : 0),
  detect,
  open: openCsv,
  writeRow: (fields, dialect) => rowText(fields, dialect),
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
    ...(separator ? { delimiter: separator[1] as Delimiter } : {}),
    ...csvOptionsSchema.parse(options),
  };
  const { confidence, ...found } = detectDialect(text, sample.encoding, given, pinned);
  return { options: found, confidence, skippedBytes, firstLine: separator ? 2 : 1 };
}

/** The first record is the header, or tells how many fields records have. */
function openCsv({ options, firstLine, limits }: OpenOptions<Dialect>, handlers: RecordHandlers): RecordReader {
  let begun = false;
  const onRow = (row: Row): void => {
    if (begun) return handlers.onRow(row);
    begun = true;
    checkFirst(row, options.header, limits.columnsMax);
    const names = options.header ? fieldsOf(row).map((text) => text.trim().slice(0, HEADER_CHARS_MAX)) : undefined;
    handlers.onFields({ names, count: row.count, final: true, ...(options.header ? { header: row } : {}) });
    if (!options.header) handlers.onRow(row);
  };
  const fieldsMax = limits.columnsMax + 1;
  return new CsvRecordReader({ dialect: options, firstLine, limits, fieldsMax, header: options.header, onRow });
}

function checkFirst({ count, fault, line }: Row, isHeader: boolean, columnsMax: number): void {
  if (count > columnsMax) {
    throw new TributaryError("FILE_TOO_MANY_COLUMNS", `${count} columns; the limit is ${columnsMax}`);
  }
  if (!fault || !isHeader) return;
  if (fault === "quote_not_closed") {
    throw new TributaryError("FILE_QUOTE_NOT_CLOSED", `a quote in the header (line ${line}) is not closed`);
  }
  throw new TributaryError(
    "FILE_ENCODING_UNKNOWN",
    `the header (line ${line}) cannot be read: ${fault.replaceAll("_", " ")}`,
  );
}
