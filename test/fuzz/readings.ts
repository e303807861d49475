/** Reads a file as the parser does, and checks the properties that hold for every file. */
import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { contractSchema } from "../../lib/contract/contract.ts";
import type { ColumnDefinition, ColumnType } from "../../lib/columns.ts";
import { showRows } from "../../lib/rows/show.ts";
import type { EncodedRows } from "../../lib/parsing/row-batches.ts";
import { DEFAULT_LIMITS, type ParseLimits } from "../../lib/parsing/limits.ts";
import { parseFile, type ParseJob, type ParseSummary } from "../../lib/parsing/parse-file.ts";
import { REJECT_REASONS } from "../../lib/parsing/rejects.ts";
import { ERRORS } from "../../lib/errors.ts";
import type { Reject } from "../../lib/messages/generated.ts";
import { decodeRows, valueAt, type DecodedValue } from "../../lib/rows/row-decoder.ts";

export interface Setup {
  contract?: object;
  current?: ColumnDefinition[];
  usual?: ParseJob["pinned"];
  override?: ParseJob["requested"];
  limits?: Partial<ParseLimits>;
}

export interface Reading {
  summary: ParseSummary;
  /** Rows by ordinal; only the file's columns. */
  rows: Map<number, DecodedValue[]>;
  rejects: Reject[];
}

/** Reads the file in pieces of these sizes, in rotation; reads it again if an inferred type does not hold. */
export async function readFile(bytes: Buffer, setup: Setup, pieces: readonly number[] = [1 << 16]): Promise<Reading> {
  let settled: ReadonlyMap<string, ColumnType> | undefined;
  for (let readings = 1; readings <= 2; readings++) {
    const job = jobOf(setup, settled);
    const reading = {
      rows: new Map<number, DecodedValue[]>(),
      rejects: [] as Reject[],
      summary: undefined as ParseSummary | undefined,
    };
    let ended = 0;
    let accepted = 0;
    for await (const output of parseFile(piecesOf(bytes, pieces), job)) {
      assert.equal(ended, 0, "no output after the end");
      if (output.kind === "rejects") reading.rejects.push(...output.rejects);
      else if (output.kind === "rows") {
        assert.equal(output.batch.firstRow, accepted, "batches are contiguous");
        accepted += output.batch.rowCount;
        takeBatch(output.batch, reading.rows, job.limits);
      } else {
        ended++;
        if (output.kind === "retype") settled = output.types;
        else if (output.kind === "end") reading.summary = output.summary;
      }
    }
    assert.equal(ended, 1, "exactly one end");
    if (!reading.summary) continue;
    const whole = { ...reading, summary: reading.summary };
    checkReading(whole, job);
    return whole;
  }
  throw new Error("a third reading is needed");
}

function jobOf(
  { contract, current = [], usual, override = {}, limits }: Setup,
  settled?: ReadonlyMap<string, ColumnType>,
): ParseJob {
  return {
    fileName: "file.csv",
    contract: contractSchema.parse({ table: "t", ...contract }),
    requested: override,
    known: current,
    ...(usual ? { pinned: usual } : {}),
    ...(settled ? { inferred: settled } : {}),
    origin: { sourceFile: "file.csv", sourceOffset: 7, receivedAtMs: 1_700_000_000_000 },
    limits: { ...DEFAULT_LIMITS, ...limits },
  };
}

async function* piecesOf(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Reads the batch with both decoders, which must agree on the NULL values. */
function takeBatch(batch: EncodedRows, rows: Map<number, DecodedValue[]>, limits: ParseLimits): void {
  assert.ok(batch.rows.length + batch.writerSchema.length <= limits.messageBytesMax, "a batch fits into a message");
  const decoded = decodeRows(batch);
  const columns = decoded.columns.slice(0, -4);
  const shown = showRows(batch, Infinity);
  const [file, offset, ordinal] = decoded.columns.slice(-4);
  for (let row = 0; row < batch.rowCount; row++) {
    const values = columns.map((column) => valueAt(decoded, column, row));
    assert.deepEqual(
      shown[row]!.map((value) => value === null),
      values.map((value) => value === null),
    );
    for (const column of columns) {
      if (column.kind !== "string" || column.valid[row] === 0) continue;
      const text = decoded.bytes.subarray(column.words[row * 2], column.words[row * 2 + 1]);
      assert.ok(isUtf8(text) && !text.includes(0), "text is valid UTF-8 without NUL");
    }
    assert.deepEqual([valueAt(decoded, file!, row), valueAt(decoded, offset!, row)], ["file.csv", 7n]);
    const place = Number(valueAt(decoded, ordinal!, row));
    assert.ok(!rows.has(place), `row ${place} occurs once`);
    rows.set(place, values);
  }
}

function checkReading({ summary, rows, rejects }: Reading, { limits }: ParseJob): void {
  const { outcome, error, rowsRead, rowsAccepted, rowsRejected, rejectsByReason } = summary;
  assert.equal(rows.size, rowsAccepted, "the number of accepted rows matches");
  assert.equal(rejects.length, rowsRejected, "the number of rejects matches");
  assert.equal(
    Object.values(rejectsByReason).reduce((sum, n) => sum + n, 0),
    rowsRejected,
  );
  let [row, line] = [0, 0];
  for (const reject of rejects) {
    assert.ok(reject.row > row && reject.line > line, "rejects are in order");
    assert.ok(reject.reason in REJECT_REASONS && reject.message !== "");
    assert.ok(Buffer.byteLength(reject.raw) <= limits.rawBytesMax && !reject.raw.includes("\0"));
    assert.ok(!rows.has(reject.row), "a row is either accepted or rejected");
    ({ row, line } = reject);
  }
  if (outcome === "complete") {
    assert.equal(rowsRead, rowsAccepted + rowsRejected, "rows read = rows accepted + rows rejected");
    assert.ok(rowsRead === 0 || Math.max(row, ...rows.keys()) === rowsRead, "every ordinal is accounted for");
    assert.ok(error === undefined && summary.dialect);
    assert.ok(summary.columns.length > 0 || rowsAccepted === 0, "rows have columns");
  } else {
    assert.ok(error && error.code in ERRORS && !ERRORS[error.code].retryable && error.message !== "");
  }
  const names = summary.columns.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, "column names differ");
}
