import type { ColumnType } from "../columns.ts";
import { charactersOf } from "./functions.ts";
import { patternFault, patternOf } from "./pattern.ts";
import { compareValues, constantOf, valueTypeOf, type Value } from "./value.ts";

/** What becomes of a row, or its file, that breaks a rule. */
export type RuleAction = "reject" | "warn" | "fail";

type Constant = string | number | boolean;

/** What a contract's `rule` demands of a column's values. Empty fields are not asked. */
export interface ColumnRule {
  min?: Constant | undefined;
  max?: Constant | undefined;
  accepted?: readonly Constant[] | undefined;
  pattern?: string | undefined;
  length?: number | { min?: number | undefined; max?: number | undefined } | undefined;
}

/** What is wrong with a value, as the end of a sentence about it; undefined: nothing. */
export type ValueTest = (value: Exclude<Value, null>) => string | undefined;

export interface RuleFault {
  path: (string | number)[];
  message: string;
}

/** The faults of a rule for a column of this type. */
export function columnRuleFaults(rule: ColumnRule, type: ColumnType): RuleFault[] {
  const faults: RuleFault[] = [];
  const kind = valueTypeOf(type);
  const isOfType = (value: Constant, path: (string | number)[]): void => {
    if (constantOf(value, type) === undefined) faults.push({ path, message: `'${value}' is not a value of ${type}` });
  };
  for (const bound of ["min", "max"] as const) {
    const value = rule[bound];
    if (value === undefined) continue;
    if (kind === "text" || kind === "boolean") {
      faults.push({ path: [bound], message: `needs a column of numbers, dates or times, not ${type}` });
    } else isOfType(value, [bound]);
  }
  rule.accepted?.forEach((value, index) => isOfType(value, ["accepted", index]));
  for (const name of ["pattern", "length"] as const) {
    if (rule[name] !== undefined && kind !== "text") {
      faults.push({ path: [name], message: `needs a VARCHAR column, not ${type}` });
    }
  }
  const badPattern = rule.pattern === undefined ? undefined : patternFault(rule.pattern);
  if (badPattern !== undefined) faults.push({ path: ["pattern"], message: badPattern });
  return faults.length > 0 ? faults : orderFaults(rule, type);
}

function orderFaults({ min, max, length }: ColumnRule, type: ColumnType): RuleFault[] {
  const faults: RuleFault[] = [];
  if (min !== undefined && max !== undefined && compareValues(constantOf(min, type)!, constantOf(max, type)!) > 0) {
    faults.push({ path: ["min"], message: `is above max: ${min} > ${max}` });
  }
  if (typeof length === "object" && (length.min ?? 0) > (length.max ?? Infinity)) {
    faults.push({ path: ["length", "min"], message: `is above max: ${length.min!} > ${length.max!}` });
  }
  return faults;
}

/** The tests of a rule without faults. */
export function columnTests(rule: ColumnRule, type: ColumnType): ValueTest[] {
  const tests: ValueTest[] = [];
  const bound = (constant: Constant | undefined, isBroken: (order: number) => boolean, broken: string): void => {
    if (constant === undefined) return;
    const limit = constantOf(constant, type)!;
    // NaN is below and above every bound.
    tests.push((value) => (isBroken(compareValues(value, limit)) ? `${broken} ${constant}` : undefined));
  };
  bound(rule.min, (order) => !(order >= 0), "is less than");
  bound(rule.max, (order) => !(order <= 0), "is more than");
  if (rule.accepted) tests.push(acceptedTest(rule.accepted, type));
  if (rule.pattern !== undefined) {
    const matches = patternOf(rule.pattern);
    tests.push((value) => (matches(value as string) ? undefined : `does not match ${rule.pattern}`));
  }
  if (rule.length !== undefined) tests.push(lengthTest(rule.length));
  return tests;
}

const SHOWN_MAX = 5;

function acceptedTest(accepted: readonly Constant[], type: ColumnType): ValueTest {
  const values = accepted.map((value) => constantOf(value, type)!);
  const texts = new Set(values.filter((value) => typeof value === "string"));
  const isAccepted = (value: Exclude<Value, null>): boolean =>
    typeof value === "string" ? texts.has(value) : values.some((one) => compareValues(value, one) === 0);
  const shown = accepted.slice(0, SHOWN_MAX).join(", ") + (accepted.length > SHOWN_MAX ? ", …" : "");
  return (value) => (isAccepted(value) ? undefined : `is not one of ${shown}`);
}

function lengthTest(length: NonNullable<ColumnRule["length"]>): ValueTest {
  const { min = 0, max = Infinity } = typeof length === "number" ? { min: length, max: length } : length;
  return (value) => {
    const characters = charactersOf(value as string);
    if (characters < min) return `has ${characters} characters, fewer than ${min}`;
    return characters > max ? `has ${characters} characters, more than ${max}` : undefined;
  };
}
