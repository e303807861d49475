import { FAMILY } from "../../typing/cast.ts";
import { DOUBLE_INTEGER_DIGITS, type Facts } from "../../typing/infer.ts";
import { MARK } from "../../typing/number-marks.ts";
import { KIND } from "../../typing/scan.ts";
import type { Plan, PlannedColumn } from "../plan.ts";

/** How the plain values of a field look. A value of another form is no plain value. */
export const FORM = {
  /** The empty field alone. */
  EMPTY: 0,
  /** Any text. */
  ANY: 1,
  /** Text without blanks around it. */
  TEXT: 2,
  NUMBER: 3,
  BOOLEAN: 4,
  MOMENT: 5,
} as const;

const NUMBERS = KIND.INTEGER | KIND.DECIMAL;
const MOMENTS = KIND.DATE | KIND.TIMESTAMP | KIND.TIMESTAMP_TZ;

/** More digits than any value has. */
const UNLIMITED = 0x7fff_ffff;
/** Digits of the largest INTEGER and the largest BIGINT. */
const [INT32_DIGITS, INT64_DIGITS] = [10, 19];
const [ONE, EIGHT, NINE] = [49, 56, 57];

/**
 * Which values of each field are plain. A plain value fits its column and teaches the parser nothing: type,
 * facts and warnings are the same with and without it. Typed arrays, because every value of a file asks.
 */
export class ValueForms {
  readonly form: Uint8Array;
  /** The KINDs of moments that the field may have. */
  readonly kinds: Uint8Array;
  /** True (1): an empty field is no plain value. */
  readonly required: Uint8Array;
  /** Most digits before the point, without leading zeros: of integers, and of decimals. */
  readonly integerDigits: Int32Array;
  readonly intDigits: Int32Array;
  /** An integer of so many digits begins with `edgeFirst` at most. */
  readonly edgeDigits: Int32Array;
  readonly edgeFirst: Uint8Array;
  /** Most digits after the point, and in all of a decimal. */
  readonly scale: Int32Array;
  readonly significant: Int32Array;

  constructor(fieldCount: number) {
    this.form = new Uint8Array(fieldCount);
    this.kinds = new Uint8Array(fieldCount);
    this.required = new Uint8Array(fieldCount);
    this.integerDigits = new Int32Array(fieldCount);
    this.intDigits = new Int32Array(fieldCount);
    this.edgeDigits = new Int32Array(fieldCount);
    this.edgeFirst = new Uint8Array(fieldCount);
    this.scale = new Int32Array(fieldCount);
    this.significant = new Int32Array(fieldCount);
  }

  /** Takes the forms from the columns. They change with every value that is not plain. */
  update(plan: Plan, padded: Uint8Array): void {
    this.form.fill(FORM.ANY);
    this.required.fill(0);
    for (const column of plan.columns) if (column.field >= 0) this.#setColumn(column, padded[column.field] === 1);
    for (const { field } of plan.untyped) if (field >= 0) this.form[field] = FORM.EMPTY;
  }

  #setColumn(column: PlannedColumn, padded: boolean): void {
    const { field, authority, facts, family, required, nullMarkers } = column;
    this.required[field] = required ? 1 : 0;
    if (required && nullMarkers.length > 0) this.form[field] = FORM.EMPTY;
    else if (authority === "inferred") this.#setInferred(field, facts);
    else if (family === FAMILY.VARCHAR) this.form[field] = padded ? FORM.ANY : FORM.TEXT;
    else this.#setTyped(field, column);
  }

  /** Values of kinds that were seen, with no more digits than were seen. */
  #setInferred(field: number, facts: Facts): void {
    const { kinds, marks, beyondInt32, beyondInt64 } = facts;
    this.form[field] = formOf(kinds);
    this.kinds[field] = kinds;
    // 0 among decimals may stay unseen: no type depends on whether they have integers among them.
    this.integerDigits[field] = facts.integerDigits;
    this.intDigits[field] = facts.intDigits;
    // The first number that shows what points mean is noted.
    this.scale[field] = (marks & (MARK.DECIMAL_POINT | MARK.UNGROUPED)) === 0 ? 0 : facts.scale;
    this.significant[field] = facts.significant;
    if (!beyondInt32) this.#setEdge(field, INT32_DIGITS);
    else if (!beyondInt64) this.#setEdge(field, INT64_DIGITS);
    else this.#setEdge(field, UNLIMITED);
  }

  #setTyped(field: number, { family, type, precision, scale }: PlannedColumn): void {
    const kinds = KINDS_OF.get(family) ?? 0;
    this.form[field] = formOf(kinds);
    this.kinds[field] = kinds;
    const digits = family === FAMILY.DECIMAL ? precision - scale : DOUBLE_INTEGER_DIGITS;
    this.intDigits[field] = digits;
    this.integerDigits[field] = family === FAMILY.LONG ? UNLIMITED : digits;
    this.scale[field] = family === FAMILY.DOUBLE ? UNLIMITED : scale;
    this.significant[field] = UNLIMITED;
    if (family === FAMILY.LONG) this.#setEdge(field, type === "INTEGER" ? INT32_DIGITS : INT64_DIGITS);
    else this.#setEdge(field, UNLIMITED);
  }

  /** Integers of 10 digits that begin with 1 fit into 32 bits; of 19 that begin with 8, into 64. */
  #setEdge(field: number, digits: number): void {
    this.edgeDigits[field] = digits;
    this.edgeFirst[field] = digits === INT32_DIGITS ? ONE : digits === INT64_DIGITS ? EIGHT : NINE;
    this.integerDigits[field] = Math.min(this.integerDigits[field]!, digits);
  }
}

/** By family: the kinds that fit it, by whatever means the type was decided. */
const KINDS_OF = new Map<number, number>([
  [FAMILY.BOOLEAN, KIND.BOOLEAN],
  [FAMILY.LONG, KIND.INTEGER],
  [FAMILY.DOUBLE, NUMBERS],
  [FAMILY.DECIMAL, NUMBERS],
  [FAMILY.DATE, KIND.DATE],
  [FAMILY.TIMESTAMP, KIND.DATE | KIND.TIMESTAMP],
  [FAMILY.TIMESTAMP_TZ, KIND.TIMESTAMP_TZ],
]);

/** The form that values of all these kinds have. */
function formOf(kinds: number): number {
  const only = (allowed: number): boolean => kinds !== 0 && (kinds & ~allowed) === 0;
  if (only(NUMBERS | KIND.DOUBLE)) return FORM.NUMBER;
  if (only(KIND.BOOLEAN)) return FORM.BOOLEAN;
  return only(MOMENTS) ? FORM.MOMENT : FORM.EMPTY;
}
