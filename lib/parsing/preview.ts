import type { ColumnDefinition, ColumnType } from "../columns.ts";
import type { Contract, DialectOverride } from "../contract/contract.ts";
import { TributaryError, type ErrorCode } from "../errors.ts";
import type { Reject } from "../messages/generated.ts";
import { showRows, type ShownValue } from "../rows/decode.ts";
import type { DetectedDialect, Dialect } from "../formats/csv/dialect.ts";
import { FileParser, type ParseCounts, type ParserOutput } from "./file-parser.ts";
import { DEFAULT_LIMITS, type CsvLimits } from "./limits.ts";
import { beginningOf } from "./parse-file.ts";
import { textBlocks, type TextBlock } from "../text/text-blocks.ts";

export interface PreviewOptions {
  fileName: string;
  contract: Contract;
  /** The table's columns so far; empty or absent for a new table. */
  known?: readonly ColumnDefinition[];
  /** The dialect pinned by the table's first file. */
  pinned?: Dialect;
  requested?: DialectOverride;
  /** Rows and rejects shown. Default 20. */
  rowsMax?: number;
  rejectsMax?: number;
  /** Text looked at, in bytes of UTF-8. Default 4 MiB. */
  textBytesMax?: number;
  limits?: Partial<CsvLimits>;
}

export interface PreviewColumn extends ColumnDefinition {
  /** A few different values from the rows shown. */
  samples: ShownValue[];
}

/** What loading the file would do to the table. */
export interface TableDiff {
  added: { name: string; type: ColumnType }[];
  widened: { name: string; from: ColumnType; to: ColumnType }[];
  /** Columns of the table that the file does not have: they would be NULL. */
  missing: string[];
  /** Columns with values that they cannot hold; `example` says why, for the first of them. */
  conflicting: { name: string; type: ColumnType; rejects: number; example: string }[];
}

export interface Preview extends ParseCounts {
  /** Absent if the file is no text at all. */
  dialect?: DetectedDialect;
  columns: PreviewColumn[];
  diff: TableDiff;
  rows: ShownValue[][];
  rejects: Reject[];
  /** The whole file was looked at; else only the first `textBytes` of its text. */
  complete: boolean;
  textBytes: number;
  /** Why the file as a whole would fail. */
  error?: { code: ErrorCode; message: string };
}

/**
 * What would come of a file, without any effect: dialect, types, the change to its table, first rows and rejects. Reads no more than
 * `textBytesMax` of text and keeps no more in memory; leaves the rest of `body` unread. What is wrong with the file is part of the
 * answer; only what the body itself throws is thrown.
 */
export async function previewFile(body: AsyncIterable<Uint8Array>, options: PreviewOptions): Promise<Preview> {
  const { contract, requested = {}, pinned, known = [], rowsMax = 20, rejectsMax = 20 } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const job = { contract, requested, limits, known, ...(pinned ? { pinned } : {}) };
  const blocks: TextBlock[] = [];
  let dialect: DetectedDialect | undefined;
  let parsed: Parsed | undefined;
  let error: Preview["error"];
  try {
    await readBlocks(body, options, limits, blocks);
    const { firstLine, bytes, ...found } = beginningOf(blocks[0]!, job);
    dialect = found.dialect;
    const first = { ...blocks[0]!, bytes };
    parsed = parseBlocks([first, ...blocks.slice(1)], { ...job, dialect, firstLine });
    error = parsed.error;
  } catch (thrown) {
    error = errorOf(thrown);
  }
  const { outputs = [], columns = [], counts = NO_ROWS } = parsed ?? {};
  const rows = outputs.flatMap((output) =>
    output.kind === "rows" ? showRows(output.batch.rows, output.batch.rowCount, columns, rowsMax) : [],
  );
  const rejects = outputs.flatMap((output) => (output.kind === "rejects" ? output.rejects : []));
  return {
    ...(dialect ? { dialect } : {}),
    ...counts,
    columns: columns.map((column, index) => ({ ...column, samples: samplesOf(rows.slice(0, rowsMax), index) })),
    diff: diffOf(known, columns, parsed?.present ?? new Set(), rejects),
    rows: rows.slice(0, rowsMax),
    rejects: rejects.slice(0, rejectsMax),
    complete: blocks.at(-1)?.last ?? false,
    textBytes: blocks.reduce((sum, { bytes }) => sum + bytes.length, 0),
    ...(error ? { error } : {}),
  };
}

const NO_ROWS: ParseCounts = { rowsRead: 0, rowsAccepted: 0, rowsRejected: 0 };
const TEXT_BYTES_MAX = 4 * 1024 * 1024;

async function readBlocks(
  body: AsyncIterable<Uint8Array>,
  { fileName, requested, contract, pinned, textBytesMax = TEXT_BYTES_MAX }: PreviewOptions,
  limits: CsvLimits,
  blocks: TextBlock[],
): Promise<void> {
  const encoding = requested?.encoding ?? contract.dialect.encoding;
  let length = 0;
  for await (const block of textBlocks(body, { fileName, encoding, pinned: pinned?.encoding, limits })) {
    blocks.push(block);
    length += block.bytes.length;
    if (length >= textBytesMax) return;
  }
}

interface Parsed {
  outputs: ParserOutput[];
  columns: ColumnDefinition[];
  /** Names of the columns that the file has. */
  present: ReadonlySet<string>;
  counts: ParseCounts;
  error?: { code: ErrorCode; message: string };
}

type ParserOptions = Omit<ConstructorParameters<typeof FileParser>[0], "origin">;

/** Parses the blocks, once more if a type turns out wrong. */
function parseBlocks(blocks: readonly TextBlock[], options: ParserOptions): Parsed {
  const parser = new FileParser({ ...options, origin: { sourceFile: "", sourceOffset: 0, receivedAtMs: 0 } });
  const outputs: ParserOutput[] = [];
  let error: Parsed["error"];
  try {
    blocks.forEach(({ bytes, last }, index) => {
      if (index === 0) parser.begin(bytes, last);
      else parser.push(bytes, last);
    });
  } catch (thrown) {
    error = errorOf(thrown);
  }
  if (parser.retyping && !options.inferred)
    return parseBlocks(blocks, { ...options, inferred: parser.inferredTypes() });
  parser.flush();
  outputs.push(...parser.take());
  const { columns, counts, present } = parser;
  return { outputs, columns, present, counts, ...(error ? { error } : {}) };
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

function diffOf(
  known: readonly ColumnDefinition[],
  columns: readonly ColumnDefinition[],
  present: ReadonlySet<string>,
  rejects: readonly Reject[],
): TableDiff {
  const before = new Map(known.map((column) => [column.name, column]));
  const faults = new Map<string, Reject[]>();
  for (const reject of rejects) {
    if (reject.column === null || reject.reason === "required") continue;
    const own = faults.get(reject.column);
    if (own) own.push(reject);
    else faults.set(reject.column, [reject]);
  }
  return {
    added: columns.filter(({ name }) => !before.has(name)).map(({ name, type }) => ({ name, type })),
    widened: columns.flatMap(({ name, type }) => {
      const from = before.get(name)?.type;
      return from !== undefined && from !== type ? [{ name, from, to: type }] : [];
    }),
    missing: columns.length === 0 ? [] : known.map(({ name }) => name).filter((name) => !present.has(name)),
    conflicting: columns.flatMap(({ name, type }) => {
      const own = faults.get(name);
      return own ? [{ name, type, rejects: own.length, example: own[0]!.message }] : [];
    }),
  };
}
