import { RE2JS } from "re2js";
import { messageOf } from "../errors.ts";

export const PATTERN_CHARS_MAX = 1_000;

/** A pattern found anywhere in a text. */
export type Pattern = (text: string) => boolean;

/**
 * The pattern in RE2's syntax, which checks of type regex have too in the embedded warehouse. Its time grows
 * with the text alone: a contract cannot slow the parser down. @throws Error that says what is wrong
 */
export function patternOf(source: string): Pattern {
  if (source.length > PATTERN_CHARS_MAX) throw new Error(`a pattern has at most ${PATTERN_CHARS_MAX} characters`);
  const compiled = RE2JS.compile(source);
  return (text) => compiled.matcher(text).find();
}

/** What is wrong with a pattern; undefined: nothing. */
export function patternFault(source: string): string | undefined {
  try {
    patternOf(source);
    return undefined;
  } catch (error) {
    return `'${source.slice(0, 80)}' is not a pattern of RE2: ${messageOf(error)}`;
  }
}

/** The text of the pattern's first group where the pattern is found; undefined: it is not found. */
export function patternMatch(source: string): (text: string) => string | undefined {
  const compiled = RE2JS.compile(source);
  return (text) => {
    const matcher = compiled.matcher(text);
    return matcher.find() ? (matcher.group(1) ?? undefined) : undefined;
  };
}

/** What is wrong with a pattern that has to have a group; undefined: nothing. */
export function groupFault(source: string): string | undefined {
  const fault = patternFault(source);
  if (fault !== undefined) return fault;
  if (RE2JS.compile(source).groupCount() > 0) return undefined;
  return "the pattern has no group: put the number in parentheses, e.g. 'Total: ([0-9.]+)'";
}
