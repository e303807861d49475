import type { Dialect } from "./dialect.ts";
import { beginningOf, type ParseJob } from "../../parsing/parse-file.ts";
import { RecordReader, type Row } from "./records.ts";
import { textBlocks } from "../../text/text-blocks.ts";

/** What decides how a file falls into rows: a part of what its parser is told. */
export type ReadJob = Pick<ParseJob, "fileName" | "contract" | "requested" | "pinned" | "limits">;

/**
 * A file's rows as they stand in it, untyped, split just as its parser splits them: of each block of text what `visit` made of its
 * rows. `row` is the ordinal that the parser counts (0: the header), and `seen` is valid during the call only. Memory is bounded.
 * @throws what reading text throws, FILE_HEADER_TOO_LONG, FILE_QUOTE_NOT_CLOSED, FILE_ROW_TOO_LONG
 */
export async function* readRows<T>(
  source: AsyncIterable<Uint8Array>,
  job: ReadJob,
  visit: (seen: Row, row: number, dialect: Dialect) => T | undefined,
): AsyncGenerator<T[]> {
  const { requested, contract, pinned, limits, fileName } = job;
  const encoding = requested.encoding ?? contract.dialect.encoding;
  let reader: RecordReader | undefined;
  let made: T[] = [];
  for await (const block of textBlocks(source, { fileName, encoding, pinned: pinned?.encoding, limits })) {
    let { bytes } = block;
    if (!reader) {
      const beginning = beginningOf(block, job);
      const { dialect, firstLine } = beginning;
      bytes = beginning.bytes;
      let row = dialect.header ? 0 : 1;
      const onRow = (seen: Row): void => {
        const one = visit(seen, row++, dialect);
        if (one !== undefined) made.push(one);
      };
      const fieldsMax = limits.columnsMax + 1;
      reader = new RecordReader({ dialect, firstLine, limits, fieldsMax, header: dialect.header, onRow });
    }
    reader.push(bytes);
    if (block.last) reader.end();
    yield made;
    made = [];
  }
}

/** The row's fields as text; valid UTF-8 is expected. */
export function fieldsOf({ bytes, bounds, count }: Row): string[] {
  const shown = Math.min(count, bounds.length / 2);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: shown }, (_, field) => text.toString("utf8", bounds[2 * field], bounds[2 * field + 1]));
}
