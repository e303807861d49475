import { Parser } from "csv-parse";

/** The text as parsed by csv-parse; undefined if it ends inside quotes. */
export function readByCsvParse(
  text: string,
  dialect: { delimiter: string; quote: string | null; escape: string },
): string[][] | undefined {
  const records: string[][] = [];
  const parser = new Parser({
    ...dialect,
    record_delimiter: ["\r\n", "\n", "\r"],
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
  });
  parser.push = (record: string[] | null) => record === null || records.push(record) > 0;
  let failed = false;
  const done = (error?: Error | null) => void (failed ||= Boolean(error));
  parser._transform(Buffer.from(text), "utf8", done);
  if (!failed) parser._flush(done);
  return failed ? undefined : records;
}
