import { decimalOf, type ColumnDefinition, type ColumnType } from "../columns.ts";
import { headerKey } from "../formats/headers.ts";
import { nearestOf } from "../nearest.ts";
import { columnNameOf } from "./names.ts";

/** A new column of a file that looks like a column of the table that the file lacks. */
export interface LooksRenamed {
  /** Name and header of the new column. */
  name: string;
  header: string;
  /** Name of the table's column. */
  former: string;
}

/** Columns that are compared, each with each. */
const COMPARED_MAX = 100;

/**
 * The new columns that look like missing ones, each missing one at most once: first those with the same plain
 * name, then those that are spelt nearly alike, then those of which one has all the words of the other. Only
 * columns of the same kind of type are compared. This is a hint for people: it moves no value.
 */
export function renamedColumns(
  fresh: readonly ColumnDefinition[],
  missing: readonly ColumnDefinition[],
): LooksRenamed[] {
  const found: LooksRenamed[] = [];
  let left = missing.slice(0, COMPARED_MAX);
  let open = fresh.slice(0, COMPARED_MAX);
  for (const likeness of [hasSamePlainName, isSpeltAlike, hasAllWords]) {
    open = open.filter((column) => {
      const former = left.find((one) => kindOf(one.type) === kindOf(column.type) && likeness(column, one));
      if (!former) return true;
      found.push({ name: column.name, header: column.header, former: former.name });
      left = left.filter((one) => one !== former);
      return false;
    });
  }
  return found;
}

function kindOf(type: ColumnType): string {
  if (decimalOf(type) || ["INTEGER", "BIGINT", "DOUBLE"].includes(type)) return "number";
  return type.startsWith("TIMESTAMP") || type === "DATE" ? "moment" : type;
}

type Likeness = (a: ColumnDefinition, b: ColumnDefinition) => boolean;

const hasSamePlainName: Likeness = (a, b) => columnNameOf(a.header) === columnNameOf(b.header);

const isSpeltAlike: Likeness = (a, b) => nearestOf(headerKey(a.header), [headerKey(b.header)]) !== undefined;

const hasAllWords: Likeness = (a, b) => {
  const [some, others] = [wordsOf(a.header), wordsOf(b.header)];
  return some.every((word) => others.includes(word)) || others.every((word) => some.includes(word));
};

const wordsOf = (header: string): string[] => columnNameOf(header).split("_");
