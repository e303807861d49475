/** Converts cells of query results (QueryResult.rows) to values. */

/** Text unchanged; numbers as digits. */
export const textOrNull = (cell: unknown): string | null =>
  cell === null || cell === undefined ? null : typeof cell === "string" ? cell : JSON.stringify(cell);

export const numberOrNull = (cell: unknown): number | null =>
  cell === null || cell === undefined ? null : Number(cell);

/** A timestamp as epoch milliseconds. Without a zone it is UTC. */
export function msOrNull(cell: unknown): number | null {
  const iso = textOrNull(cell)?.replace(" ", "T");
  if (iso === undefined) return null;
  return Date.parse(/Z$|[+-]\d\d:?\d\d$/.test(iso) ? iso : `${iso}Z`);
}
