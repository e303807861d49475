import { isTyped } from "./kinds.ts";
import { withoutComments } from "./comments.ts";
import { headerOf, strayNameIn, type HeaderDecision } from "./header.ts";
import {
  isHeaderOf,
  namesIn,
  namesUnder,
  ownHeaderAt,
  ownHeaderIn,
  SEARCHED_ROWS_MAX,
  type KnownColumns,
} from "./known.ts";
import { compare, profilesOf } from "./profile.ts";
import { isBlankRow, isRuler, isUnderline } from "../reading/no-data.ts";
import { isName, modalWidth, runAt, type FoundTable, type TableRequest } from "./rows.ts";
import type { Sample, SampleRow } from "./split.ts";
import { hasRowNames } from "./checks/row-names.ts";
import { doubtsOf } from "./doubts.ts";
import { failedComment, footerOf, withDoubt } from "./footer/footer.ts";

/** Finds the table among the rows. Undefined if there are none. */
export function tableIn(sample: Sample, known: KnownColumns, requested: TableRequest): FoundTable | undefined {
  const skipped = Math.max(requested.skipRows ?? 0, requested.sepLines ?? 0);
  const below = sample.rows.filter(({ line }) => line > skipped);
  const { rows: written, comment, commentsAbove } = withoutComments(below, requested.comment);
  const { rows: lined, leadingDelimiter } = withoutBorders(written, known, requested.leadingDelimiter);
  const unruled = lined.filter((row) => !isRulerRow(row, leadingDelimiter));
  if (unruled.length === 0) return undefined;
  const width = widthOf(unruled);
  const heading = underlinedIn(lined, width, leadingDelimiter);
  const underline = heading && lined[lined.indexOf(heading) + 1];
  const rows = (width > 1 ? unruled : lined).filter((row) => row !== underline);
  const found = requested.skipRows === undefined ? firstOf(rows, width, known) : 0;
  const first = heading ? Math.min(found, rows.indexOf(heading)) : found;
  // The reader leaves out rows without a value.
  const mayBeData = (row: SampleRow, at: number): boolean => at <= first || width < 2 || !isBlankRow(row.cells);
  const shape = shapeAt(rows.filter(mayBeData).slice(first), width, known, {
    ...requested,
    ...{ delimiter: sample.delimiter, isBordered: leadingDelimiter },
  });
  const comments = sample.complete ? failedComment(below, written) : undefined;
  const footer =
    requested.footerRows === undefined
      ? withDoubt(footerOf(rows.slice(first), shape.width, sample.complete ? { rowsBefore: 0 } : undefined), comments)
      : { rows: requested.footerRows, confidence: 1 };
  const ended = rows.slice(0, rows.length - footer.rows).filter(mayBeData);
  const { header, at } = orFirst(
    ended,
    underlinedHeader(ended, headerAt(ended, { ...shape, at: first }, known, requested), heading, requested),
    shape.width,
    requested,
  );
  const start = at + header.skipped;
  const body = ended.slice(start + header.rows);
  const fits = ({ count }: SampleRow): boolean =>
    count === shape.width || (shape.trailingDelimiter && count === shape.width + 1);
  const shareOf = (is: (row: SampleRow) => boolean): number =>
    body.length === 0 ? 0 : body.filter(is).length / body.length;
  const even = body.length === 0 ? 1 : shareOf(fits);
  const short = shape.misfit === undefined ? 0 : shareOf(({ count }) => count > 1 && count < shape.width);
  const table = {
    ...shape,
    headerText: ended[start + header.rows - 1]?.text ?? "",
    header: { ...header, skipped: 0 },
    headerCells: ended[start + header.rows - 1]?.cells.slice(0, COLUMNS_NAMED_MAX) ?? [],
    names: namesUnder(ended.slice(start, start + header.rows), shape).slice(0, COLUMNS_NAMED_MAX),
    firstLine: ended[start]?.line ?? rows[0]!.line,
    ...{ body, footer, comment, commentsAbove, even, short, leadingDelimiter },
    blankRows: rows.length - footer.rows - ended.length,
    skippedRows: sample.rows.filter(({ line }) => line < (ended[start]?.line ?? 0)).length,
    titleRows: start,
    belowOneName: start === 1 && rows[0]!.count === 1 && header.rows === 0,
    coverage: (rows.length - start) / rows.length,
  };
  const above = ended.slice(0, start).filter(({ cells }) => !isBlankRow(cells));
  const stray = strayNameIn(ended[start + header.rows - 1], sample.quote);
  return { ...table, doubts: () => doubtsOf(table, above, stray, { ...requested, known }) };
}

