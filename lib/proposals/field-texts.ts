import type { RecordReader, Row } from "../formats/format.ts";

/** The different texts of one column's fields, without blanks around them, and how often each occurs. */
export type FieldTexts = Map<string, number>;

const ROWS_MAX = 20_000;
const TEXTS_MAX = 5_000;
const TEXT_CHARS_MAX = 200;

/** Collects the texts of these fields from the beginning of a file. Empty fields are left out. */
export function collectTexts(
  fields: ReadonlyMap<string, number>,
  texts: readonly Uint8Array[],
  open: (onRow: (row: Row) => void) => RecordReader,
): Map<string, FieldTexts> {
  const found = new Map([...fields.keys()].map((name) => [name, new Map<string, number>()] as const));
  let rows = 0;
  const reader = open((row) => {
    if (row.fault || ++rows > ROWS_MAX) return;
    for (const [name, field] of fields) if (field < row.count) add(found.get(name)!, row, field);
  });
  for (const text of texts) {
    if (rows > ROWS_MAX) break;
    reader.push(text);
  }
  return found;
}

function add(texts: FieldTexts, row: Row, field: number): void {
  const [start, end] = [row.bounds[2 * field]!, row.bounds[2 * field + 1]!];
  if (start === end || end - start > TEXT_CHARS_MAX * 4) return;
  const text = Buffer.from(row.bytes.buffer, row.bytes.byteOffset + start, end - start)
    .toString("utf8")
    .trim();
  const count = texts.get(text);
  if (text !== "" && (count !== undefined || texts.size < TEXTS_MAX)) texts.set(text, (count ?? 0) + 1);
}
