import {
  CERTAIN,
  ERROR_CLASS,
  FAILURES,
  NO_ERRORS,
  NOTE,
  REMARK,
  STATISTICAL,
  TRUNCATED_DIGITS,
} from "./failure-words.ts";

/** Bounds the time of the expressions. */
const CHARS_MAX = 500;

/** True for what programs write when they cannot write the rest. */
export function saysFailure(text: string): boolean {
  const line = text.slice(0, CHARS_MAX).replaceAll(NO_ERRORS, "");
  if (STATISTICAL.test(line)) return false;
  const has = (pattern: RegExp): boolean => pattern.test(line);
  if (NOTE.test(line) || REMARK.test(line)) return CERTAIN.some(has) && !TRUNCATED_DIGITS.test(line);
  return ERROR_CLASS.test(line) || CERTAIN.some(has) || FAILURES.some(has);
}
