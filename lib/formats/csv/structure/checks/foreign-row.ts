import { familyOf, isTyped, kindOf } from "../kinds.ts";
import { isSame } from "../known.ts";
import { profilesOf } from "../profile.ts";
import type { FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";

/** Rows that show what the columns are, and columns of values that a row of words cannot be part of. */
const SHOWING_ROWS_MIN = 2;
const TYPED_COLUMNS_MIN = 2;

type Table = Pick<FoundTable, "body" | "width" | "header" | "headerCells" | "headerText">;

/**
 * Says which row has words in every column of numbers, dates or codes: a comment, a heading, or the header of
 * another table. As a row it would make all columns text. In a table that has types, it is rejected.
 */
export function foreignRow(table: Table): string | undefined {
  const { body, width, header } = table;
  if (header.named > 0) return undefined;
  if (width < 2) return commentInColumn(body);
  const isFull = ({ cells, count }: SampleRow): boolean =>
    count === width && cells.filter(isWordy).length >= TYPED_COLUMNS_MIN && !cells.some(isValue);
  const found = body.filter((row) => isFull(row) && !isRepeatedHeader(row, table));
  const others = body.filter((row) => row.count === width && !isFull(row));
  if (found.length === 0 || others.length < SHOWING_ROWS_MIN || others.length <= found.length) return undefined;
  const typed = profilesOf(others, width).flatMap(({ family }, column) =>
    isTyped(family) && family !== "boolean" ? [column] : [],
  );
  if (typed.length < TYPED_COLUMNS_MIN) return undefined;
  // The same word in each of them, such as unknown, is a value that lacks.
  const row = found.find(({ cells }) => {
    const words = typed.map((column) => cells[column]!.trim().toLowerCase());
    return words.every(isWordy) && new Set(words).size === words.length;
  });
  return row && `line ${row.line} has words in every column of numbers or dates: it may be a comment or another header`;
}

const isWordy = (cell: string): boolean => /\p{L}/u.test(cell) && !isValue(cell) && kindOf(cell) !== "code";

/** True for numbers, dates, times and links. */
const isValue = (cell: string): boolean => !["text", "none", "boolean"].includes(familyOf(kindOf(cell)));

/** The reader leaves out a header that is repeated as it is written. */
const isRepeatedHeader = ({ cells, text }: SampleRow, { header, headerCells, headerText }: Table): boolean =>
  isSame(cells, headerCells) && (header.rows > 1 || squeezed(text) === squeezed(headerText));

const squeezed = (line: string): string => line.toUpperCase().replace(/\s+/g, "");

/** Lines that begin like comments, between lines of words that do not. */
function commentInColumn(body: Table["body"]): string | undefined {
  const comments = body.filter(({ text }) => COMMENT.test(text));
  if (comments.length === 0 || comments.length > 0.2 * body.length) return undefined;
  return `line ${comments[0]!.line} begins with #: it may be a comment or a value`;
}

const COMMENT = /^#\s/;
