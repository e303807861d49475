import { evolve, widens, type ColumnDefinition, type ColumnType } from "../columns.ts";
import { contractSchema, type Contract } from "../contract/contract.ts";
import { TributaryError, type ErrorCode } from "../errors.ts";
import type { Reject } from "../messages/generated.ts";
import type { Doubt, FileFormat, FormatRequest, PinnedFormat, Row } from "../formats/format.ts";
import { collectTexts } from "../proposals/field-texts.ts";
import { mayHaveCommas } from "../typing/thousands.ts";
import { isEmptyPatch, joined, patched, patchText } from "../proposals/patch.ts";
import { isWhole, proposalsFor, type ContractPatch, type Proposal } from "../proposals/propose.ts";
import { showRows, type ShownValue } from "../rows/show.ts";
import { textBlocks, type TextBlock } from "../text/text-blocks.ts";
import type { FileParserOptions } from "./file-parser-options.ts";
import { FileParser } from "./file-parser.ts";
import { roundedTexts } from "./columns/doubtful.ts";
import { loadFinding } from "./output/load-planner.ts";
import type { ParseCounts, ParserOutput } from "./row-batches.ts";
import { DEFAULT_LIMITS, type ParseLimits } from "./limits.ts";
import { openFile, openReader, textOptionsOf, type OpenedFile, type ReadJob } from "./open-file.ts";
import { describe, type DetectedOptions, type ParseSummary } from "./parse-file.ts";
import { allColumns, typesFound, type UntypedColumn } from "./plan.ts";
import { renamedColumns, type LooksRenamed } from "./renames.ts";

export interface PreviewOptions {
  fileName: string;
  contract: Contract;
  /** The table's columns so far; empty or absent for a new table. */
  known?: readonly ColumnDefinition[];
  /** How the table's first file was written. */
  pinned?: PinnedFormat;
  requested?: FormatRequest;
  /** Maximum of rows and rejects in the answer. Default 20. */
  rowsMax?: number;
  rejectsMax?: number;
  /** Text that is read, in bytes of UTF-8. Default 4 MiB. */
  textBytesMax?: number;
  limits?: Partial<ParseLimits>;
}

export interface PreviewColumn extends ColumnDefinition {
  /** A few different values from the rows shown. */
  samples: ShownValue[];
}

/** How loading the file would change the table. */
export interface TableDiff {
  added: { name: string; type: ColumnType }[];
  widened: { name: string; from: ColumnType; to: ColumnType }[];
  /** Columns of the table that the file lacks: they would be NULL. */
  missing: string[];
  /**
   * Columns with invalid values; `example` is the message of the first. Also columns of a type that the table
   * cannot take, with both types as the example: the file would fail.
   */
  conflicting: { name: string; type: ColumnType; rejects: number; example: string }[];
}

export interface Preview extends ParseCounts {
  /** The format's name and options; absent if no format fits. */
  format?: string;
  dialect?: DetectedOptions;
  /** Why the dialect may be wrong; absent: no doubt. */
  doubts?: readonly Doubt[];
  /** As ParseSummary.stops. */
  stops?: ParseSummary["stops"];
  columns: PreviewColumn[];
  /** New columns without a value: the table gets them with the first file that has one. */
  untyped: UntypedColumn[];
  diff: TableDiff;
  /** New columns that look like columns that the file lacks. They stay new: the owner decides. */
  renamed: LooksRenamed[];
  rows: ShownValue[][];
  rejects: Reject[];
  /** What is loaded otherwise than it is written, e.g. rounded digits. */
  notes: string[];
  /** What the contract could say so that more of the file is typed. Nothing is applied. */
  proposals: Proposal[];
  /** The proposals that are certain, in one, and what would load with them; null: none is. */
  patch: ProposedPatch | null;
  /** True if the whole file was read; else only its first `textBytes`. */
  complete: boolean;
  textBytes: number;
  /** Why the whole file would fail. */
  error?: { code: ErrorCode; message: string };
}

/**
 * Shows how a file would be loaded, without any effect: format, types, the change to its table, first rows
 * and rejects. Reads at most `textBytesMax` of text, keeps no more in memory and leaves the rest of `body`
 * unread. Faults of the file are part of the answer.
 * @throws only what the body throws
 */
