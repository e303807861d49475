import { isBlankRow, isFilled } from "../../reading/no-data.ts";
import { fitOf, isSameHeader, type KnownColumns } from "../known.ts";
import { compare, profilesOf } from "../profile.ts";
import type { FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";
import { isTitleRow } from "./title-row.ts";

/**
 * Says which of the rows above the table's own header may be a row of the table rather than a title: files
 * that were sorted or joined have their header anywhere. It has all fields, and values where the rows below
 * have values, or where the table's types have them. In a table of text it stands directly above the
 * header, without a blank line.
 */
export function rowAbove(
  above: readonly SampleRow[],
  { header, headerCells, body, width, firstLine }: Omit<FoundTable, "doubts">,
  known: KnownColumns,
): string | undefined {
  if (header.rows === 0 && !known.unnamed) return headerAmong(body, known);
  if (header.named === 0 || above.length === 0) return undefined;
  const full = above.filter(({ cells, count }) => count === width && cells.filter(isFilled).length > width / 2);
  const profiles = profilesOf(body, width);
  const isLikeBody = (row: SampleRow): boolean => {
    const { data, header: words } = compare(row, profiles);
    return data > 0 && words === 0;
  };
  const isText = known.columns.every(({ type }) => type === "VARCHAR");
  const isBelowBlank = above.at(-1)!.line < firstLine - 1;
  const names = { cells: headerCells } as SampleRow;
  const isRow = (row: SampleRow): boolean =>
    isText
      ? !isBelowBlank && row.cells.every(isFilled) && !isTitleRow(row, names)
      : !(isBelowBlank && width < 3) && (isLikeBody(row) || fitOf([row], known) === 1);
  const found = full.find((row) => !isBlankRow(row.cells) && isRow(row));
  return found && `line ${found.line} is above the header in line ${firstLine}, and left out, but may be a row`;
}

/** The table's header between rows that are read without one. As a row of text it would be loaded. */
function headerAmong(body: readonly SampleRow[], { columns }: KnownColumns): string | undefined {
  const found = columns.length > 1 && body.find(({ cells }) => isSameHeader(cells, columns));
  return found ? `line ${found.line} is the table's header, and read as a row` : undefined;
}
