import type { Doubt } from "../../../format.ts";
import type { FoundTable } from "../rows.ts";
import type { SampleRow } from "../split.ts";

/**
 * Says which row has a backslash before a delimiter, as text that escapes it: without those delimiters it
 * has as many fields as the rows that have none, and with them as many as the table.
 */
export function escapedDelimiter({ body, width }: FoundTable, delimiter: string): string | undefined {
  const escaped = `\\${delimiter}`;
  const escapesIn = ({ text }: SampleRow): number => text.split(escaped).length - 1;
  const odd = body.find((row) => row.count === width && escapesIn(row) > 0);
  if (!odd) return undefined;
  const fields = width - escapesIn(odd);
  const others = body.filter(({ count, text }) => count > 1 && !text.includes(escaped));
  if (!others.some(({ count }) => count === fields) || others.some(({ count }) => count === width)) return undefined;
  return `line ${odd.line} has a backslash before a delimiter, and the rows without one have ${fields} fields`;
}

/** Why a row that has a backslash before a quote may be read wrongly. `escape`: as it is shown. */
export const escapeDoubt = (line: number, escape: string): Doubt => ({
  reason: "structure_unsure",
  evidence: `line ${line} has a backslash before a quote, which is not what ${escape} as escape means`,
});
