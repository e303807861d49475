import type { ColumnDefinition, ColumnType } from "../columns.ts";
import type { Contract } from "../contract/contract.ts";
import { TributaryError } from "../errors.ts";
import type { Reject } from "../messages/generated.ts";
import { cast, CAST, FAMILY, setType } from "../typing/cast.ts";
import type { Dialect } from "../formats/csv/dialect.ts";
import { RowEncoder, writerSchemaOf, type RowOrigin } from "../rows/encode.ts";
import { observe, typeOf } from "../typing/infer.ts";
import type { CsvLimits } from "./limits.ts";
import { definitionsOf, planColumns, type Plan, type PlannedColumn } from "./plan.ts";
import { RecordReader, type Row } from "../formats/csv/records.ts";
import { RejectCollector, rowMessage, valueMessage, type RejectReason } from "./rejects.ts";
import { classify, newScan } from "../typing/scan.ts";

/** Everything about one file that decides what comes of it. */
export interface FileParserOptions {
  dialect: Dialect;
  /** Line on which the text begins that is handed in. */
  firstLine: number;
  contract: Contract;
  /** The table's columns so far. */
  known: readonly ColumnDefinition[];
  /** Types of new columns that an earlier reading of the whole file found. */
  inferred?: Readonly<Record<string, ColumnType>>;
  origin: RowOrigin;
  limits: CsvLimits;
}

/** A run of accepted rows. */
export interface EncodedRows {
  /** Ordinal of the first among the file's accepted rows, from 0. */
  firstRow: number;
  rowCount: number;
  /** Avro schema of one row, JSON. */
  writerSchema: string;
  rows: Buffer;
}

export interface ParseCounts {
  rowsRead: number;
  rowsAccepted: number;
  rowsRejected: number;
}

export type ParserOutput = { kind: "rows"; batch: EncodedRows } | { kind: "rejects"; rejects: Reject[] };

/** Envelope of a row message, without its file name, schema and rows. */
const ENVELOPE_BYTES = 4 * 1024;

/**
 * Turns a file's text into encoded rows and rejects, block by block. New columns get their types from the first block; every later
 * value is verified, and one that such a type cannot hold makes the parser stop encoding and only gather facts (`retyping`): the
 * file is to be read again with `settledTypes`. Bad rows are values; what is thrown ends the file.
 */
export class FileParser {
  readonly #options: FileParserOptions;
  readonly #reader: RecordReader;
  readonly #scan = newScan();
  readonly #encoder: RowEncoder;
  readonly #rejects: RejectCollector;
  #plan: Plan | undefined;
  #headerSeen = false;
  #retyping = false;
  #outputs: ParserOutput[] = [];
  #rowsInBatch = 0;
  #batchBytesMax = 0;
  #rowBytesMax = 0;
  #rescued: Record<string, string> | undefined;
  readonly counts: ParseCounts = { rowsRead: 0, rowsAccepted: 0, rowsRejected: 0 };

  constructor(options: FileParserOptions) {
    const { origin, limits } = options;
    this.#options = options;
    this.#reader = this.#newReader((row) => this.#takeRow(row));
    this.#encoder = new RowEncoder(origin, Math.ceil(limits.batchBytesMax * 1.25));
    this.#rejects = new RejectCollector(limits, (rejects) => this.#outputs.push({ kind: "rejects", rejects }));
  }

  /** A value did not fit a new column's type: rows are only looked at from here on, and those encoded are void. */
  get retyping(): boolean {
    return this.#retyping;
  }

  /** The table's columns after what has been read; none before the header. */
  get columns(): ColumnDefinition[] {
    return this.#plan ? definitionsOf(this.#plan.columns) : [];
  }

