import { fieldsOf, type Doubt, type Ending, type Row } from "../../../format.ts";
import { footerOf, type Footer } from "./footer.ts";
import type { SampleRow } from "../split.ts";

/** The last rows of a text whose other rows were passed on. */
export interface LastRows {
  rows: readonly Row[];
  /** The header's names; undefined: there is none. */
  names: readonly string[] | undefined;
  width: number;
  quote: string | null;
  /** Rows of the table before these. */
  rowsBefore: number;
}

/** The footer among the last rows, found as in a short file; sums cannot be compared. */
export function footerAtEnd({ rows, names, width, quote, rowsBefore }: LastRows): Footer {
  const sample = rows.map((row) => sampleRow(row, width, quote));
  const heading = { ...NO_ROW, cells: [...(names ?? [])], count: width };
  return footerOf([heading, ...sample], width, { rowsBefore: Math.max(1, rowsBefore) });
}

const NO_ROW: SampleRow = { line: 0, cells: [], quoted: [], count: 0, misquoted: 0, text: "" };

function sampleRow(row: Row, width: number, quote: string | null): SampleRow {
  const text = Buffer.from(row.raw()).toString("utf8");
  const quoted = [quote !== null && text.startsWith(quote)];
  // A row that cannot be read is none of the footer.
  if (row.fault !== undefined) return { ...NO_ROW, line: row.line, cells: [text], count: width, quoted, text };
  return { ...NO_ROW, line: row.line, cells: fieldsOf(row), count: row.count, quoted, text };
}

/** What the end of the file showed, for its description. */
export function endingWith({ rows, confidence, evidence = "", doubt }: Footer): Ending | undefined {
  const doubts: Doubt[] = doubt === undefined ? [] : [{ reason: "structure_unsure", evidence: doubt }];
  if (rows === 0) return doubt === undefined ? undefined : { options: {}, evidence: [], doubts };
  const found = `${rows === 1 ? "1 row" : `${rows} rows`}: ${evidence}`;
  return {
    options: { footerRows: rows },
    evidence: [{ option: "footer", evidence: found, confidence }],
    doubts,
  };
}
