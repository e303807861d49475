import avsc from "avsc";
import { rowMessages } from "../../lib/messages/avro.ts";
import type { EndOfFile, Reject, RowMessage } from "../../lib/messages/generated.ts";
import { avroFieldName, rowSchemaOf, type ColumnDefinition, type ColumnType } from "../../lib/columns.ts";
import type { NewRecord } from "../../lib/event-log/event-log.ts";

/** A file version of a test. Values are Avro's: numbers for longs, Buffers for decimals, null. */
export interface TestFile {
  table: string;
  sourceFile: string;
  sourceOffset: number;
  columns: Record<string, ColumnType>;
  rows: readonly (readonly unknown[])[];
  /**
   * Ordinals of rejected rows among all rows of the file, from 1; accepted rows have the remaining ordinals.
   */
  rejected?: readonly number[];
  outcome?: EndOfFile["outcome"];
  errorCode?: string;
  receivedAtMs?: number;
}

/** The messages of one parse attempt of the file: batches of `batchRows` rows, rejects, end-of-file. */
export function messagesOf(file: TestFile, { runId = "run-1", batchRows = 2 } = {}): RowMessage[] {
  const columns = Object.entries(file.columns).map(([name, type]): ColumnDefinition => ({ name, type, header: name }));
  const outcome = file.outcome ?? "complete";
  const about = {
    fileId: fileIdOf(file),
    sourceFile: file.sourceFile,
    sourceOffset: file.sourceOffset,
    runId,
  };
  const rejected = file.rejected ?? [];
  const messages: RowMessage[] = batchesOf(file, columns, batchRows).map((batch) => ({
    ...about,
    body: { "tributary.RowBatch": batch },
  }));
  if (rejected.length > 0) {
    const rejects = rejected.map((row): Reject => ({
      row,
      line: row + 1,
      column: null,
      reason: "ragged",
      message: "too few fields",
      raw: `raw ${row}`,
    }));
    messages.push({ ...about, body: { "tributary.RejectBatch": { rejects } } });
  }
  const end: EndOfFile = {
    outcome,
    columns,
    rowsRead: file.rows.length + rejected.length,
    rowsAccepted: file.rows.length,
    rowsRejected: rejected.length,
    sizeBytes: 100,
    contentHash: `hash of ${fileIdOf(file)}`,
    etag: null,
    receivedAtMs: file.receivedAtMs ?? 1_700_000_000_000,
    parsedAtMs: 1_700_000_000_100,
    parseMs: 7,
    delimiter: ",",
    encoding: "utf-8",
    errorCode: outcome === "failed" ? (file.errorCode ?? "FILE_EMPTY") : null,
    errorMessage: outcome === "failed" ? "the file is empty" : null,
  };
  return [...messages, { ...about, body: { "tributary.EndOfFile": end } }];
}

export const fileIdOf = ({ sourceFile, sourceOffset }: TestFile): string => `${sourceFile}@${sourceOffset}`;

/** Messages as records of rows.<table>. */
export const recordsOf = (table: string, messages: readonly RowMessage[]): NewRecord[] =>
  messages.map((message) => ({ key: table, value: rowMessages.encode(message) }));

function batchesOf(file: TestFile, columns: readonly ColumnDefinition[], batchRows: number) {
  const schema = rowSchemaOf(columns);
  const type = avsc.Type.forSchema(schema as avsc.Schema, { logicalTypes: {}, wrapUnions: "never" });
  const ordinals = ordinalsOf(file);
  const batches = [];
  for (let firstRow = 0; firstRow < file.rows.length; firstRow += batchRows) {
    const rows = file.rows.slice(firstRow, firstRow + batchRows).map((values, index) =>
      type.toBuffer({
        ...Object.fromEntries(values.map((value, at) => [avroFieldName(at), value])),
        _source_file: file.sourceFile,
        _source_offset: file.sourceOffset,
        _source_row: ordinals[firstRow + index],
        _ingested_at: (file.receivedAtMs ?? 1_700_000_000_000) * 1000,
      }),
    );
    batches.push({
      firstRow,
      rowCount: rows.length,
      writerSchema: JSON.stringify(schema),
      rows: Buffer.concat(rows),
    });
  }
  return batches;
}

function ordinalsOf(file: TestFile): number[] {
  const rejected = new Set(file.rejected ?? []);
  const ordinals: number[] = [];
  for (let row = 1; ordinals.length < file.rows.length; row++) if (!rejected.has(row)) ordinals.push(row);
  return ordinals;
}
