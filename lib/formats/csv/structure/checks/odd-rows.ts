import { isFilled } from "../../reading/no-data.ts";
import { SUBTOTAL } from "../footer/words.ts";
import { familyOf, kindOf, shapeOf } from "../kinds.ts";
import { profilesOf } from "../profile.ts";
import type { FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";
import { recordTypes } from "./record-types.ts";

/** Rows that show what the others are. */
const SHOWING_ROWS_MIN = 2;
/** First rows that may be part of a header. */
const FIRST_ROWS = 3;

type Table = Pick<FoundTable, "body" | "width" | "header" | "headerCells">;

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
    (allRows ? undefined : (subtotal(table) ?? heading(table) ?? groupAbove(table))) ??
    (declared.header ? undefined : indexName(table)) ??
    (declared.place ? undefined : recordTypes(table)) ??
    (declared.noComments ? undefined : comment(table))
  );
}

const isWords = (cell: string): boolean => ["word", "text"].includes(kindOf(cell)) && !/\d/.test(cell);
const isTyped = (cell: string): boolean => !["text", "none"].includes(familyOf(kindOf(cell)));
const shown = (cell: string): string => JSON.stringify(cell.trim().slice(0, 40));

/** Rows of sums between the rows that they sum up: they lack cells that all other rows have. */
function subtotal({ body, width }: Table): string | undefined {
  const isSum = ({ cells }: SampleRow): boolean => SUBTOTAL.test(cells.find(isFilled)?.trim() ?? "");
  const sums = body.filter(isSum);
  const others = body.filter((row) => !isSum(row));
  if (sums.length < 2 || others.length < SHOWING_ROWS_MIN) return undefined;
  const columns = Array.from({ length: Math.min(width, COLUMNS_MAX) }, (_, column) => column);
  const full = columns.filter((column) => others.every(({ cells }) => isFilled(cells[column] ?? "")));
  const [first] = sums;
  if (!sums.every(({ cells }) => full.some((column) => !isFilled(cells[column] ?? "")))) return undefined;
  return `line ${first!.line} and ${sums.length - 1} more begin with ${shown(first!.cells.find(isFilled)!)}: they may be subtotals`;
}

const COLUMNS_MAX = 500;

/** Rows with one word, between rows that begin with numbers, dates or codes: headings of groups. */
function heading({ body, width }: Table): string | undefined {
  if (width < 3) return undefined;
  const isHeading = ({ cells }: SampleRow): boolean => isWords(cells[0]!) && !cells.slice(1).some(isFilled);
  const found = body.filter(isHeading);
  const others = body.filter((row) => !isHeading(row));
  if (found.length === 0 || others.length < SHOWING_ROWS_MIN * found.length) return undefined;
  const forms = new Set(
    others.map(({ cells }) => (isTyped(cells[0]!) ? familyOf(kindOf(cells[0]!)) : shapeOf(cells[0]!))),
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

const COMMENT = /^(\S+)\s+(?:#|--|\/\/)/;

/** A comment behind the value of a last field, where all other values are numbers or dates. */
function comment({ body, width }: Table): string | undefined {
  const last = (row: SampleRow): string => row.cells[width - 1] ?? "";
  const found = body.filter((row) => COMMENT.test(last(row)));
  if (found.length === 0) return undefined;
  const others = body.filter((row) => !COMMENT.test(last(row)));
  const [profile] = profilesOf(
    others.map((row) => ({ ...row, cells: [last(row)] })),
    1,
  );
  const { family } = profile!;
  if (others.length < SHOWING_ROWS_MIN || family === "text" || family === "none") return undefined;
  if (!found.every((row) => familyOf(kindOf(COMMENT.exec(last(row))![1]!)) === family)) return undefined;
  return `line ${found[0]!.line} has text behind the value of its last field: it may be a comment`;
}

/** Words above the values of a file of one column: the name of the column may stand there. */
function nameBelow({ body, header }: Table): string | undefined {
  const rows = body.filter(({ cells }) => isFilled(cells[0]!));
  const at = rows.findIndex(({ cells }) => isTyped(cells[0]!));
  if (header.rows === 0 || header.named > 0 || at < 1 || at > FIRST_ROWS || rows.length - at < FIRST_ROWS)
    return undefined;
  if (!rows.slice(0, at).every(({ cells }) => isWords(cells[0]!))) return undefined;
  const [profile] = profilesOf(rows.slice(at), 1);
  if (profile!.family === "text") return undefined;
  return `line ${rows[at - 1]!.line} has words above numbers or dates: it may be the header, and the lines above titles`;
}
