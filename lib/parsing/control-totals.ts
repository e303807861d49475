import type { Contract } from "../contract/contract.ts";
import type { HeldReason } from "../contract/held.ts";
import type { Row } from "../formats/format.ts";
import { asDouble, calculated, compareNums, type Num } from "../rules/exact.ts";
import { patternMatch } from "../rules/pattern.ts";
import { shownValue } from "../rules/value.ts";
import { castColumn } from "../typing/cast.ts";
import { newScan, type Scan } from "../typing/scan.ts";
import type { PlannedColumn } from "./plan.ts";
import { readValue } from "./row-rules.ts";

type Total = Contract["accept"]["controlTotal"][number];

const ZERO: Num = { units: 0n, scale: 0 };
/** Of sums of doubles, relative to the sum. */
const TOLERANCE = 1e-9;

/** Sums of a file's columns, compared with what the file itself states in lines that are no rows. */
export class ControlTotals {
  readonly #totals: readonly { total: Total; column: PlannedColumn | undefined }[];
  readonly #sums: Num[];

  constructor(contract: Pick<Contract, "accept">, columns: readonly PlannedColumn[]) {
    this.#totals = contract.accept.controlTotal.map((total) => ({
      total,
      column: columns.find(({ name, field }) => name === total.column && field >= 0),
    }));
    this.#sums = this.#totals.map(() => ZERO);
  }

  /** Adds a row, also one that is rejected for another value. */
  add(row: Row, scan: Scan): void {
    this.#totals.forEach(({ column }, index) => {
      const value = column && readValue(column, row, scan);
      if (typeof value === "number" || (typeof value === "object" && value !== null)) {
        this.#sums[index] = calculated("+", this.#sums[index]!, value) ?? NaN;
      }
    });
  }

  /** Why the file may be damaged. `lines`: those that are no rows; `rows`: how many there are. */
  doubts(lines: readonly string[], rows: number): HeldReason[] {
    return this.#totals.flatMap(({ total, column }, index) => {
      const evidence = faultOf(total, column, { lines, found: total.column === undefined ? rows : this.#sums[index]! });
      return evidence === undefined ? [] : [{ reason: "control_total" as const, evidence }];
    });
  }
}

/** Undefined: the contract has none. */
export const controlTotals = (
  contract: Pick<Contract, "accept">,
  columns: readonly PlannedColumn[],
): ControlTotals | undefined =>
  contract.accept.controlTotal.length > 0 ? new ControlTotals(contract, columns) : undefined;

/** What is wrong with a total; undefined: it matches. */
function faultOf(
  { pattern, column: name }: Total,
  column: PlannedColumn | undefined,
  { lines, found }: { lines: readonly string[]; found: Num },
): string | undefined {
  if (name !== undefined && !column) return `the control total is of the column '${name}', which the file lacks`;
  const match = patternMatch(pattern);
  const texts = lines.flatMap((line) => match(line) ?? []);
  const text = texts.at(-1);
  if (text === undefined) return `no line outside the rows states the control total '${pattern.slice(0, 80)}'`;
  const stated = statedIn(text, column);
  if (stated === undefined) return `the stated control total '${text.slice(0, 80)}' is not a number`;
  if (isEqual(found, stated)) return undefined;
  const what = name === undefined ? "the file has rows" : `the sum of '${name}' is`;
  return `${what}: ${shownValue(found, "number")}; the file states ${shownValue(stated, "number")}`;
}

/** The number in the column's notation; a count of rows may have groups of digits. */
function statedIn(text: string, column: PlannedColumn | undefined): Num | undefined {
  const plain = column ? text.trim() : text.replaceAll(/[\s.,'’_]/gu, "");
  const wide = castColumn({ name: "", header: "", type: "DECIMAL(38,9)" }, "declared");
  const bytes = Buffer.from(plain);
  const [field, nullMarkers] = [0, []];
  const as = { ...wide, ...(column?.number ? { number: column.number } : {}), field, nullMarkers };
  const bounds = Int32Array.of(0, bytes.length);
  const value = readValue(as, { bytes, bounds, count: 1 }, newScan());
  return value !== null && (typeof value === "object" || typeof value === "number") ? value : undefined;
}

function isEqual(found: Num, stated: Num): boolean {
  if (typeof found !== "number" && typeof stated !== "number") return compareNums(found, stated) === 0;
  const decimals = typeof stated === "number" ? 0 : stated.scale;
  const [sum, total] = [asDouble(found), asDouble(stated)];
  return Math.abs(sum - total) <= Math.max(10 ** -decimals / 2, Math.abs(total) * TOLERANCE);
}
