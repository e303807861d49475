import type { Doubt } from "../../format.ts";
import { DELIMITERS } from "../options.ts";
import { headerBelow } from "./checks/header-below.ts";
import { foreignRow } from "./checks/foreign-row.ts";
import { oddRow } from "./checks/odd-rows.ts";
import { rowAbove } from "./checks/row-above.ts";
import { isTyped } from "./kinds.ts";
import { isSame, type KnownColumns } from "./known.ts";
import { compare, COLUMNS_MAX, profilesOf } from "./profile.ts";
import { isName, runAt, type FoundTable, type TableRequest } from "./rows.ts";
import type { SampleRow } from "./split.ts";

/**
 * Why the table may not be all that the rows hold, or other than they say. `above`: the rows before its
 * header. What the sender declares answers the questions about it: no doubt remains there.
 */
export function doubtsOf(
  table: Omit<FoundTable, "doubts">,
  above: readonly SampleRow[],
  strayName: string | undefined,
  requested: TableRequest & { known: KnownColumns },
): readonly Doubt[] {
  const doubts: Doubt[] = [];
  const declared = requested.headerRows !== undefined;
  const startDeclared = requested.skipRows !== undefined;
  const placeDeclared = startDeclared && requested.footerRows !== undefined;
  const unsure = (evidence: string): void => void doubts.push({ reason: "structure_unsure", evidence });
  const { header, body, even, misfit, width, footer, rowNames, trailingDelimiter } = table;
  const headerCells = table.dropBlankNames ? table.headerCells.filter((cell) => cell.trim() !== "") : table.headerCells;
  const names = headerCells.length + (rowNames ? 1 : 0) - (trailingDelimiter && headerCells.at(-1) === "" ? 1 : 0);
  // Rows may lack their last fields: a header that is declared says how many there are.
  const widthDeclared = declared && requested.delimiterDeclared === true;
  const isRagged = !rowNames && !trailingDelimiter && !table.dropBlankNames;
  if (misfit !== undefined && header.named === 0 && !(widthDeclared && isRagged)) unsure(misfit);
  else if (header.rows > 0 && header.named === 0 && body.length > 0 && names !== width) {
    unsure(`line ${table.firstLine} has ${headerCells.length} fields above rows of ${width}`);
  }
  if (header.doubt !== undefined) unsure(header.doubt);
  if (header.rows > 0 && header.named === 0 && strayName !== undefined && !requested.quoteDeclared) {
    unsure(`the name ${JSON.stringify(strayName.slice(0, 80))} in line ${table.firstLine} has a stray quote`);
  }
  const [second] = body;
  if (
    !declared &&
    header.rows === 1 &&
    header.named === 0 &&
    width > 1 &&
    second &&
    isSame(second.cells, headerCells)
  ) {
    const what = "a header of several rows, or files that were joined";
    unsure(`line ${second.line} repeats the names of line ${table.firstLine}: ${what}`);
  }
  if (footer.doubt !== undefined) unsure(footer.doubt);
  const odd = oddRow(table, {
    ...{ start: startDeclared, place: placeDeclared, header: declared },
    noComments: requested.comment === null,
  });
  if (odd !== undefined) unsure(odd);
  if (above.length > 0 && header.rows === 0 && header.confidence < 1) {
    unsure(`${above.length} lines above line ${table.firstLine} are left out, and no header follows them`);
  }
  const lost = rowAbove(above, table, requested.known);
  if (lost !== undefined) unsure(lost);
  if (even < 0.5 && header.named === 0 && !widthDeclared) {
    unsure(`only ${Math.round(even * 100)} % of the rows have ${width} fields`);
  }
  const other = tableAbove(above, headerCells) ?? (placeDeclared ? undefined : otherTable(body, table));
  if (other) doubts.push({ reason: "several_tables", evidence: other });
  const below = declared || header.named > 0 || width < 2 || other ? undefined : headerBelow(table, startDeclared);
  if (below !== undefined) unsure(below);
  const isAnswered = width < 2 ? requested.comment !== undefined : placeDeclared;
  const foreign = doubts.length > 0 || isAnswered ? undefined : foreignRow(table);
  if (foreign !== undefined) unsure(foreign);
  return doubts;
}

