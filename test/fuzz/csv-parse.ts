import { Parser } from "csv-parse";

/** How the text is written. */
export interface Written {
  delimiter: string;
  quote: string | null;
  escape: string;
}

/** The text as parsed by csv-parse; undefined if it ends inside quotes. */
export const readByCsvParse = (text: string, dialect: Written): string[][] | undefined => read(text, dialect, true);

/** The same; undefined also if a quote stands in the wrong place. */
export const readStrictly = (text: string, dialect: Written): string[][] | undefined => read(text, dialect, false);

function read(text: string, dialect: Written, relaxed: boolean): string[][] | undefined {
  const records: string[][] = [];
  const parser = new Parser({
    ...dialect,
    record_delimiter: ["\r\n", "\n", "\r"],
    relax_column_count: true,
    relax_quotes: relaxed,
    skip_empty_lines: true,
  });
  parser.push = (record: string[] | null) => record === null || records.push(record) > 0;
  let failed = false;
  const done = (error?: Error | null) => void (failed ||= Boolean(error));
  parser._transform(Buffer.from(text), "utf8", done);
  if (!failed) parser._flush(done);
  return failed ? undefined : records;
}
