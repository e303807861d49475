import { identifier, type SqlColumn } from "../../sql/sql.ts";

/** Bytes at which DuckDB's writer cuts the lower bound of a text column: see TextBounds. */
const BOUND_BYTES = 16;

/** True if its first 16 characters have more than 16 bytes: a bound may then end inside a character. */
export function mayBeCut(text: string): boolean {
  if (text.length * 3 <= BOUND_BYTES) return false;
  let bytes = 0;
  let characters = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    characters += 1;
    if (bytes > BOUND_BYTES || characters === BOUND_BYTES) break;
  }
  return bytes > BOUND_BYTES;
}

/** `mayBeCut` for any text of a row, in SQL; undefined: no column is text. */
export function cutCondition(columns: readonly SqlColumn[]): string | undefined {
  const texts = columns.filter(({ type }) => type === "VARCHAR");
  if (texts.length === 0) return undefined;
  return texts.map(({ name }) => `strlen(left(${identifier(name)}, ${BOUND_BYTES})) > ${BOUND_BYTES}`).join(" OR ");
}
