import type { FoundTable } from "../rows.ts";

/** Line ends that were written as text, or that are none here. */
const LINE_END_TEXT = /\\[rn](?=.|$)|[\v\x1e\u0085\u2028\u2029]/u;

/** What shows that the names of the header are no names. `quote` undefined: it is declared. */
export function oddNames(
  { headerCells, body, header }: FoundTable,
  quote: string | null | undefined,
): string | undefined {
  if (header.rows === 0 || header.named > 0) return undefined;
  const names = headerCells.map((name) => name.trim());
  const filled = names.filter((name) => name !== "");
  if (body.length === 0 && filled.filter((name) => LINE_END_TEXT.test(name)).length > 1) {
    return "the only line has line ends that are written as text";
  }
  if (quote === null && filled.some((name) => name.includes('"')))
    return "the header has quotes, which seem to have no meaning";
  if (filled.length > 0 && filled.every((name) => /^".+"$/su.test(name))) return "all names are in quotes twice";
  const sign = names.findIndex((name, at) => /^[^\p{L}\p{N}]+$/u.test(name) && isOnly(name, at, body));
  return sign < 0
    ? undefined
    : `all fields ${sign + 1} are ${JSON.stringify(names[sign])}, the one of the header as well`;
}

const isOnly = (name: string, at: number, body: FoundTable["body"]): boolean =>
  body.length > 1 && body.every(({ cells }) => (cells[at] ?? "").trim() === name);
