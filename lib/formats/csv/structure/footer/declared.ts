import { footerPattern } from "../../footer-pattern.ts";
import type { FooterRule } from "../../options.ts";

/**
 * The text above a footer that the sender declares: its last lines that are not blank, or all from the first
 * line on that has the pattern. What stands there tells nothing about the table.
 */
export function aboveFooter(text: string, rule: FooterRule | undefined): string {
  if (rule === undefined) return text;
  if ("pattern" in rule) {
    const isFooter = footerPattern(rule.pattern);
    for (const { 0: line, index } of text.matchAll(LINE)) if (isFooter(line)) return text.slice(0, index);
    return text;
  }
  let above = text;
  for (let row = 0; row < rule.rows; row++) {
    const end = above.trimEnd();
    above = end.slice(0, Math.max(end.lastIndexOf("\n"), end.lastIndexOf("\r")) + 1);
  }
  return above;
}

const LINE = /[^\r\n]+/g;
