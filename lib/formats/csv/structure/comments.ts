import { compare, profilesOf } from "./profile.ts";
import { modalWidth } from "./rows.ts";
import type { SampleRow } from "./split.ts";

/** Lines that start with # are comments, unless they have as many fields as the others. */
export function withoutComments(
  rows: readonly SampleRow[],
  declared: string | null | undefined,
): { rows: readonly SampleRow[]; comment: string | undefined; commentsAbove: number } {
  if (declared === null) return { rows, comment: undefined, commentsAbove: 0 };
  const mark = declared ?? "#";
  const isComment = ({ text }: SampleRow): boolean => text.startsWith(mark);
  const others = rows.filter((row) => !isComment(row));
  if (others.length === rows.length || others.length === 0) return { rows, comment: undefined, commentsAbove: 0 };
  // One line without the mark is the name of a column whose values begin with it.
  if (declared === undefined && others.length === 1 && !isComment(rows[0]!))
    return { rows, comment: undefined, commentsAbove: 0 };
  const above = rows.findIndex((row) => !isComment(row));
  if (declared !== undefined) return { rows: others, comment: mark, commentsAbove: above };
  const width = modalWidth(others);
  // The last of them, with as many fields as the rows, is the header: `#id,name`.
  const last = above > 0 ? rows[above - 1]! : undefined;
  const named = last !== undefined && last.count === width && width > 1 && isHash(last, others);
  // In one column, lines between words may as well be values.
  const mayBeValues = width === 1 && isText(others) && rows.slice(above).some(isComment);
  const isOne = (row: SampleRow, at: number): boolean => !mayBeValues || (at < above && /^#\s/.test(row.text));
  const comments = rows.filter((row, at) => isComment(row) && row !== (named ? last : undefined) && isOne(row, at));
  if (comments.length === 0) return { rows, comment: undefined, commentsAbove: 0 };
  if (comments.some(({ count }) => count === width) && (width > 1 || comments.length < above)) {
    const aligned = comments.filter(({ count }) => count === width).length;
    if (aligned > comments.length / 2 || comments.length > above) return { rows, comment: undefined, commentsAbove: 0 };
  }
  const kept = new Set(comments);
  const inside = comments.length > (named ? above - 1 : above);
  return {
    rows: rows.filter((row) => !kept.has(row)),
    comment: inside ? mark : undefined,
    commentsAbove: comments.length - (inside ? comments.length - above : 0),
  };
}

/** True if the rows below the first, of one column, are words; or if there are none. */
const isText = (rows: readonly SampleRow[]): boolean =>
  ["text", "none"].includes(profilesOf(rows.slice(1), 1)[0]!.family);

/** True if the row is a header by its cells: words above other kinds, or all words. */
function isHash(row: SampleRow, below: readonly SampleRow[]): boolean {
  const { header, data } = compare(row, profilesOf(below, row.count));
  return header > data;
}
