import { isMoment, saysWhat } from "../first-rows/title-words.ts";
import { isTypedCell } from "../kinds.ts";
import { YEAR } from "../profile.ts";
import type { SampleRow } from "../split.ts";

/**
 * True if a first header row looks like a title or a key with its value: `Report, June`, `Account:`,
 * `47110`, `Statement;January 2026`. Months that stand above groups of columns are several.
 */
export function isTitleRow({ cells }: SampleRow, last: SampleRow): boolean {
  const isValue = cells.some((cell, at) => {
    const text = cell.trim();
    const value = isTypedCell(text) && !YEAR.test(text) && !/^\d{1,3}$/.test(text);
    const isSentence = at > 0 && cell.startsWith(" ") && !(last.cells[at] ?? "").startsWith(" ");
    return text.endsWith(":") || value || isSentence;
  });
  if (isValue) return true;
  const texts = cells.map((cell) => cell.trim());
  return saysWhat(texts[0]!) && texts.filter((text) => isMoment(text) || YEAR.test(text)).length === 1;
}
