import { hasOwn } from "../own.ts";
import { rounded, negated, compareNums, type Num } from "./exact.ts";
import { patternOf } from "./pattern.ts";
import type { Moment, Value, ValueType } from "./value.ts";

/** A function of the expressions: none of its arguments is null when `run` is called. */
export interface RuleFunction {
  takes: readonly (readonly ValueType[])[];
  gives: ValueType;
  /** What it does, for the page about contracts. */
  about: string;
  run(args: readonly Exclude<Value, null>[]): Value;
}

const MOMENTS = ["date", "timestamp", "instant"] as const;
const ROUND_DECIMALS_MAX = 38;

const text = (value: Value | undefined): string => value as string;
const num = (value: Value | undefined): Num => value as Num;
const dateOf = (value: Value | undefined): Date => new Date(Number((value as Moment) / 1000n));

/** The number of characters, where one outside the BMP is one. */
export function charactersOf(value: string): number {
  let length = value.length;
  for (let at = 0; at + 1 < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code >= 0xd800 && code <= 0xdbff) length--;
  }
  return length;
}

const ofParts = (about: string, part: (date: Date) => number): RuleFunction => ({
  takes: [MOMENTS],
  gives: "number",
  about,
  run: ([value]) => part(dateOf(value)),
});

const ofTexts = (about: string, test: (value: string, other: string) => boolean): RuleFunction => ({
  takes: [["text"], ["text"]],
  gives: "boolean",
  about,
  run: ([value, other]) => test(text(value), text(other)),
});

const ofText = (about: string, change: (value: string) => string): RuleFunction => ({
  takes: [["text"]],
  gives: "text",
  about,
  run: ([value]) => change(text(value)),
});

export const FUNCTIONS = {
  size: {
    takes: [["text"]],
    gives: "number",
    about: "characters of a text",
    run: ([value]) => charactersOf(text(value)),
  },
  lower: ofText("the text in lower case", (value) => value.toLowerCase()),
  upper: ofText("the text in upper case", (value) => value.toUpperCase()),
  trim: ofText("the text without blanks around it", (value) => value.trim()),
  startsWith: ofTexts("whether the text starts with the other", (value, other) => value.startsWith(other)),
  endsWith: ofTexts("whether the text ends with the other", (value, other) => value.endsWith(other)),
  contains: ofTexts("whether the other is in the text", (value, other) => value.includes(other)),
  matches: ofTexts("whether the pattern (RE2, a constant) is found in the text", (value, other) =>
    patternOf(other)(value),
  ),
  abs: {
    takes: [["number"]],
    gives: "number",
    about: "the number without its sign",
    run: ([value]) => (compareNums(num(value), 0) < 0 ? negated(num(value)) : num(value)),
  },
  round: {
    takes: [["number"], ["number"]],
    gives: "number",
    about: "the number with so many decimals, half away from zero",
    run: ([value, decimals]) => {
      const digits = Number(typeof decimals === "object" ? decimals.units : decimals);
      return digits >= 0 && digits <= ROUND_DECIMALS_MAX ? rounded(num(value), digits) : null;
    },
  },
  year: ofParts("year of a date or time", (date) => date.getUTCFullYear()),
  month: ofParts("its month, from 1", (date) => date.getUTCMonth() + 1),
  day: ofParts("its day of the month", (date) => date.getUTCDate()),
} satisfies Record<string, RuleFunction>;

export const functionNamed = (name: string): RuleFunction | undefined =>
  hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