  /** Names of the columns that the file itself has. */
  get present(): ReadonlySet<string> {
    return new Set(this.#plan?.columns.filter(({ field }) => field >= 0).map(({ name }) => name));
  }

  get rejectsByReason(): Readonly<Partial<Record<RejectReason, number>>> {
    return this.#rejects.byReason;
  }

  /** The types of this file's new columns that hold all values seen so far. */
  inferredTypes(): Record<string, ColumnType> {
    const fresh = this.#plan?.columns.filter((column) => column.fresh) ?? [];
    return Object.fromEntries(
      fresh.map((column) => [column.name, column.authority === "inferred" ? typeOf(column.facts) : column.type]),
    );
  }

  /** The file's first block, from which new columns are typed. */
  begin(block: Buffer, last: boolean): void {
    this.#inferFrom(block, last);
    this.push(block, last);
  }

  /**
   * @throws FILE_HEADER_TOO_LONG, FILE_TOO_MANY_COLUMNS, FILE_QUOTE_NOT_CLOSED, FILE_ROW_TOO_LONG, FILE_EMPTY, HEADER_COLUMN_…,
   * FILE_VALUE_MISMATCH, REJECTS_ABOVE_THRESHOLD
   */
  push(block: Buffer, last: boolean): void {
    this.#reader.push(block);
    if (last) this.#end();
  }

  /** Gives out what is held back for a fuller batch. For a file that failed, or of which no more is wanted. */
  flush(): void {
    if (this.#plan && !this.#retyping) this.#flushRows(this.#plan.columns);
    this.#rejects.flush();
  }

  /** What has come of the blocks so far; each output is given out once. */
  take(): ParserOutput[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  #newReader(onRow: (row: Row) => void): RecordReader {
    const { dialect, firstLine, limits } = this.#options;
    return new RecordReader({
      dialect,
      firstLine,
      limits,
      fieldsMax: limits.columnsMax + 1,
      header: dialect.header,
      onRow,
    });
  }

  /** Reads the first block once ahead, for the header and the types of new columns. */
  #inferFrom(block: Buffer, last: boolean): void {
    const { dialect, contract } = this.#options;
    let rows = 0;
    const reader = this.#newReader((row) => {
      if (!this.#plan) {
        this.#plan = this.#planFrom(row);
        if (dialect.header) return;
      }
      if (++rows <= (contract.inferenceSampleRows ?? Infinity)) this.#observeRow(row, this.#plan);
    });
    reader.push(block);
    if (last) reader.end();
    for (const column of this.#plan?.columns ?? []) {
      if (column.authority !== "inferred") continue;
      setType(column, typeOf(column.facts));
      if (column.type === "VARCHAR" && column.facts.kinds !== 0) column.authority = "known";
    }
  }

  #planFrom(row: Row): Plan {
    const { dialect, contract, known, inferred, limits, origin } = this.#options;
    if (row.count > limits.columnsMax) {
      throw new TributaryError("FILE_TOO_MANY_COLUMNS", `${row.count} columns; the limit is ${limits.columnsMax}`);
    }
    if (row.fault && dialect.header) throw headerFault(row);
    const header = dialect.header ? textsOf(row).map((text) => text.trim().slice(0, HEADER_LENGTH_MAX)) : undefined;
    const plan = planColumns({ header, fieldCount: row.count, contract, known, ...(inferred ? { inferred } : {}) });
    if (plan.columns.length > limits.columnsMax) {
      const sum = `the table would have ${plan.columns.length} columns`;
      throw new TributaryError("FILE_TOO_MANY_COLUMNS", `${sum}; the limit is ${limits.columnsMax}`);
    }
    const schemaBytes = Buffer.byteLength(writerSchemaOf(definitionsOf(plan.columns))) + 16 * plan.columns.length;
    this.#rowBytesMax = limits.messageBytesMax - ENVELOPE_BYTES - Buffer.byteLength(origin.sourceFile) - schemaBytes;
    this.#batchBytesMax = Math.min(limits.batchBytesMax, this.#rowBytesMax);
    return plan;
  }

  #observeRow(row: Row, plan: Plan): void {
    if (row.fault || row.count > plan.fieldCount) return;
    if (row.count < plan.fieldCount && this.#options.contract.raggedRows === "reject") return;
    for (const column of plan.columns) {
      if (column.authority !== "inferred" || column.field >= row.count) continue;
      const [start, end] = [row.bounds[2 * column.field]!, row.bounds[2 * column.field + 1]!];
      if (isNullMarker(plan.nullMarkers, row.bytes, start, end)) continue;
      observe(column.facts, classify(row.bytes, start, end, this.#scan), this.#scan, row.bytes);
    }
  }

  #takeRow(row: Row): void {
    const plan = (this.#plan ??= this.#planFrom(row));
    if (!this.#headerSeen) {
      this.#headerSeen = true;
      if (this.#options.dialect.header) return;
    }
    const ordinal = ++this.counts.rowsRead;
    if (ordinal - 1 === this.#options.contract.inferenceSampleRows) this.#stopInferring(plan);
    if (this.#retyping) return this.#observeRow(row, plan);
    if (row.fault) return this.#reject(row, row.fault, undefined);
    if (row.count > plan.fieldCount) return this.#reject(row, "too_many_fields", undefined);
    if (row.count < plan.fieldCount && this.#options.contract.raggedRows === "reject") {
      return this.#reject(row, "too_few_fields", undefined);
    }
    this.#encodeRow(row, ordinal, plan);
  }

  /** The contract's sample is over: what does not fit from here on goes by `onMismatch`. */
  #stopInferring(plan: Plan): void {
    for (const column of plan.columns) {
      if (column.authority !== "inferred") continue;
      if (this.#retyping) setType(column, typeOf(column.facts));
      column.authority = "known";
    }
  }

  #encodeRow(row: Row, ordinal: number, plan: Plan): void {
    const { columns } = plan;
    const encoder = this.#encoder;
    encoder.reserve(encoder.rowBytesMax(row.bounds[2 * row.count - 1]! - row.bounds[0]!, columns.length));
    this.#rescued = undefined;
    for (let index = 0; index < columns.length; index++) {
      if (index === plan.rescued) {
        this.#writeRescued();
        continue;
      }
      const column = columns[index]!;
      const code = this.#encodeValue(column, row, plan);
      if (code <= CAST.NULL) continue;
      if (this.#tolerates(column, code, row)) continue;
      encoder.rewind();
      return this.#giveUpRow(row, plan, index, code);
    }
    encoder.endRow(ordinal);
    this.#keepRow(row, columns);
  }

  /** Writes one value, or says why not (a CAST code above NULL; NULL itself where the column may not be empty: REQUIRED). */
  #encodeValue(column: PlannedColumn, row: Row, plan: Plan): number {
    const { field } = column;
    const encoder = this.#encoder;
    let code: number = CAST.NULL;
    if (field >= 0 && field < row.count) {
      const start = row.bounds[2 * field]!;
      const end = row.bounds[2 * field + 1]!;
      if (plan.nullMarkers.length === 0 || !isNullMarker(plan.nullMarkers, row.bytes, start, end)) {
        code = cast(column, row.bytes, start, end, this.#scan);
      }
      if (code === CAST.OK) {
        if (column.family === FAMILY.VARCHAR) encoder.writeText(row.bytes, start, end);
        else encoder.writeValue(column, row.bytes, this.#scan);
        return code;
      }
    }
    if (code !== CAST.NULL) return code;
    if (column.required) return REQUIRED;
    encoder.writeNull();
    return code;
  }

  /** Rescues a misfit value, if the contract wants that and the column may be empty; fails the file if it wants that. */
  #tolerates(column: PlannedColumn, code: number, row: Row): boolean {
    const { onMismatch } = this.#options.contract;
    if (code === CAST.RETYPE || code === REQUIRED || onMismatch === "reject") return false;
    const text = textOf(row, column.field);
    if (onMismatch === "fail") {
      throw new TributaryError(
        "FILE_VALUE_MISMATCH",
        `line ${row.line}: ${valueMessage(REASONS[code]!, column, text)}`,
      );
    }
    if (column.required) return false;
    (this.#rescued ??= {})[column.name] = text;
    this.#encoder.writeNull();
    return true;
  }

  #writeRescued(): void {
    if (!this.#rescued) return this.#encoder.writeNull();
    const json = Buffer.from(JSON.stringify(this.#rescued));
    this.#encoder.reserve(json.length + this.#encoder.rowBytesMax(0, 1));
    this.#encoder.writeText(json, 0, json.length);
  }

  /** The row will not be in the table, or not yet. */
  #giveUpRow(row: Row, plan: Plan, index: number, code: number): void {
    // Types must not depend on which column of a row is looked at first: the row's other new values count all the same.
    const scan = this.#scan;
    const misfit = plan.columns.some((column, other) => {
      if (column.authority !== "inferred" || other < index || column.field >= row.count) return false;
      const [start, end] = [row.bounds[2 * column.field]!, row.bounds[2 * column.field + 1]!];
      if (isNullMarker(plan.nullMarkers, row.bytes, start, end)) return false;
      return cast(column, row.bytes, start, end, scan) === CAST.RETYPE;
    });
    if (code === CAST.RETYPE || misfit) return this.#beginRetyping(row, plan);
    this.#reject(row, REASONS[code]!, plan.columns[index]);
  }

  /** Rows that have not been handed out are void, and do not count; rejects stay, for a file that fails before its second reading. */
  #beginRetyping(row: Row, plan: Plan): void {
    this.#retyping = true;
    this.#flushRows(plan.columns);
    for (const output of this.#outputs) if (output.kind === "rows") this.counts.rowsAccepted -= output.batch.rowCount;
    this.#outputs = this.#outputs.filter(({ kind }) => kind === "rejects");
    this.#observeRow(row, plan);
  }

  #keepRow(row: Row, columns: readonly PlannedColumn[]): void {
    const encoder = this.#encoder;
    const { rowBytes } = encoder;
    if (rowBytes > this.#rowBytesMax) {
      encoder.rewind();
      return this.#reject(row, "row_too_large", undefined);
    }
    if (encoder.sizeBytes + rowBytes > this.#batchBytesMax) this.#flushRows(columns);
    encoder.keepRow();
    this.#rowsInBatch++;
    this.counts.rowsAccepted++;
  }

  #flushRows(columns: readonly PlannedColumn[]): void {
    if (this.#rowsInBatch === 0) return;
    const batch: EncodedRows = {
      firstRow: this.counts.rowsAccepted - this.#rowsInBatch,
      rowCount: this.#rowsInBatch,
      writerSchema: writerSchemaOf(definitionsOf(columns)),
      rows: this.#encoder.take(),
    };
    this.#rowsInBatch = 0;
    this.#outputs.push({ kind: "rows", batch });
  }

  #reject(row: Row, reason: RejectReason, column: PlannedColumn | undefined): void {
    const { countMax = Infinity } = this.#options.contract.rejects;
    const message = column
      ? valueMessage(reason, column, textOf(row, column.field))
      : rowMessage(reason, row.count, this.#plan!.fieldCount);
    this.counts.rowsRejected++;
    this.#rejects.add(row, this.counts.rowsRead, { reason, column: column?.name ?? null, message });
    if (this.counts.rowsRejected <= countMax) return;
    throw new TributaryError(
      "REJECTS_ABOVE_THRESHOLD",
      `more than ${countMax} rows are rejected; the last on line ${row.line}: ${message}`,
    );
  }

  #end(): void {
    this.#reader.end();
    if (!this.#plan) throw new TributaryError("FILE_EMPTY", "the file has no header and no rows");
    if (this.#retyping) return;
    this.flush();
    const { rowsRead, rowsRejected } = this.counts;
    const { shareMax } = this.#options.contract.rejects;
    if (shareMax !== undefined && rowsRejected > shareMax * rowsRead) {
      throw new TributaryError(
        "REJECTS_ABOVE_THRESHOLD",
        `${rowsRejected} of ${rowsRead} rows are rejected; the contract allows a share of ${shareMax}`,
      );
    }
  }
}

const headerFault = ({ fault, line }: Row): TributaryError =>
  fault === "quote_not_closed"
    ? new TributaryError("FILE_QUOTE_NOT_CLOSED", `a quote opens in the header (line ${line}) that is not closed`)
    : new TributaryError("FILE_ENCODING_UNKNOWN", `the header cannot be read: ${fault?.replaceAll("_", " ")}`);

/** Of a header no more is kept (and compared): a table's headers travel together in one message. */
const HEADER_LENGTH_MAX = 256;

/** Beyond the CAST codes: an empty field that may not be. */
const REQUIRED = 5;

const REASONS: Record<number, RejectReason> = {
  [CAST.MISMATCH]: "type_mismatch",
  [CAST.OUT_OF_RANGE]: "out_of_range",
  [REQUIRED]: "required",
};

function isNullMarker(markers: readonly Buffer[], bytes: Uint8Array, start: number, end: number): boolean {
  for (const marker of markers) {
    if (marker.length === end - start && marker.compare(bytes, start, end) === 0) return true;
  }
  return false;
}

const textOf = (row: Row, field: number): string => {
  if (field < 0 || field >= row.count) return "";
  const [start, end] = [row.bounds[2 * field]!, row.bounds[2 * field + 1]!];
  return Buffer.from(row.bytes.buffer, row.bytes.byteOffset + start, end - start).toString("utf8");
};

const textsOf = (row: Row): string[] => Array.from({ length: row.count }, (_, field) => textOf(row, field));