export async function previewFile(
  body: AsyncIterable<Uint8Array>,
  options: PreviewOptions,
  formats?: readonly FileFormat[],
): Promise<Preview> {
  const { fileName, contract, requested = {}, pinned, known = [], rowsMax = 20, rejectsMax = 20 } = options;
  const limits = {
    ...DEFAULT_LIMITS,
    encodedBytesMax: ENCODED_BYTES_MAX,
    rawBytesMax: RAW_BYTES_MAX,
    ...options.limits,
  };
  const job = { fileName, contract, requested, limits, known, ...(pinned ? { pinned } : {}) };
  const blocks: TextBlock[] = [];
  let file: OpenedFile | undefined;
  let texts: TextBlock[] = [];
  let parsed: Parsed | undefined;
  let error: Preview["error"];
  try {
    await readBlocks(body, job, options.textBytesMax ?? TEXT_BYTES_MAX, blocks);
    file = openFile(blocks[0]!, job, formats);
    const first = { ...blocks[0]!, bytes: file.text };
    texts = [first, ...blocks.slice(1)];
    parsed = parseBlocks(texts, { ...job, file });
    error = parsed.error;
  } catch (thrown) {
    error = errorOf(thrown);
  }
  const { outputs = [], columns = [], counts = NO_ROWS } = parsed ?? {};
  const complete = isWholeIn(blocks) && parsed?.cut !== true;
  // As in the committer: a file without a loaded row changes no columns of a table that exists.
  const changes = error === undefined && (known.length === 0 || counts.rowsAccepted > 0 || !complete);
  const change = evolutionOf(contract.table, known, changes ? columns : []);
  error ??= change.error;
  const rows = shownRows(outputs, Math.min(rowsMax, Math.ceil(CELLS_MAX / Math.max(1, columns.length))));
  const rejects = outputs.flatMap((output) => (output.kind === "rejects" ? output.rejects : []));
  const present = new Set(parsed?.present.keys());
  const proposed =
    parsed && file ? propose({ parsed, rejects, blocks: texts, job: { ...job, file }, file }) : NOTHING_PROPOSED;
  const isShort = blocks[0]?.last ?? true;
  const loads = file && parsed ? loadFinding(file, parsed, contract, isShort) : [];
  return {
    ...(file ? describe({ ...file, evidence: [...file.evidence, ...loads] }, parsed, error ? undefined : job) : {}),
    ...counts,
    columns: columns.map((column, index) => ({ ...column, samples: samplesOf(rows, index) })),
    untyped: parsed?.untyped ?? [],
    diff: { ...change.diff, ...diffOf(known, columns, present, rejects) },
    renamed: renamedIn(known, columns, present),
    rows,
    rejects: rejects.slice(0, rejectsMax),
    notes: parsed ? roundedTexts(parsed.doubtful) : [],
    ...proposed,
    complete,
    textBytes: blocks.reduce((sum, { bytes }) => sum + bytes.length, 0),
    ...(error ? { error } : {}),
  };
}

/** A patch to a contract, and what the part of the file that was read would then give. */
export interface ProposedPatch extends Pick<ParseCounts, "rowsAccepted" | "rowsRejected"> {
  contract: ContractPatch;
  /** The patch as text of a contract file. */
  yaml: string;
  /** The columns that the part of the file would then have. */
  columns: ColumnDefinition[];
  /** The table has such a column as text: it must be rebuilt for the patch to count. */
  needsRebuild: boolean;
}

const NOTHING_PROPOSED = { proposals: [], patch: null };

interface ProposalInput {
  parsed: Parsed;
  rejects: readonly Reject[];
  blocks: readonly TextBlock[];
  job: ParserOptions;
  file: OpenedFile;
}

