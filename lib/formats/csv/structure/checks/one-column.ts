import { DELIMITERS } from "../../options.ts";
import type { FoundTable } from "../rows.ts";

/** Rows that are looked at. */
const ROWS_MAX = 200;
const NEARLY_ALL = 0.8;

/** What shows that the lines of a file that reads as one column hold several fields, or no table at all. */
export function notOneColumn({ body, header, headerText, headerCells }: FoundTable): string | undefined {
  if (header.rows === 0 || body.length === 0) return undefined;
  const rows = body.slice(0, ROWS_MAX);
  const isMost = (is: (text: string) => boolean): boolean =>
    is(headerText) && rows.filter(({ text }) => is(text)).length >= NEARLY_ALL * rows.length;
  const [name = ""] = headerCells;
  if (headerText.startsWith('"') && !name.startsWith('"')) {
    const within = DELIMITERS.find((delimiter) => {
      const count = name.split(delimiter).length;
      const isAlike = ({ cells, quoted }: (typeof rows)[number]): boolean =>
        quoted[0] === true && cells[0]!.split(delimiter).length === count;
      return count > 1 && rows.filter(isAlike).length >= NEARLY_ALL * rows.length;
    });
    if (within !== undefined) return `whole lines are in quotes, with ${JSON.stringify(within)} within them`;
    return undefined;
  }
  if (isMost((text) => /\S(?: {2,}|\t)\S/.test(text)))
    return "its lines have gaps of blanks, like columns of a fixed width";
  if (isMost((text) => /[\x00-\x08\x0e-\x1f]/.test(text))) return "its lines have control characters";
  if (/\s/.test(name.trim()) && /[,;:.!]$/.test(name.trim())) return "its first line is a sentence rather than a name";
  return undefined;
}
