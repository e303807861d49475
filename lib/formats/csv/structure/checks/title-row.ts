import { familyOf, kindOf } from "../kinds.ts";
import { YEAR } from "../profile.ts";
import type { SampleRow } from "../split.ts";

/**
 * True if a first header row looks like a title or a key with its value: `Report, June`, `Account:`,
 * `47110`.
 */
export const isTitleRow = ({ cells }: SampleRow, last: SampleRow): boolean =>
  cells.some((cell, at) => {
    const text = cell.trim();
    const value = !["text", "none"].includes(familyOf(kindOf(text))) && !YEAR.test(text) && !/^\d{1,3}$/.test(text);
    const isSentence = at > 0 && cell.startsWith(" ") && !(last.cells[at] ?? "").startsWith(" ");
    return text.endsWith(":") || value || isSentence;
  });