/** Says where another table begins: a row of words with other fields than the header, above typed rows. */
function otherTable(
  body: readonly SampleRow[],
  { width, headerCells, headerText, header }: Pick<FoundTable, "width" | "headerCells" | "headerText" | "header">,
): string | undefined {
  if (body.length < 3 || width < 2) return undefined;
  for (const [at, row] of body.entries()) {
    const next = body[at + 1];
    if (!next || at < 2 || row.count < 2 || next.count !== row.count || !row.cells.every(isName)) continue;
    if (row.count === width) {
      if (header.rows === 0) continue;
      if (isSame(row.cells, headerCells)) {
        const title = body[at - 1]!;
        if (title.count === 1) return `line ${title.line} is a title above a repeated header, as of another table`;
        if (header.rows > 1 || header.named > 0 || squeezed(row.text) === squeezed(headerText)) continue;
        return `line ${row.line} has the names of the header, written with other quotes, as another table would`;
      }
      const before = profilesOf(body.slice(Math.max(0, at - SEEN_ROWS), at), width);
      const after = profilesOf(body.slice(at + 1, at + 1 + SEEN_ROWS), width);
      const { header: words, data, typed } = compare(row, before);
      const other = before.some(({ family }, n) => family !== after[n]!.family) || row.line > body[at - 1]!.line + 1;
      if (typed === 0 || words < typed || data > 0 || !other) continue;
      return `line ${row.line} has words where the rows above it have numbers or dates, like the header of another table`;
    }
    const run = runAt(body, at);
    const words = compare(row, profilesOf(run.slice(1), row.count));
    if (run.length >= 2 && words.header > 0 && words.data === 0 && body[at - 1]!.count !== row.count) {
      return `line ${row.line} begins ${run.length} rows of ${row.count} fields with a header of their own`;
    }
  }
  return undefined;
}

/**
 * Says where a table above the one that is read begins: a header above rows of its own, also with another
 * delimiter. `names`: the header of the table that is read.
 */
function tableAbove(above: readonly SampleRow[], names: readonly string[]): string | undefined {
  const splits = DELIMITERS.map((delimiter) => above.map((row) => splitAgain(row, delimiter)));
  for (const rows of [above.map(withoutBlankEnd), ...splits]) {
    for (const [at, row] of rows.entries()) {
      const run = runAt(rows, at);
      if (row.count < 2 || run.length < 2 || (at > 0 && rows[at - 1]!.count === row.count)) continue;
      if (!isHeaderAbove(run, names)) continue;
      return `line ${row.line} is a header above ${run.length - 1} rows of ${row.count} fields, and another table follows`;
    }
  }
  return undefined;
}

function isHeaderAbove(run: readonly SampleRow[], names: readonly string[]): boolean {
  const [row, ...below] = run;
  if (!row!.cells.every(isName)) return false;
  if (isSame(row!.cells, names)) return true;
  const { header, data } = compare(row!, profilesOf(below, row!.count));
  return header > 0 && data === 0 && !(row!.count === 2 && isNamedValues(run));
}

/** A line without a delimiter of the table, divided by another one. */
function splitAgain(row: SampleRow, delimiter: string): SampleRow {
  if (row.count > 1 || row.quoted[0]) return row;
  const cells = row.text.split(delimiter, COLUMNS_MAX);
  return { ...row, cells, count: cells.length };
}

/** Tables of several widths are filled up with delimiters in a spreadsheet. */
function withoutBlankEnd(row: SampleRow): SampleRow {
  const count = row.cells.findLastIndex((cell) => cell.trim() !== "") + 1;
  return row.count > row.cells.length || count === row.count
    ? row
    : { ...row, count, cells: row.cells.slice(0, count) };
}

/** Lines such as `Bank;Sparkasse` and `Account;12345`: names stand beside the values, not above them. */
function isNamedValues(run: readonly SampleRow[]): boolean {
  const [first, ...below] = run;
  if (run.some(({ cells }) => cells[0]!.trim().endsWith(":"))) return true;
  const [names, values] = profilesOf(below, 2);
  const isLower = first!.cells.every((cell) => /^[\p{Ll}\d_]+$/u.test(cell.trim()));
  return names!.family === "text" && !(isTyped(values!.family) && (isLower || below.length > 2));
}

/** Case and blanks tell no other table. */
const squeezed = (line: string): string => line.toUpperCase().replace(/\s+/g, "");

/** Rows around the header of another table that are compared. */
const SEEN_ROWS = 20;
