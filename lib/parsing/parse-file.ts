import type { ColumnDefinition, ColumnType } from "../columns.ts";
import type { HeldReason } from "../contract/held.ts";
import { TributaryError, type ErrorCode } from "../errors.ts";
import type { Doubt, FileFormat, Finding, FormatOptions } from "../formats/format.ts";
import type { RowOrigin } from "../rows/encode.ts";
import { textBlocks } from "../text/text-blocks.ts";
import { FileParser } from "./file-parser.ts";
import type { ParseCounts, ParserOutput } from "./row-batches.ts";
import { roundedTexts } from "./columns/doubtful.ts";
import { openFile, textOptionsOf, withEncoding, type OpenedFile, type ReadJob } from "./open-file.ts";
import { FILE_SHORT, IrregularFile, type PlannedRows } from "./output/load-planner.ts";
import { allColumns, observedColumns, typesFound, type ObservedColumn } from "./plan.ts";
import type { RejectCounts } from "./rejects.ts";
import { decimalCommas, mayHaveCommas, type PossibleThousands } from "../typing/thousands.ts";
import { renameDoubt, sharedDoubt } from "./renames.ts";
import type { RuleWarning } from "./row-rules.ts";

/** A file to parse. Plain data, so that it can be sent to a worker. */
export interface ParseJob extends ReadJob {
  /** The table's columns so far, in order; empty for a new table. */
  known: ColumnDefinition[];
  /** For the second reading: the types that the first one found. */
  inferred?: ReadonlyMap<string, ColumnType>;
  /**
   * Read the file only for the facts about its values, also of columns that the table has; the contract's
   * columns have their types. The reading ends with `retype` and what was `observed`.
   */
  observe?: boolean;
  origin: RowOrigin;
  /** Size of the file as it is stored; undefined: unknown. */
  storedBytes?: number | undefined;
  /** Plan how the rows load from the file, if it is long and regular, instead of sending them. */
  plans?: boolean | undefined;
}

/** How a file is written, as detected. Plain JSON. */
export type DetectedOptions = FormatOptions & {
  /** 0 to 1; 1 if certain or declared. */
  readonly confidence: number;
  /** What was decided and why; absent if the format has nothing to say. */
  readonly evidence?: readonly Finding[];
  /**
   * Lines that are neither header nor rows: repeated headers, rows without a value, comments, a footer.
   * Absent: none.
   */
  readonly skippedRows?: number;
};

/** How a reading ended. */
export interface ParseSummary extends ParseCounts {
  outcome: "complete" | "failed";
  columns: ColumnDefinition[];
  /** The format's name and options; absent if the file failed before they were known. */
  format?: string;
  dialect?: DetectedOptions;
  /** Why the dialect may be wrong; absent: no doubt, or the file failed before. */
  doubts?: readonly Doubt[];
  /** Why a guard of the contract stops the file; absent: none does. */
  stops?: readonly HeldReason[];
  rejectsByReason: RejectCounts;
  /** Rows that are loaded although they break a rule of the contract, and rounded columns; absent: none. */
  warnings?: readonly RuleWarning[];
  /** Bytes of UTF-8 text read. */
  textBytes: number;
  /** Why the rows were sent one by one, if a plan was asked for; absent: they load by a plan. */
  planObstacle?: string;
  error?: { code: ErrorCode; message: string };
}

/**
 * `plan` stands for the rows, after the rejects; `progress` says how many were read, once a block.
 * `irregular` ends a reading: the outputs so far are void; read the file again without `plans`. `retype`
 * ends a reading like `end` does: the type of a new column, inferred from the first block, does not hold, or
 * a record has a new field. The outputs so far are void; read the file again with `inferred: types` and
 * these `fields`.
 */
export type ParseOutput =
  | ParserOutput
  | { kind: "plan"; plan: PlannedRows }
  | { kind: "progress"; rows: number }
  | { kind: "irregular"; because: string }
  | { kind: "retype"; types: ReadonlyMap<string, ColumnType>; fields?: readonly string[]; observed?: Observed }
  | { kind: "end"; summary: ParseSummary };

/** What a reading with ParseJob.observe found. */
export interface Observed {
  columns: ObservedColumn[];
  rowsRead: number;
}

/**
 * Reads a whole file. Yields row batches and rejects in order, then one `end` or `retype`. A file that cannot
 * be used ends with outcome `failed` and its error. Memory is bounded by the limits.
 * @throws only what the source throws, if that is retryable or not a TributaryError
 */
