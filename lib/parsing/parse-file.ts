import type { ColumnDefinition, ColumnType } from "../columns.ts";
import type { Contract, DialectOverride } from "../contract/contract.ts";
import { TributaryError, type ErrorCode } from "../errors.ts";
import { detectDialect, type Delimiter, type DetectedDialect, type Dialect } from "../formats/csv/dialect.ts";
import type { RowOrigin } from "../rows/encode.ts";
import { FileParser, type ParseCounts, type ParserOutput } from "./file-parser.ts";
import type { CsvLimits } from "./limits.ts";
import type { RejectReason } from "./rejects.ts";
import { textBlocks, type TextBlock } from "../text/text-blocks.ts";

/** A file to be parsed; plain data, so that it can be sent to a worker. */
export interface ParseJob {
  /** As the sender called it: only to tell compressed names in messages. */
  fileName: string;
  contract: Contract;
  /** The sender's word on the dialect; goes before the contract's. */
  requested: DialectOverride;
  /** The table's columns so far, in order; empty for a new table. */
  known: ColumnDefinition[];
  /** The dialect pinned by the table's first file. */
  pinned?: Dialect;
  /** For the second reading: the types that the first one found. */
  inferred?: Record<string, ColumnType>;
  origin: RowOrigin;
  limits: CsvLimits;
}

/** How a reading ended. */
export interface ParseSummary extends ParseCounts {
  outcome: "complete" | "failed";
  columns: ColumnDefinition[];
  /** Absent if the file failed before it could be told. */
  dialect?: DetectedDialect;
  rejectsByReason: Partial<Record<RejectReason, number>>;
  /** Of UTF-8 text read. */
  textBytes: number;
  error?: { code: ErrorCode; message: string };
}

/**
 * `retype` ends a reading like `end` does: a new column's type, guessed from the beginning, did not hold. What was handed out is void;
 * read the file again with `inferred: types`.
 */
export type ParseOutput =
  ParserOutput | { kind: "retype"; types: Record<string, ColumnType> } | { kind: "end"; summary: ParseSummary };

/**
 * Reads a whole file: row batches and rejects in order, then one `end` or `retype`. A file that cannot be used ends with outcome
 * `failed` and its error. Memory is bounded by the limits. Throws only what the source throws, if that is retryable or no
 * TributaryError.
 */
export async function* parseFile(source: AsyncIterable<Uint8Array>, job: ParseJob): AsyncGenerator<ParseOutput> {
  const state: { parser?: FileParser; dialect?: DetectedDialect; textBytes: number } = { textBytes: 0 };
  const summary = (error?: { code: ErrorCode; message: string }): ParseOutput => ({
    kind: "end",
    summary: {
      outcome: error ? "failed" : "complete",
      columns: state.parser?.columns ?? [],
      ...(state.dialect ? { dialect: state.dialect } : {}),
      ...(state.parser?.counts ?? { rowsRead: 0, rowsAccepted: 0, rowsRejected: 0 }),
      rejectsByReason: state.parser?.rejectsByReason ?? {},
      textBytes: state.textBytes,
      ...(error ? { error } : {}),
    },
  });
  try {
    for await (const block of textBlocks(source, textOptions(job))) {
      state.textBytes += block.bytes.length;
      if (!state.parser) {
        const { dialect, firstLine, bytes } = beginningOf(block, job);
        state.dialect = dialect;
        state.parser = new FileParser({ ...job, dialect, firstLine });
        state.parser.begin(bytes, block.last);
      } else {
        state.parser.push(block.bytes, block.last);
      }
      yield* state.parser.take();
    }
    yield state.parser?.retyping ? { kind: "retype", types: state.parser.inferredTypes() } : summary();
  } catch (thrown) {
    if (!(thrown instanceof TributaryError) || thrown.retryable) throw thrown;
    state.parser?.flush();
    yield* state.parser?.take() ?? [];
    yield summary({ code: thrown.code, message: thrown.message });
  }
}

function textOptions({ fileName, requested, contract, pinned, limits }: ParseJob) {
  return { fileName, encoding: requested.encoding ?? contract.dialect.encoding, pinned: pinned?.encoding, limits };
}

/** What a file's first block says of it, and the text with which its header or first row begins. */
export interface Beginning {
  dialect: DetectedDialect;
  bytes: Buffer;
  /** Line on which `bytes` begin. */
  firstLine: number;
}

/** `requested` goes before the contract, the contract before a line `sep=;` (Excel's), and that before the table's pinned dialect. */
export function beginningOf(
  block: TextBlock,
  job: Pick<ParseJob, "contract" | "requested" | "pinned" | "limits">,
): Beginning {
  const said = /^sep=([,;\t|])(\r\n|\n|\r|$)/i.exec(block.bytes.toString("latin1", 0, 8));
  const bytes = said ? block.bytes.subarray(said[0].length) : block.bytes;
  const size = Math.min(bytes.length, job.limits.detectionBytes);
  let text = bytes.toString("latin1", 0, size);
  if (!block.last || size < bytes.length) {
    const wholeLines = Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r")) + 1;
    if (wholeLines > 0) text = text.slice(0, wholeLines);
  }
  const delimiter = said ? { delimiter: said[1] as Delimiter } : {};
  const given = { ...delimiter, ...job.contract.dialect, ...job.requested };
  return { dialect: detectDialect(text, block.encoding, given, job.pinned), bytes, firstLine: said ? 2 : 1 };
}