/** Looks at the columns that are text though no one said so, and at those with values that do not fit. */
function propose({ parsed, rejects, blocks, job, file }: ProposalInput): Pick<Preview, "proposals" | "patch"> {
  const { contract, known, limits } = job;
  const types = new Map([...known, ...contract.columns].map(({ name, type }) => [name, type]));
  const declared = new Set(contract.columns.map(({ name }) => name));
  const misfits = new Set(rejects.flatMap(({ reason, column }) => (reason === "type_mismatch" ? (column ?? []) : [])));
  const { thousands: possible } = parsed.doubtful;
  const thousands = new Set(mayHaveCommas(possible, file.options["delimiter"]) ? possible.columns : []);
  const looked = parsed.columns.filter(
    ({ name, type }) => misfits.has(name) || thousands.has(name) || (type === "VARCHAR" && !declared.has(name)),
  );
  const fields = new Map(
    looked.flatMap(({ name }) => {
      const field = parsed.present.get(name);
      return field === undefined ? [] : [[name, field] as const];
    }),
  );
  if (fields.size === 0) return NOTHING_PROPOSED;
  const reading = { limits, fields: job.fields, toEnd: isWholeIn(blocks) };
  const open = (onRow: (row: Row) => void) => openReader(file, reading, { onFields: () => undefined, onRow });
  const proposals = proposalsFor(
    collectTexts(
      fields,
      blocks.map(({ bytes }) => bytes),
      open,
    ),
    thousands,
  ).map((proposal) => withTypes(proposal, types));
  const certain = proposals.filter(isWhole);
  const whole = joined(certain.map(({ patch }) => patch));
  // What is read in doubt may be other values.
  if (isEmptyPatch(whole) || file.doubts.length > 0) return { proposals, patch: null };
  const { data: next } = contractSchema.safeParse(patched({ ...contract, table: "preview" }, whole));
  if (!next) return { proposals, patch: null };
  const fresh = parseBlocks(blocks, { ...job, contract: next, known: [] });
  const affected = new Set(certain.flatMap((proposal) => proposal.columns));
  const asText = new Set(known.flatMap(({ name, type }) => (type === "VARCHAR" && affected.has(name) ? [name] : [])));
  const needsRebuild = fresh.columns.some(({ name, type }) => type !== "VARCHAR" && asText.has(name));
  const isFresh = needsRebuild || known.length === 0;
  const { counts, columns } = isFresh ? fresh : parseBlocks(blocks, { ...job, contract: next });
  const { rowsAccepted, rowsRejected } = counts;
  const yaml = patchText(whole);
  return { proposals, patch: { contract: whole, yaml, columns, rowsAccepted, rowsRejected, needsRebuild } };
}

/** A column keeps the type that the contract or the table gives it, unless that is text. */
function withTypes(proposal: Proposal, types: ReadonlyMap<string, ColumnType>): Proposal {
  const typed = (patch: ContractPatch): ContractPatch => ({
    ...patch,
    ...(patch.columns
      ? {
          columns: patch.columns.map((column) => {
            const type = types.get(column.name);
            return type === undefined || type === "VARCHAR" ? column : { ...column, type };
          }),
        }
      : {}),
  });
  return { ...proposal, patch: typed(proposal.patch), alternatives: proposal.alternatives.map(typed) };
}

const NO_ROWS: ParseCounts = { rowsRead: 0, rowsAccepted: 0, rowsRejected: 0 };
const TEXT_BYTES_MAX = 4 * 1024 * 1024;
/** Values in the answer: it is sent as one piece of JSON. */
const CELLS_MAX = 50_000;
/** Text of a reject. The answer holds several. */
const RAW_BYTES_MAX = 64 * 1024;
/** Encoded rows. Beyond, the preview ends: a row of a wide table takes many times its text, and its time. */
const ENCODED_BYTES_MAX = 8 * 1024 * 1024;

function shownRows(outputs: readonly ParserOutput[], rowsMax: number): ShownValue[][] {
  const rows: ShownValue[][] = [];
  for (const output of outputs) {
    if (rows.length >= rowsMax) break;
    if (output.kind === "rows") rows.push(...showRows(output.batch, rowsMax - rows.length));
  }
  return rows;
}

async function readBlocks(
  body: AsyncIterable<Uint8Array>,
  job: ReadJob,
  textBytesMax: number,
  blocks: TextBlock[],
): Promise<void> {
  let length = 0;
  for await (const block of textBlocks(body, textOptionsOf(job))) {
    blocks.push(block);
    length += block.bytes.length;
    if (length >= textBytesMax) return;
  }
}

interface Parsed {
  outputs: ParserOutput[];
  columns: ColumnDefinition[];
  /** By name of a column that the file has: its field. */
  present: ReadonlyMap<string, number>;
  /** As FileParser.fieldNames. */
  fieldNames: readonly string[] | undefined;
  untyped: UntypedColumn[];
  doubtful: FileParser["doubtful"];
  totalDoubts: FileParser["totalDoubts"];
  reader: FileParser["reader"];
  plan: FileParser["plan"];
  /** As RecordReader.irregularity. */
  irregularity: string | undefined;
  counts: ParseCounts;
  /** True if the text's end was not parsed, because of ENCODED_BYTES_MAX. */
  cut: boolean;
  error?: { code: ErrorCode; message: string };
}

type ParserOptions = Omit<FileParserOptions, "origin">;

const NO_ORIGIN = { sourceFile: "", sourceOffset: 0, receivedAtMs: 0 };

