/** Reads a file for its load plan, with rows taken at once where they can be, and one by one. */
import assert from "node:assert/strict";
import type { ColumnDefinition } from "../../../lib/columns.ts";
import { contractSchema } from "../../../lib/contract/contract.ts";
import { csvFormat } from "../../../lib/formats/csv/csv-format.ts";
import type { Dialect } from "../../../lib/formats/csv/options.ts";
import type { FileFormat, OpenOptions, PlainText, RecordHandlers, RowsTaken } from "../../../lib/formats/format.ts";
import type { Reject } from "../../../lib/messages/generated.ts";
import { DEFAULT_LIMITS, type ParseLimits } from "../../../lib/parsing/limits.ts";
import type { PlannedRows } from "../../../lib/parsing/output/load-planner.ts";
import { parseFile, type ParseJob, type ParseOutput, type ParseSummary } from "../../../lib/parsing/parse-file.ts";
import type { EncodedRows } from "../../../lib/parsing/row-batches.ts";

/** A file, and what decides how it is read. */
export interface Given {
  bytes: Buffer;
  contract?: object;
  known?: ColumnDefinition[];
  requested?: ParseJob["requested"];
  limits?: Partial<ParseLimits>;
}

export const ORIGIN = { sourceFile: "it's a file.csv", sourceOffset: 7, receivedAtMs: 1_700_000_000_123 };

/** Small blocks, so that a short file is a long one: its first block is not its last. */
const LIMITS: ParseLimits = {
  ...DEFAULT_LIMITS,
  ...{ detectionBytes: 96, inferenceBytes: 96, planBytesMin: 0, pieceBytes: 128 },
};

/** What a reading says, whichever way the rows go. */
export interface Reading {
  summary: ParseSummary;
  batches: EncodedRows[];
  rejects: Reject[];
  plan: PlannedRows | undefined;
  /** Why the file turned out irregular; undefined: it did not. */
  irregular: string | undefined;
}

/** The reader of CSV, with another way to take rows at once; undefined: rows are handed over one by one. */
const csvWith = (
  onText: ((handlers: RecordHandlers, text: PlainText) => RowsTaken | undefined) | undefined,
): FileFormat => ({
  ...csvFormat,
  open: (open, handlers) =>
    csvFormat.open(open as OpenOptions<Dialect>, {
      onFields: (fields) => handlers.onFields(fields),
      onRow: (row) => handlers.onRow(row),
      ...(onText && handlers.onText ? { onText: (text) => onText(handlers, text) } : {}),
    }),
});

const ONE_BY_ONE = csvWith(undefined);

/** @throws AssertionError if rows that are taken at once change anything. `atOnce`: how many there are */
export async function readBothWays(bytes: Buffer, job: ParseJob): Promise<{ reading: Reading; atOnce: number }> {
  let atOnce = 0;
  const counting = csvWith((handlers, text) => {
    const taken = handlers.onText!(text);
    atOnce += taken?.rows ?? 0;
    return taken;
  });
  const reading = await read(bytes, job, true, counting);
  assert.deepEqual(reading, await read(bytes, job, true, ONE_BY_ONE), "the same if rows are read one by one");
  return { reading, atOnce };
}

export function jobOf({ contract, known = [], requested = {}, limits, bytes }: Given): ParseJob {
  return {
    fileName: ORIGIN.sourceFile,
    contract: contractSchema.parse({ table: "t", ...contract }),
    requested,
    known,
    origin: ORIGIN,
    storedBytes: bytes.length,
    limits: { ...LIMITS, ...limits },
  };
}

/** Reads the file as the parser service does: once more if its types do not hold, or if it is irregular. */
export async function read(
  bytes: Buffer,
  job: ParseJob,
  plans: boolean,
  format: FileFormat = csvFormat,
): Promise<Reading> {
  const found: Partial<ParseJob> = {};
  let irregular: string | undefined;
  for (let readings = 1; readings <= 4; readings++) {
    const reading = {
      batches: [] as EncodedRows[],
      rejects: [] as Reject[],
      plan: undefined as PlannedRows | undefined,
    };
    let last: ParseOutput | undefined;
    for await (const output of parseFile(once(bytes), { ...job, ...found, plans: plans && irregular === undefined }, [
      format,
    ])) {
      if (output.kind === "rows") reading.batches.push(output.batch);
      else if (output.kind === "rejects") reading.rejects.push(...output.rejects);
      else if (output.kind === "plan") reading.plan = output.plan;
      else last = output;
    }
    if (last?.kind === "end") return { ...reading, summary: last.summary, irregular };
    if (last?.kind === "irregular") irregular = last.because;
    else if (last?.kind === "retype") Object.assign(found, { inferred: last.types, fields: last.fields });
    else throw new Error("a reading without an end");
  }
  throw new Error("a reading that does not settle");
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
