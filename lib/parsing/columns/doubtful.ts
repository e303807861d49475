import type { Row } from "../../formats/format.ts";
import { noTypeFacts, observe } from "../../typing/infer.ts";
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
}

export const doubtfulIn = (plan: Plan | undefined): DoubtfulColumns => ({
  shared: sharedIn(plan),
  thousands: possibleThousands(
    allColumns(plan)
      .filter(({ field }) => field >= 0)
      .map(asNumberColumn),
  ),
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
