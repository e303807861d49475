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
