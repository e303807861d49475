import { kindOf, type Family } from "../kinds.ts";
import { profilesOf } from "../profile.ts";
import type { FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";

/** Rows from which a first field is a mark. */
const ROWS_MIN = 4;
/** Marks that a file has at most, and their length. */
const MARKS_MAX = 40;
const MARK = /^[!-~]{1,20}$/;
/** Share of rows with a mark that occurs again, and of those as long as most with the same mark. */
const MARKED_SHARE = 0.7;
const EVEN_SHARE = 0.75;
/** Times that rows of another length follow. Fewer are two parts of one file. */
const SWITCHES_MIN = 3;
/** Rows of each mark whose cells are compared. */
const COMPARED_ROWS = 50;

/**
 * Says that the first field of a row tells what its other fields are, as in logs and messages of records:
 * $GPGGA … and $GPRMC …, or H, D … D, T. One table does not hold them.
 */
export const recordTypes = (table: Pick<FoundTable, "body" | "width" | "header">): string | undefined =>
  markedEnds(table) ?? markedRows(table);

/** A first and a last row of another kind than all others. */
function markedEnds({ body, header }: Pick<FoundTable, "body" | "header">): string | undefined {
  const marks = body.map(({ cells }) => cells[0]!.trim());
  if (header.rows > 0 || marks.length < ROWS_MIN) return undefined;
  const [first, last] = [marks[0]!, marks.at(-1)!];
  const [middle] = marks.slice(1, -1);
  if (first === middle || last === middle || !marks.slice(1, -1).every((mark) => mark === middle)) return undefined;
  if (![first, last, middle!].every(isWords)) return undefined;
  return `the first row begins with ${shown(first)}, the last with ${shown(last)}, and all others with ${shown(middle!)}: they may be records of other kinds`;
}

/** Rows that recur in turn, each mark with a length and with kinds of values of its own. */
function markedRows({ body, header }: Pick<FoundTable, "body" | "header">): string | undefined {
  if (header.named > 0 || body.length < ROWS_MIN) return undefined;
  const groups = new Map<string, SampleRow[]>();
  for (const row of body) {
    const mark = row.cells[0]!.trim();
    const own = groups.get(mark);
    if (own) own.push(row);
    else groups.set(mark, [row]);
    // Most first fields are values of their own.
    if (groups.size > MARKS_MAX) return undefined;
  }
  const kinds = [...groups].filter(([mark, rows]) => rows.length > 1 && MARK.test(mark)).map(kindOfRecord);
  const sum = (of: (kind: RecordKind) => number): number => kinds.reduce((before, kind) => before + of(kind), 0);
  const marked = sum(({ rows }) => rows.length);
  if (marked < MARKED_SHARE * body.length || sum(({ even }) => even) < EVEN_SHARE * marked) return undefined;
  if (switchesIn(body) < SWITCHES_MIN || !kinds.some((kind) => kinds.some((other) => isOther(kind, other)))) {
    return undefined;
  }
  const lengths = kinds.slice(0, 3).map(({ mark, width }) => `${shown(mark)} have ${width} fields`);
  return `the first field tells what a row is: rows that begin with ${lengths.join(", with ")}, and hold other values`;
}

interface RecordKind {
  mark: string;
  rows: readonly SampleRow[];
  /** Fields of most of the rows. */
  width: number;
  /** Rows with so many fields. */
  even: number;
  families: readonly Family[];
}

function kindOfRecord([mark, rows]: [string, readonly SampleRow[]]): RecordKind {
  const counts = new Map<number, number>();
  for (const { count } of rows) counts.set(count, (counts.get(count) ?? 0) + 1);
  const [width, even] = [...counts].reduce((most, one) => (one[1] > most[1] ? one : most));
  const families = profilesOf(rows.slice(0, COMPARED_ROWS), width).map(({ family }) => family);
  return { mark, rows, width, even, families };
}

/**
 * True if the rows have another length, and other kinds of values in a column of both: those of one kind may
 * lack their last fields.
 */
const isOther = (one: RecordKind, { width, families }: RecordKind): boolean =>
  one.width !== width &&
  one.families.some((family, at) => {
    const other = families[at] ?? "none";
    return at > 0 && family !== "none" && other !== "none" && family !== other;
  });

/** How often the length of rows changes. */
const switchesIn = (rows: readonly SampleRow[]): number =>
  rows.filter(({ count }, at) => at > 0 && count !== rows[at - 1]!.count).length;

const isWords = (cell: string): boolean => ["word", "text"].includes(kindOf(cell)) && !/\d/.test(cell);
const shown = (cell: string): string => JSON.stringify(cell.trim().slice(0, 40));
