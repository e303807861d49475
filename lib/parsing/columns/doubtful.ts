import type { Row } from "../../formats/format.ts";
import { DOUBLE_DIGITS, noTypeFacts, observe } from "../../typing/infer.ts";
import { classify, type Scan } from "../../typing/scan.ts";
import { possibleThousands, type NumberColumn, type PossibleThousands } from "../../typing/thousands.ts";
import type { SharedColumn } from "../names.ts";
import { allColumns, hasText, sharedIn, type Plan, type PlannedColumn } from "../plan.ts";

/** What makes the columns of a file doubtful. */
export interface DoubtfulColumns {
  /** Columns of the table or the contract that several headers mean. */
  shared: readonly SharedColumn[];
  /** Columns whose points may separate thousands. */
  thousands: PossibleThousands;
  /** New columns that are DOUBLE, with values of more digits than a DOUBLE keeps. */
  rounded: readonly RoundedColumn[];
}

interface RoundedColumn {
  name: string;
  /** Of the longest value, before and after the point. */
  digits: number;
}

export const doubtfulIn = (plan: Plan | undefined): DoubtfulColumns => ({
  shared: sharedIn(plan),
  thousands: possibleThousands(
    allColumns(plan)
      .filter(({ field }) => field >= 0)
      .map(asNumberColumn),
  ),
  rounded: allColumns(plan).flatMap(({ name, type, fresh, authority, facts, beginning = facts }) =>
    fresh && authority !== "declared" && type === "DOUBLE" && beginning.significant > DOUBLE_DIGITS
      ? [{ name, digits: beginning.significant }]
      : [],
  ),
});

const ROUNDED_MAX = 5;

/** Says which columns lose digits, and how to keep them. */
export const roundedTexts = ({ rounded }: Pick<DoubtfulColumns, "rounded">): string[] =>
  rounded.slice(0, ROUNDED_MAX).map(({ name, digits }) => {
    const kept = "a DOUBLE keeps 15 to 17, the rest is rounded";
    const remedy = "declare the column as DECIMAL or VARCHAR to keep them";
    return `'${name.slice(0, 80)}' has values of ${digits} digits; ${kept}: ${remedy}`;
  });

const asNumberColumn = ({ name, facts, beginning = facts, number }: PlannedColumn): NumberColumn => ({
  ...{ name, facts: beginning },
  declaresComma: number?.decimal === COMMA,
});

const COMMA = 44;

/** As `observeValues`, for columns whose types the table has, or an earlier reading of the file found. */
export function observeBeginnings({ columns, fieldCount }: Plan, row: Row, scan: Scan): void {
  if (row.fault || row.count > fieldCount) return;
  for (const column of columns) {
    if (!(column.fresh || column.hasFewDecimals) || column.authority !== "known" || !hasText(column, row)) continue;
    column.beginning ??= noTypeFacts();
    const [start, end] = [row.bounds[2 * column.field]!, row.bounds[2 * column.field + 1]!];
    observe(column.beginning, classify(row.bytes, start, end, scan), scan, row.bytes);
  }
}