const COLUMNS_NAMED_MAX = 2_000;

/**
 * Fields of the table's rows. Of several tables in a file the first is read: rows of another width above
 * the most frequent one, with a header of their own.
 */
function widthOf(rows: readonly SampleRow[]): number {
  const width = modalWidth(rows);
  const end = rows.findIndex(({ count }) => count === width);
  for (let at = 0; at < end; at++) {
    const run = runAt(rows, at);
    const { count } = run[0]!;
    if (count < 2 || run.length < (count > 2 ? 4 : 6) || count >= width + 1 + run.length) continue;
    const { header, data } = compare(run[0]!, profilesOf(run.slice(1), count));
    if (header > 0 && data === 0) return count;
  }
  return width;
}

/** Index of the first row that may belong to the table: the rows before it are titles, notes and blank. */
function firstOf(rows: readonly SampleRow[], width: number, known: KnownColumns): number {
  const searched = rows.slice(0, SEARCHED_ROWS_MAX);
  const own = ownHeaderIn(rows, known);
  if (own) return own.at;
  const named = searched.findIndex(
    ({ cells }) => known.columns.length > 1 && namesIn(cells, known) >= known.columns.length / 2,
  );
  if (named >= 0) return named;
  const firstBody = rows.findIndex(({ count }) => count === width);
  const above = rows[firstBody - 1];
  const next = rows[firstBody]!;
  if (!above) return firstBody;
  const isHeader = (row: SampleRow): boolean => {
    const { header, data } = compare(row, profilesOf(rows.slice(firstBody + 1), width));
    return header > 0 && data === 0;
  };
  if (isNarrowHeader(above, next, width) && (above.count > width || !isHeader(next))) return firstBody - 1;
  return firstBody;
}

/** A header that is one field shorter than the rows, or one longer and empty at its end. */
function isNarrowHeader(row: SampleRow, next: SampleRow, width: number): boolean {
  if (width < 3 && row.count !== width + 1) return width === 2 && row.count === 1 && next.cells.at(-1) === "";
  if (row.count > width) return width > 1 || row.cells.every(isName);
  return row.count === width - 1 && row.cells.every((cell) => cell.trim() !== "");
}

interface Shape {
  width: number;
  trailingDelimiter: boolean;
  rowNames: boolean;
  dropBlankNames: boolean;
  /** Why the header does not fit the rows. */
  misfit?: string;
}

/** How the first row relates to the rows below it: trailing delimiters and row names. */
function shapeAt(
  [row, ...below]: readonly SampleRow[],
  width: number,
  known: KnownColumns,
  requested: TableRequest & { delimiter: string; isBordered: boolean },
): Shape {
  if (!row) return { width, trailingDelimiter: false, rowNames: false, dropBlankNames: false };
  const full = below.filter(({ count }) => count === width);
  const endsEmpty = full.length > 0 && full.every(({ cells }) => cells.at(-1) === "");
  const none = {
    width,
    trailingDelimiter: requested.trailingDelimiter ?? false,
    rowNames: requested.rowNames ?? false,
    dropBlankNames: requested.dropBlankNames ?? false,
  };
  const { trailingDelimiter, rowNames, dropBlankNames } = requested;
  if ([trailingDelimiter, rowNames, dropBlankNames].some((declared) => declared !== undefined)) return none;
  if (row.count === width - 1 && full.length > 0) {
    // A header of the table lacks no name: a field more in each row is one too many.
    if (!endsEmpty && isHeaderOf(row.cells, known) && !known.names.some((own) => own.has("rowname"))) {
      return { ...none, width: row.count };
    }
    if (endsEmpty) {
      const misfit = isMerged(row, full)
        ? { misfit: `line ${row.line} seems to lack a delimiter between two names` }
        : {};
      return { ...none, width: width - 1, trailingDelimiter: true, ...misfit };
    }
    if (hasRowNames(row, full, requested.delimiter)) return { ...none, rowNames: true };
    const what = "it lacks a name, or the rows have an unquoted delimiter";
    const misfit = `line ${row.line} has ${row.count} fields above rows of ${width}: ${what}`;
    return { ...none, rowNames: true, misfit };
  }
  if (row.count > width && full.length > 0) {
    if (row.count === width + 1 && row.cells.at(-1)?.trim() === "") return { ...none, trailingDelimiter: true };
    const blank = row.cells.filter((cell) => cell.trim() === "").length;
    if (row.count <= row.cells.length && row.count - blank === width && full.length >= 0.5 * below.length) {
      const misfit = `line ${row.line} has ${row.count} fields above rows of ${width}: ${blank} of its names are blank`;
      return { ...none, dropBlankNames: true, misfit };
    }
    // Rows may leave out empty last fields: the header says how many there are.
    const misfit = `line ${row.line} has ${row.count} fields above rows of ${width}`;
    return { ...none, width: row.count, misfit };
  }
  const isOwnWidth = known.columns.length === width;
  // Without a header the last column may just be empty.
  const isHeader = row.cells.at(-1) === "" && row.cells.slice(0, -1).every(isName);
  const isEnd = isHeader || (requested.isBordered && row.cells.at(-1) === "");
  const both = row.count === width && isEnd && endsEmpty && width > 1 && !isOwnWidth;
  return both ? { ...none, width: width - 1, trailingDelimiter: true } : none;
}

