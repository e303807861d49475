import { hasHeaders, isHeaderOf, isSameHeader, fitOf, type KnownColumns } from "./known.ts";
import { isBlankRow } from "../reading/no-data.ts";
import { isTyped, kindOf, type Kind } from "./kinds.ts";
import { profilesOf } from "./profile.ts";
import type { SampleRow } from "./split.ts";
import type { FoundTable } from "./rows.ts";

/**
 * How well a dialect explains the sample: how regular its rows are, times how well their cells type,
 * after van den Burg, Nazábal and Sutton, "Wrangling messy CSV files by detecting row and type patterns"
 * (2019). A wrong delimiter gives rows of uneven length, or cells like `1,Oslo` that are nothing in
 * particular.
 */
export interface Score {
  /** 0 to 1: evenness times how much the split explains. */
  pattern: number;
  /** 0 to 1: share of cells that look like one value. */
  types: number;
  /** Columns of the table that the header names; one more if it is exactly the table's header. */
  named: number;
  /** 0 to 1: the rows fit the table's types by position; 0 if that says nothing. */
  fit: number;
  /** pattern × types × how usual the delimiter is. */
  total: number;
}

/** Cells that are typed for a score. Bounds the time. */
const CELLS_MAX = 8_000;

const CREDIT: Readonly<Record<Kind, number>> = {
  empty: 0.6,
  marker: 1,
  integer: 1,
  decimal: 1,
  money: 1,
  boolean: 1,
  date: 1,
  time: 1,
  timestamp: 1,
  link: 1,
  code: 0.85,
  word: 0.85,
  text: 0.65,
};

export function scoreOf(table: FoundTable, prior: number, known: KnownColumns): Score {
  const { body, width, even, short, coverage, header } = table;
  const rows = body.length > 0 ? body : [asRow(table)];
  const { types, typed } = typesOf(rows, width);
  const split = width === 1 ? 0 : (width - 1) / width;
  const pattern = (even + 0.6 * short) * split * (0.5 + 0.5 * coverage);
  // A title above rows of text without a header is no table: the text of one column was split.
  const loose = coverage < 1 && !(header.rows > 0 && header.certain) ? (typed ? 0.6 : 0.3) : 1;
  const misquoted = rows.filter((row) => row.misquoted > 0).length / rows.length;
  const { columns } = known;
  // Exactly the table's header is better than one that only names its columns.
  const isSame = columns.length > 0 && isSameHeader(table.names, columns);
  const isOwn = header.named === columns.length || isHeaderOf(table.names, known);
  const all = hasHeaders(table.names, columns) ? columns.length : 0;
  const named = isSame ? columns.length + 1 : isOwn ? Math.max(header.named, all) : 0;
  const fits = width === known.columns.length ? (fitOf(rows, known) ?? 0) : 0;
  // Punctuation that occurs in text is a delimiter only if it separates more than words.
  // So do even rows with quoted fields, which text hardly has.
  const isQuoted = even === 1 && coverage === 1 && rows.length > 2 && rows.some(({ quoted }) => quoted.includes(true));
  const plausible = prior < 0.9 && ((!typed && !isQuoted) || table.belowOneName) ? 0.2 : 1;
  const cut = rows.filter(isCutWithinQuotes).length / rows.length;
  // Rows without a value are left out: a quote that makes all of them so is none.
  const blank = rows.every(({ cells }) => isBlankRow(cells)) ? 0.5 : 1;
  const total = pattern * types * prior * loose * plausible * blank * (1 - 0.5 * misquoted) * (1 - 0.7 * cut);
  return { pattern, types, named, fit: fits, total };
}

/** True if a cell begins with a quote that a later cell ends with: the delimiters between them are text. */
function isCutWithinQuotes({ cells, quoted }: SampleRow): boolean {
  let open = "";
  for (const [at, cell] of cells.entries()) {
    const text = cell.trim();
    const [first = "", last = ""] = [text[0], text.at(-1)];
    if (quoted[at] || text.length < 2 || first === last) continue;
    if (open !== "" && last === open) return true;
    if (first === "'" || first === '"') open = first;
  }
  return false;
}

const asRow = ({ headerCells, width, firstLine }: FoundTable): SampleRow => ({
  line: firstLine,
  cells: [...headerCells],
  quoted: headerCells.map(() => false),
  count: width,
  misquoted: 0,
  text: "",
});

function typesOf(rows: readonly SampleRow[], width: number): { types: number; typed: boolean } {
  const used = rows.slice(0, Math.max(3, Math.floor(CELLS_MAX / Math.max(1, width))));
  let [sum, count] = [0, 0];
  for (const { cells, quoted } of used) {
    for (let at = 0; at < Math.min(cells.length, CELLS_MAX); at++) {
      const kind = kindOf(cells[at]!);
      sum += quoted[at] ? Math.max(0.85, CREDIT[kind]) : CREDIT[kind] - faultOf(cells[at]!, kind);
      count++;
    }
  }
  const typed = profilesOf(used, width).some(({ family }) => isTyped(family));
  return { types: count === 0 ? 0 : sum / count, typed };
}

/** What speaks against text that was not quoted. */
function faultOf(cell: string, kind: Kind): number {
  if (kind !== "text" && kind !== "code") return 0;
  const inside = /[,;\t|]/.test(cell) ? 0.3 : 0;
  const stray = /^"|"$|^'[^']*$|^[^']*'$/.test(cell.trim()) ? 0.3 : 0;
  const blank = cell.startsWith(" ") || cell.endsWith(" ") ? 0.1 : 0;
  return Math.min(CREDIT[kind], inside + stray + blank);
}

/** The score of a file as one column: high only if its lines are values of one kind. */
export function scoreOfOneColumn(rows: readonly SampleRow[]): number {
  const below = rows.length > 1 ? rows.slice(1) : rows;
  const typed = below.filter(({ text }) => !["text", "word", "code"].includes(kindOf(text)) || text === "").length;
  return 0.18 + 0.75 * (below.length === 0 ? 0 : typed / below.length);
}
