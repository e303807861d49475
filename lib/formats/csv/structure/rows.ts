import { isBlankRow } from "../reading/no-data.ts";
import { familyOf, kindOf } from "./kinds.ts";
import type { Doubt } from "../../format.ts";
import type { Footer } from "./footer/footer.ts";
import type { HeaderDecision } from "./header.ts";
import type { SampleRow } from "./split.ts";

/** What the sender declares about the table's place in the file. */
export interface TableRequest {
  /** Lines of the file before the table; undefined: to be found. */
  skipRows?: number | undefined;
  headerRows?: number | undefined;
  comment?: string | null | undefined;
  rowNames?: boolean | undefined;
  trailingDelimiter?: boolean | undefined;
  leadingDelimiter?: boolean | undefined;
  dropBlankNames?: boolean | undefined;
  footerRows?: number | undefined;
  delimiterDeclared?: boolean | undefined;
  quoteDeclared?: boolean | undefined;
  /** Lines above the table that tell the delimiter. */
  sepLines?: number | undefined;
}

/** The table that a dialect shows in the sample. */
export interface FoundTable {
  /** Fields of most rows, without the empty one behind a trailing delimiter. */
  width: number;
  header: HeaderDecision;
  /** Cells of the header's last row. */
  headerCells: readonly string[];
  /** The names that the header gives the columns. */
  names: readonly string[];
  /** Line of the header, or of the first row without a header. */
  firstLine: number;
  /** The rows below the header, without comments and footer. */
  body: readonly SampleRow[];
  footer: Footer;
  /** Rows without a value, between the others or at the end. */
  blankRows: number;
  /** Start of lines that are comments; undefined: there are none below the first line. */
  comment: string | undefined;
  /** Lines above the first that are comments. */
  commentsAbove: number;
  trailingDelimiter: boolean;
  leadingDelimiter: boolean;
  rowNames: boolean;
  /** Blank cells of the header stand above no field. */
  dropBlankNames: boolean;
  /** The text of the header's last row. */
  headerText: string;
  /** Share of the body's rows that have `width` fields. */
  even: number;
  /** Share of the body's rows that have fewer fields, below a header that has more than most rows. */
  short: number;
  /** Share of all rows that belong to the table. */
  coverage: number;
  /** True if one word stands above the rows, and they have no header: it may be the name of one column. */
  belowOneName: boolean;
  /** Rows above the first, comments included. */
  skippedRows: number;
  /** Those of them that were found to be titles and notes. */
  titleRows: number;
  /** Why the header does not fit the rows. */
  misfit?: string;
  /** Why the table may not be all that the rows hold. Takes time: asked for the table that is read. */
  doubts(): readonly Doubt[];
}

/** True for what a column may be called. */
export const isName = (cell: string): boolean => familyOf(kindOf(cell)) === "text";

/** The rows from this one on that have as many fields as it. */
export function runAt(rows: readonly SampleRow[], at: number): readonly SampleRow[] {
  const { count } = rows[at]!;
  let end = at + 1;
  while (end < rows.length && rows[end]!.count === count) end++;
  return rows.slice(at, end);
}

/**
 * The number of fields that makes most of the rows a table. Wider rows count more, and so do those at the
 * end: what stands above a table is narrow.
 */
export function modalWidth(rows: readonly SampleRow[]): number {
  const scores = new Map<number, number>();
  rows.forEach(({ count, cells }, at) => {
    if (count > 1 && isBlankRow(cells)) return;
    const late = at >= rows.length / 2 ? 1.2 : 1;
    scores.set(count, (scores.get(count) ?? 0) + (late * (count - 0.9)) / count);
  });
  if (scores.size === 0) return rows[0]!.count;
  return [...scores].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}