export async function* parseFile(
  source: AsyncIterable<Uint8Array>,
  job: ParseJob,
  formats?: readonly FileFormat[],
): AsyncGenerator<ParseOutput> {
  const state: { parser?: FileParser; file?: OpenedFile; textBytes: number; obstacle?: string } = { textBytes: 0 };
  const end = (error?: { code: ErrorCode; message: string }): ParseOutput => ({
    kind: "end",
    summary: {
      outcome: error ? "failed" : "complete",
      columns: state.parser?.columns ?? [],
      ...(state.file ? describe(state.file, state.parser, error ? undefined : job) : {}),
      ...(state.parser?.counts ?? { rowsRead: 0, rowsAccepted: 0, rowsRejected: 0 }),
      rejectsByReason: state.parser?.rejectsByReason ?? {},
      ...(state.parser ? warningsOf(state.parser) : {}),
      textBytes: state.textBytes,
      ...obstacleIn(state),
      ...(error ? { error } : {}),
    },
  });
  try {
    for await (const block of textBlocks(source, textOptionsOf(job))) {
      if (job.plans && state.parser) yield { kind: "progress", rows: state.parser.counts.rowsRead };
      state.textBytes += block.bytes.length;
      let text = block.bytes;
      if (!state.parser) {
        state.file = openFile(block, job, formats);
        const { storedBytes = Infinity, limits } = job;
        const plans = job.plans === true && !block.last && storedBytes >= limits.planBytesMin;
        if (job.plans && !plans) state.obstacle = FILE_SHORT;
        state.parser = new FileParser({ ...job, file: state.file, plans });
        text = state.file.text;
        state.parser.begin(text, block.last);
      } else if (block.encoding !== state.file!.options.encoding) {
        state.file = withEncoding(state.file!, block.found);
        if (job.plans) throw new IrregularFile(`the encoding is ${block.encoding}`);
      }
      const { pieceBytes } = job.limits;
      for (let at = 0; at === 0 || at < text.length; at += pieceBytes) {
        state.parser.push(text.subarray(at, at + pieceBytes), block.last && at + pieceBytes >= text.length);
        yield* state.parser.take();
      }
    }
    const plan = state.parser?.planned(state.textBytes);
    if (plan) yield { kind: "plan", plan };
    yield state.parser?.retyping ? retypeOf(state.parser, job) : end();
  } catch (thrown) {
    if (thrown instanceof IrregularFile) {
      yield { kind: "irregular", because: thrown.message };
      return;
    }
    if (!(thrown instanceof TributaryError) || thrown.retryable) throw thrown;
    state.parser?.flush();
    yield* state.parser?.take() ?? [];
    yield end({ code: thrown.code, message: thrown.message });
  }
}

function obstacleIn(state: { parser?: FileParser; obstacle?: string }): Pick<ParseSummary, "planObstacle"> {
  const planObstacle = state.parser?.planObstacle ?? state.obstacle;
  return planObstacle === undefined ? {} : { planObstacle };
}

/** Rules that loaded rows break, and columns whose values lose digits. */
function warningsOf({ warnings, doubtful, counts }: FileParser): Pick<ParseSummary, "warnings"> {
  const texts = counts.rowsAccepted > 0 ? roundedTexts(doubtful) : [];
  const all = [...warnings, ...texts.map((message) => ({ rule: "rounded", rows: 0, line: 1, message }))];
  return all.length > 0 ? { warnings: all } : {};
}

/** What the parsing of a file found beside its rows. */
type Parsed = Pick<FileParser, "columns" | "counts" | "fieldNames" | "present" | "doubtful" | "reader" | "totalDoubts">;

/**
 * The format's name and options of an opened file, as summaries and previews show them, and what is doubtful
 * in it. Without a `job` its columns are not compared with those of its table.
 */
export function describe(
  { format, options, confidence, evidence, doubts }: OpenedFile,
  parsed: Parsed | undefined,
  job: Pick<ReadJob, "contract" | "known"> | undefined,
): Pick<ParseSummary, "doubts" | "stops"> & { format: string; dialect: DetectedOptions } {
  const { ending, skippedRows = 0 } = parsed?.reader ?? {};
  const all = [...doubts, ...(ending?.doubts ?? []), ...(parsed && job ? columnDoubts(parsed, job, options) : [])];
  const findings = [...evidence, ...(ending?.evidence ?? [])];
  const stops = parsed && job ? parsed.totalDoubts : [];
  return {
    format: format.name,
    dialect: {
      ...options,
      ...ending?.options,
      confidence: findings.reduce((least, finding) => Math.min(least, finding.confidence), confidence),
      ...(findings.length > 0 ? { evidence: findings } : {}),
      ...(skippedRows > 0 ? { skippedRows } : {}),
    },
    ...(all.length > 0 ? { doubts: all } : {}),
    ...(stops.length > 0 ? { stops } : {}),
  };
}

/** What is doubtful in the file's columns. A file without a loaded row changes none. */
function columnDoubts(
  { columns, counts, fieldNames, present, doubtful: { shared, thousands } }: Parsed,
  { contract, known = [] }: Pick<ReadJob, "contract" | "known">,
  options: FormatOptions,
): Doubt[] {
  if (counts.rowsAccepted === 0) return [];
  const renamed = renameDoubt({ contract, known, columns, present, fixedFields: fieldNames === undefined });
  return [sharedDoubt(shared), renamed, thousandsDoubt(thousands, options)].filter((doubt) => doubt !== undefined);
}

/** Why numbers may be a thousand times what they read as. */
function thousandsDoubt(possible: PossibleThousands, { delimiter }: FormatOptions): Doubt | undefined {
  const { columns } = possible;
  const [first, comma] = [columns[0], decimalCommas(possible, delimiter)[0]];
  if (first === undefined || !mayHaveCommas(possible, delimiter)) return undefined;
  const others = columns.length > 1 ? ` and ${columns.length - 1} more` : "";
  const sign = comma === undefined ? "the fields are separated by semicolons" : `'${comma}' has decimal commas`;
  const evidence =
    `all points in the column '${first}'${others} have three digits behind them, and ${sign}: ` +
    "they may separate thousands";
  return { reason: "numbers_unsure", evidence };
}

function retypeOf(parser: FileParser, { observe, contract }: ParseJob): ParseOutput {
  const { fieldNames: fields, plan, counts } = parser;
  const columns = observedColumns(plan, contract);
  const observed = observe ? { observed: { columns, rowsRead: counts.rowsRead } } : {};
  return { kind: "retype", types: typesFound(allColumns(plan)), ...(fields ? { fields } : {}), ...observed };
}