/**
 * True if a quote within a name, or quoted names that stand beside the quoted columns, show a lost
 * delimiter.
 */
function isMerged(row: SampleRow, full: readonly SampleRow[]): boolean {
  if (row.misquoted > 0 || row.cells.some((cell) => cell.includes('"'))) return true;
  const quotedBelow = (column: number): boolean =>
    full.filter(({ quoted }) => quoted[column]).length >= 0.9 * full.length;
  const isAligned = (shift: number): boolean => row.quoted.every((own, at) => !own || quotedBelow(at + shift));
  return row.quoted.some(Boolean) && !row.quoted.every(Boolean) && !isAligned(0) && isAligned(1);
}

/** The header, below rows that are titles padded with delimiters. */
function headerAt(
  rows: readonly SampleRow[],
  { at, width, rowNames }: Shape & { at: number },
  known: KnownColumns,
  requested: TableRequest,
): { header: HeaderDecision; at: number } {
  const decide = (from: number): HeaderDecision => {
    const part = rows.slice(from);
    return headerOf(rowNames ? [shifted(part[0]!), ...part.slice(1)] : part, width, known);
  };
  if (requested.headerRows !== undefined) {
    const evidence = "declared";
    const header = { rows: requested.headerRows, skipped: 0, confidence: 1, evidence, certain: true, named: 0 };
    return { header, at };
  }
  let after = at;
  const isTitle = (row: number): boolean => isPadded(rows[row]!, width) && ownHeaderAt(rows, row, known) === 0;
  while (requested.skipRows === undefined && after < rows.length - 1 && isTitle(after)) after++;
  if (after > at && after < rows.length - 1) {
    const header = decide(after);
    const onlyBlank = rows.slice(at, after).every(({ cells }) => cells.every((cell) => cell.trim() === ""));
    if (onlyBlank || (header.rows > 0 && (header.certain || isFull(rows[after]!, width)))) return { header, at: after };
  }
  return { header: decide(at), at };
}

const shifted = (row: SampleRow): SampleRow => ({ ...row, cells: ["", ...row.cells], count: row.count + 1 });

/**
 * Lines of text above text without a header are hardly a title: then the first line is the header, and rows
 * that do not fit it are rejected rather than loaded under made-up names.
 */
function orFirst(
  rows: readonly SampleRow[],
  found: { header: HeaderDecision; at: number },
  width: number,
  { skipRows }: TableRequest,
): { header: HeaderDecision; at: number } {
  if (found.at === 0 || (found.header.rows > 0 && found.header.certain) || skipRows !== undefined || rows[0]!.count < 2)
    return found;
  const typed = profilesOf(rows.slice(found.at), width).some(({ family }) => isTyped(family));
  if (typed) return found;
  const evidence = `line ${rows[0]!.line} is the first, and no line below it looks like a header`;
  const header = { rows: 1, skipped: 0, confidence: 0.4, evidence, certain: false, named: 0, doubt: evidence };
  return { header, at: 0 };
}

