import { isFilled } from "../../reading/no-data.ts";
import { isSumOf, numberOf } from "../footer/ending.ts";
import { SUBTOTAL, SUBTOTAL_END, TOTAL_ALONE } from "../footer/words.ts";
import { secondHeader } from "../first-rows/second-header.ts";
import { titleLine } from "../first-rows/title-line.ts";
import { unitsRow } from "../first-rows/units-row.ts";
import { familyOf, isNumber, isTyped, isTypedCell, kindOf, shapeOf } from "../kinds.ts";
import { isSame } from "../known.ts";
import { ColumnProfile, profilesOf } from "../profile.ts";
import type { FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";
import { recordTypes } from "./record-types.ts";

/** Rows that show what the others are. */
const SHOWING_ROWS_MIN = 2;
/** First rows that may be part of a header. */
const FIRST_ROWS = 3;

type Table = Pick<FoundTable, "body" | "width" | "header" | "headerCells" | "firstLine">;

/** What the sender declares of the table: its start, its place (start and end), its header, no comments. */
interface Declared {
  start: boolean;
  place: boolean;
  header: boolean;
  noComments: boolean;
}

/** Says which rows between the others are no data of the table, or not data alone. */
export function oddRow(table: Table, declared: Declared): string | undefined {
  if (table.width < 2) return declared.start ? undefined : nameBelow(table);
  const allRows = declared.place && declared.header;
  return (
    (allRows ? undefined : (subtotal(table) ?? groupSum(table) ?? total(table))) ??
    (allRows ? undefined : (heading(table) ?? groupAbove(table))) ??
    (declared.header
      ? undefined
      : (indexName(table) ?? headerPart(table) ?? titleLine(table) ?? unitsRow(table) ?? secondHeader(table))) ??
    (declared.place ? undefined : (recordTypes(table) ?? lines(table))) ??
    (declared.noComments ? undefined : (comment(table) ?? commentedOut(table)))
  );
}

const isWords = (cell: string): boolean => ["word", "text"].includes(kindOf(cell)) && !/\d/.test(cell);
const shown = (cell: string): string => JSON.stringify(cell.trim().slice(0, 40));

/** Rows of sums between the rows that they sum up: they lack cells that all other rows have. */
function subtotal({ body, width }: Table): string | undefined {
  const isSum = ({ cells }: SampleRow): boolean => {
    const first = cells.find(isFilled)?.trim() ?? "";
    return SUBTOTAL.test(first) || SUBTOTAL_END.test(first);
  };
  const sums = body.filter(isSum);
  const others = body.filter((row) => !isSum(row));
  if (sums.length < 2 || others.length < SHOWING_ROWS_MIN) return undefined;
  const full = fullColumns(others, width);
  const [first] = sums;
  if (!sums.every(({ cells }) => full.some((column) => !isFilled(cells[column] ?? "")))) return undefined;
  return `line ${first!.line} and ${sums.length - 1} more begin with ${shown(first!.cells.find(isFilled)!)}: they may be subtotals`;
}

const COLUMNS_MAX = 500;

/** The first columns that all these rows fill. */
const fullColumns = (rows: readonly SampleRow[], width: number): number[] =>
  Array.from({ length: Math.min(width, COLUMNS_MAX) }, (_, column) => column).filter((column) =>
    rows.every(({ cells }) => isFilled(cells[column] ?? "")),
  );

/** Rows of numbers without a label, each the sum of the rows since the one before it. */
function groupSum({ body, width }: Table): string | undefined {
  const isSum = ({ cells }: SampleRow): boolean =>
    !isFilled(cells[0]!) && cells.some(isFilled) && cells.every((cell) => !isFilled(cell) || isNumber(cell));
  const others = body.filter((row) => !isSum(row));
  if (others.length === body.length || others.length < SHOWING_ROWS_MIN) return undefined;
  if (!fullColumns(others, width).includes(0)) return undefined;
  let group: SampleRow[] = [];
  let line: number | undefined;
  for (const row of body) {
    if (!isSum(row)) group.push(row);
    else if (group.length < SHOWING_ROWS_MIN || !holdsSum(row, group)) return undefined;
    else [group, line] = [[], line ?? row.line];
  }
  return `line ${line} has the sum of the rows above it and no label: it may be a subtotal`;
}

/** One row with the label of a total, and the sums of the rows above or below it. */
function total({ body }: Table): string | undefined {
  const found = body.filter(({ cells }) => TOTAL_ALONE.test(cells.find(isFilled)?.trim() ?? ""));
  const at = body.indexOf(found[0]!);
  if (found.length !== 1 || body.length > COMPARED_ROWS_MAX) return undefined;
  const parts = [body.slice(0, at), body.slice(at + 1)].filter(({ length }) => length >= SHOWING_ROWS_MIN);
  if (!parts.some((rows) => holdsSum(found[0]!, rows))) return undefined;
  return `line ${found[0]!.line} is a total between the rows, with the sum of the others`;
}

/** Rows whose sums are compared. */
const COMPARED_ROWS_MAX = 5_000;

/** True if a number of the row, not 0, is the sum of these rows. */
const holdsSum = ({ cells }: SampleRow, rows: readonly SampleRow[]): boolean =>
  cells.slice(0, COLUMNS_MAX).some((cell, column) => numberOf(cell) !== 0 && isSumOf(cell, rows, column));

/** Rows with one word, between rows that begin with numbers, dates or codes: headings of groups. */
function heading({ body, width, headerCells }: Table): string | undefined {
  const isHeading = ({ cells }: SampleRow): boolean =>
    (isWords(cells[0]!) || /^\p{L}+ .*\d/u.test(cells[0]!)) && !cells.slice(1).some(isFilled);
  const found = body.filter(isHeading);
  // A line above a repeated header is the title of another table.
  const isRepeated = ({ cells }: SampleRow): boolean =>
    found.every(({ count }) => count > 1) && isSame(cells, headerCells);
  const others = body.filter((row) => !isHeading(row) && !isRepeated(row));
  const areTyped = others.every(({ cells }) => isTypedCell(cells[0]!)) && fullColumns(others, width).length > 1;
  const fewest = areTyped ? found.length + 1 : SHOWING_ROWS_MIN * found.length;
  if (found.length === 0 || others.length < fewest || (width < 3 && !areTyped)) return undefined;
  const forms = new Set(
    others.map(({ cells }) => (isTypedCell(cells[0]!) ? familyOf(kindOf(cells[0]!)) : shapeOf(cells[0]!))),
  );
  if (forms.size > 1 || others.some(({ cells }) => !isFilled(cells[0]!) || isWords(cells[0]!))) return undefined;
  const line = found[0]!.line;
  return `line ${line} has nothing but ${shown(found[0]!.cells[0]!)}: it may be a heading of the rows below it`;
}

/** Rows with a first field alone, above rows that all lack it: each is the group of those below it. */
function groupAbove({ body }: Table): string | undefined {
  const isAlone = ({ cells }: SampleRow): boolean => isFilled(cells[0]!) && !cells.slice(1).some(isFilled);
  const others = body.filter((row) => !isAlone(row));
  const [first] = body;
  if (!first || !isAlone(first) || others.length < SHOWING_ROWS_MIN) return undefined;
  if (others.some(({ cells }) => isFilled(cells[0]!))) return undefined;
  return `line ${first.line} has a first field alone, and the rows below it have none: it may be their group`;
}

/** A row with the name of the first column, which the header lacks. */
function indexName({ body, width, header, headerCells }: Table): string | undefined {
  if (header.rows === 0 || width < 3 || isFilled(headerCells[0] ?? "")) return undefined;
  const isAlone = ({ cells }: SampleRow): boolean => isFilled(cells[0]!) && !cells.slice(1).some(isFilled);
  const at = body.slice(0, FIRST_ROWS).findIndex(isAlone);
  if (at < 0 || body.slice(at + 1).some(isAlone) || body.length < at + 1 + SHOWING_ROWS_MIN) return undefined;
  return `line ${body[at]!.line} has a first field only, and the header none: it may be the last row of the header`;
}

/**
 * A first row without the first field that all others have: more of the header if it has a name where the
 * header has none or the others have numbers, or if the header has several rows already.
 */
function headerPart({ body, width, header, headerCells }: Table): string | undefined {
  const [first, ...others] = body;
  if (header.rows === 0 || header.named > 0 || !first || others.length < SHOWING_ROWS_MIN) return undefined;
  if (first.count !== width || isFilled(first.cells[0]!)) return undefined;
  if (!fullColumns(others, width).includes(0)) return undefined;
  const profiles = profilesOf(others, width);
  const isPart = (cell: string, column: number): boolean =>
    isFilled(cell) && (header.rows > 1 || !isFilled(headerCells[column] ?? "") || isForeign(cell, column));
  const isForeign = (cell: string, column: number): boolean =>
    isWords(cell) && isTyped(profiles[column]?.family ?? "none");
  if (!first.cells.slice(0, COLUMNS_MAX).some(isPart)) return undefined;
  return `line ${first.line} lacks the first field that all rows below it have: it may be a row of the header, or units`;
}

const LINE = /^\s*(?:-{2,}|={2,}|_{2,})\s*$/;
const LONG_LINE = /[-=_]{3}/;

/** A row of nothing but lines, such as `---;---`: it underlines the row above it or divides the rows. */
function lines({ body }: Table): string | undefined {
  const isLines = ({ cells, count }: SampleRow): boolean =>
    count > 1 && cells.every((cell) => LINE.test(cell)) && cells.some((cell) => LONG_LINE.test(cell));
  const row = body.find(isLines);
  return row && `line ${row.line} has nothing but lines of ${row.cells[0]!.trim()[0]}: it is not a row of the table`;
}

const COMMENTED_OUT = /^\s*(?:#|--|\/\/|;)\s*\S/;

/** Rows whose first value has the sign of a comment before it, where all others have numbers or dates. */
function commentedOut({ body }: Table): string | undefined {
  const found = body.filter(({ cells }) => COMMENTED_OUT.test(cells[0]!));
  const others = body.filter(({ cells }) => !COMMENTED_OUT.test(cells[0]!));
  if (found.length === 0 || others.length <= found.length) return undefined;
  if (!others.every(({ cells }) => isTypedCell(cells[0]!))) return undefined;
  return `line ${found[0]!.line} begins with ${shown(found[0]!.cells[0]!)}: it may be a row that is commented out`;
}

const COMMENT = /^(\S+)\s+(?:#|--|\/\/)/;

/** A comment behind the value of a last field, where all other values are numbers or dates. */
function comment({ body, width }: Table): string | undefined {
  const last = (row: SampleRow): string => row.cells[width - 1] ?? "";
  const found = body.filter((row) => COMMENT.test(last(row)));
  if (found.length === 0) return undefined;
  const others = body.filter((row) => !COMMENT.test(last(row)));
  const { family } = new ColumnProfile(others.map(last));
  if (others.length < SHOWING_ROWS_MIN || !isTyped(family)) return undefined;
  if (!found.every((row) => familyOf(kindOf(COMMENT.exec(last(row))![1]!)) === family)) return undefined;
  return `line ${found[0]!.line} has text behind the value of its last field: it may be a comment`;
}

/** Words above the values of a file of one column: the name of the column may stand there. */
function nameBelow({ body, header }: Table): string | undefined {
  const rows = body.filter(({ cells }) => isFilled(cells[0]!));
  const at = rows.findIndex(({ cells }) => isTypedCell(cells[0]!));
  if (header.rows === 0 || header.named > 0 || at < 1 || at > FIRST_ROWS || rows.length - at < FIRST_ROWS)
    return undefined;
  if (!rows.slice(0, at).every(({ cells }) => isWords(cells[0]!))) return undefined;
  const [profile] = profilesOf(rows.slice(at), 1);
  if (profile!.family === "text") return undefined;
  return `line ${rows[at - 1]!.line} has words above numbers or dates: it may be the header, and the lines above titles`;
}