const isWholeIn = (blocks: readonly TextBlock[]): boolean => blocks.at(-1)?.last ?? false;

/** Parses the blocks; a second time if an inferred type does not hold. */
function parseBlocks(blocks: readonly TextBlock[], options: ParserOptions): Parsed {
  const parser = new FileParser({ ...options, readsToEnd: isWholeIn(blocks), origin: NO_ORIGIN });
  const outputs: ParserOutput[] = [];
  let error: Parsed["error"];
  try {
    blocks.forEach(({ bytes, last }, index) => {
      if (index === 0) parser.begin(bytes, last);
      parser.push(bytes, last);
    });
  } catch (thrown) {
    if (!parser.outputIsFull) error = errorOf(thrown);
  }
  if (parser.retyping && !options.inferred) {
    const { fieldNames: fields } = parser;
    return parseBlocks(blocks, {
      ...options,
      inferred: typesFound(allColumns(parser.plan)),
      ...(fields ? { fields } : {}),
    });
  }
  if (!parser.outputIsFull) flushQuietly(parser);
  outputs.push(...parser.take());
  const { columns, counts, present, fieldNames, plan, doubtful, reader, totalDoubts } = parser;
  const untyped = plan?.untyped.map(({ name, header }) => ({ name, header })) ?? [];
  const { irregularity } = reader;
  const found = { outputs, columns, present, fieldNames, untyped, doubtful, reader, totalDoubts, counts, plan };
  return { ...found, irregularity, cut: parser.outputIsFull, ...(error ? { error } : {}) };
}

/** Completes the last batches; one that exceeds the limit is left out. */
function flushQuietly(parser: FileParser): void {
  try {
    parser.flush();
  } catch (thrown) {
    if (!parser.outputIsFull) throw thrown;
  }
}

function errorOf(thrown: unknown): { code: ErrorCode; message: string } {
  if (!(thrown instanceof TributaryError) || thrown.retryable) throw thrown;
  return { code: thrown.code, message: thrown.message };
}

const SAMPLES_MAX = 3;

function samplesOf(rows: readonly ShownValue[][], column: number): ShownValue[] {
  const values = rows.map((row) => row[column]!).filter((value) => value !== null && value !== undefined);
  return [...new Set(values)].slice(0, SAMPLES_MAX);
}

/** The change that the committer would make, by its own rule, or its error for the file. */
function evolutionOf(
  table: string,
  known: readonly ColumnDefinition[],
  columns: readonly ColumnDefinition[],
): { diff: Pick<TableDiff, "added" | "widened">; error?: Preview["error"] } {
  try {
    const { added, widened } = evolve(table, known, columns);
    const before = new Map(known.map(({ name, type }) => [name, type]));
    return {
      diff: {
        added: added.map(({ name, type }) => ({ name, type })),
        widened: widened.map(({ name, type }) => ({ name, from: before.get(name)!, to: type })),
      },
    };
  } catch (thrown) {
    return { diff: { added: [], widened: [] }, error: errorOf(thrown) };
  }
}

function renamedIn(
  known: readonly ColumnDefinition[],
  columns: readonly ColumnDefinition[],
  present: ReadonlySet<string>,
): LooksRenamed[] {
  const names = new Set(known.map(({ name }) => name));
  const fresh = columns.filter(({ name }) => present.has(name) && !names.has(name));
  return renamedColumns(
    fresh,
    known.filter(({ name }) => !present.has(name)),
  );
}

function diffOf(
  known: readonly ColumnDefinition[],
  columns: readonly ColumnDefinition[],
  present: ReadonlySet<string>,
  rejects: readonly Reject[],
): Pick<TableDiff, "missing" | "conflicting"> {
  const faults = new Map<string, Reject[]>();
  for (const reject of rejects) {
    if (reject.column === null || reject.reason === "required") continue;
    const own = faults.get(reject.column);
    if (own) own.push(reject);
    else faults.set(reject.column, [reject]);
  }
  const before = new Map(known.map(({ name, type }) => [name, type]));
  return {
    missing: columns.length === 0 ? [] : known.map(({ name }) => name).filter((name) => !present.has(name)),
    conflicting: columns.flatMap(({ name, type }) => {
      const own = faults.get(name);
      const held = before.get(name) ?? type;
      if (!widens(held, type) && !widens(type, held)) {
        return [{ name, type, rejects: own?.length ?? 0, example: `the table has ${held}, the file ${type}` }];
      }
      return own ? [{ name, type, rejects: own.length, example: own[0]!.message }] : [];
    }),
  };
}
