import { createRequire } from "node:module";
import type * as Re2 from "re2js";
import { messageOf } from "../../errors.ts";

const require = createRequire(import.meta.url);

/** Loaded on first use: few files have a footer, and a command line should start fast. */
const re2 = (): typeof Re2 => require("re2js") as typeof Re2;

/** Why the text is not a regular expression in RE2 syntax; undefined if it is one. */
export function patternFault(text: string): string | undefined {
  const { RE2JS } = re2();
  try {
    RE2JS.compile(text);
    return undefined;
  } catch (error) {
    return `the pattern is not a regular expression in RE2 syntax: ${messageOf(error)}`;
  }
}

/**
 * Finds the expression anywhere in a text, in time linear to its length.
 * @throws a plain Error for an invalid expression
 */
export function footerPattern(text: string): (row: string) => boolean {
  const compiled = re2().RE2JS.compile(text);
  return (row) => compiled.test(row);
}