/** The row of names above a row that underlines them, unless a row of the table stands right above it. */
function underlinedIn(rows: readonly SampleRow[], width: number, isBordered: boolean): SampleRow | undefined {
  const end = width === 1 ? 1 : SEARCHED_ROWS_MAX;
  const at = rows.slice(0, end).findIndex(({ cells, count }, at) => {
    const next = rows[at + 1];
    if (!next || count < width - 1 || (count === 1 && width > 1) || !cells.some(isName)) return false;
    return isUnderline(next.cells, cells) || (isBordered && isRulerRow(next, true));
  });
  const [above, heading] = [rows[at - 1], rows[at]];
  const isBelowRow =
    above?.count === width &&
    above.line === heading!.line - 1 &&
    !isPadded(above, width) &&
    !isRulerRow(above, isBordered);
  return isBelowRow ? undefined : heading;
}

const isRulerRow = ({ cells }: SampleRow, isBordered: boolean): boolean => isRuler(cells, isBordered);

/**
 * The rows without the empty field before their first delimiter, if no row has a value there: as in tables
 * that are drawn with |, or begin in the second column of a sheet.
 */
function withoutBorders(
  rows: readonly SampleRow[],
  { columns, unnamed }: KnownColumns,
  declared: boolean | undefined,
): { rows: readonly SampleRow[]; leadingDelimiter: boolean } {
  const wide = rows.filter(({ count }) => count > 1);
  const width = wide.length > 0 ? modalWidth(wide) : 1;
  const lines = wide.filter(({ count, cells }) => count >= width - 1 && !isBlankRow(cells));
  const isClosed = lines.every(({ cells }) => cells.at(-1)!.trim() === "");
  const isKnown = columns.length > 0 && (unnamed || columns[0]!.header.trim() === "");
  const found =
    !isKnown &&
    (width > 2 || (width === 2 && lines.every(({ text }) => text.trim().length > 1))) &&
    lines.length > (isClosed ? 1 : 2) &&
    lines.length > rows.length / 3 &&
    wide.every(({ cells }) => cells[0]!.trim() === "") &&
    (isClosed || lines[0]!.cells.slice(1).every(isNameOrBlank));
  if (!(declared ?? found)) return { rows, leadingDelimiter: false };
  const strip = (row: SampleRow): SampleRow =>
    row.count > 1 && row.cells[0]!.trim() === ""
      ? { ...row, cells: row.cells.slice(1), quoted: row.quoted.slice(1), count: row.count - 1 }
      : row;
  return { rows: rows.map(strip), leadingDelimiter: true };
}

const isNameOrBlank = (cell: string): boolean => cell.trim() === "" || isName(cell);

/** The header, if one is underlined: it is the row above. */
function underlinedHeader(
  rows: readonly SampleRow[],
  found: { header: HeaderDecision; at: number },
  heading: SampleRow | undefined,
  { headerRows, skipRows }: TableRequest,
): { header: HeaderDecision; at: number } {
  if (!heading || headerRows !== undefined) return found;
  const at = rows.indexOf(heading);
  const sure = { confidence: 1, evidence: `line ${heading.line} is underlined`, certain: true };
  const { doubt: _, ...header } = found.header;
  const last = found.at + header.skipped + header.rows - 1;
  if (header.rows > 0 && last === at) return header.named > 0 ? found : { ...found, header: { ...header, ...sure } };
  if (skipRows !== undefined && at !== found.at) return found;
  return { at, header: { rows: 1, skipped: 0, named: 0, ...sure } };
}

/** A title or note in a row of its own, filled up with delimiters. */
function isPadded({ cells, count }: SampleRow, width: number): boolean {
  const filled = cells.filter((cell) => cell.trim() !== "").length;
  if (filled === 0) return true;
  if (count < width || width < 2) return false;
  return filled === 1 || (filled === 2 && width >= 4 && cells[0]!.trim() !== "" && cells[1]!.trim() !== "");
}

const isFull = ({ cells }: SampleRow, width: number): boolean =>
  cells.filter((cell) => cell.trim() !== "").length >= Math.max(2, width * 0.75);
