import type { ColumnDefinition } from "../columns.ts";
import type { HeldReason } from "../contract/held.ts";
import { countNoun, TributaryError } from "../errors.ts";
import type { PlainText, RecordFields, RecordHandlers, RecordReader, Row, RowsTaken } from "../formats/format.ts";
import { cast, CAST, FAMILY } from "../typing/cast.ts";
import { newScan } from "../typing/scan.ts";
import type { FileParserOptions } from "./file-parser-options.ts";
import { doubtfulIn, observeBeginnings, type DoubtfulColumns } from "./columns/doubtful.ts";
import { setFirstTypes } from "./columns/first-types.ts";
import { IrregularFile, LoadPlanner, planObstacle, type PlannedRows } from "./output/load-planner.ts";
import { openReader } from "./open-file.ts";
import { isNullMarker } from "../typing/null-markers.ts";
import { controlTotals, type ControlTotals } from "./control-totals.ts";
import { OutputMeter } from "./output/output-limit.ts";
import {
  allColumns,
  changesTypes,
  checkValues,
  definitionsOf,
  endSample,
  hasValueOf,
  isForeign,
  observeValues,
  planColumns,
  setUntypedAside,
  type Plan,
  type PlannedColumn,
} from "./plan.ts";
import {
  checkShare,
  faultOf,
  fieldText,
  REASONS_OF_CODES,
  RejectCollector,
  REQUIRED,
  valueMessage,
  type PlainReason,
  type RejectCounts,
  type RejectFault,
} from "./rejects.ts";
import { RowBatches, writeRescued, type ParseCounts, type ParserOutput } from "./row-batches.ts";
import { brokenRules, refusalOf, rowRules, RuleWarnings, type RowRules, type RuleWarning } from "./row-rules.ts";

/**
 * Turns a file's text into encoded rows and rejects, block by block. New columns get their types from the
 * first block. Every later value is checked; if one does not fit such a type, or a record adds a field, the
 * parser stops encoding and only collects facts (`retyping`). The file must then be read again with
 * `inferredTypes` and `fieldNames`. Bad rows are values; errors end the file.
 */
export class FileParser {
  readonly #options: FileParserOptions;
  #reader: RecordReader | undefined;
  readonly #scan = newScan();
  readonly #batches: RowBatches;
  readonly #rejects: RejectCollector;
  readonly #meter: OutputMeter;
  readonly #warnings = new RuleWarnings();
  #plan: Plan | undefined;
  /** What rows must meet; undefined: the contract has no rules. */
  #rules: RowRules | undefined;
  #totals: ControlTotals | undefined;
  /** The columns whose types this file decides. A row is not compared with the others: there may be many. */
  #inferring: PlannedColumn[] = [];
  /** Field names of a format whose records name their fields. */
  #fieldNames: readonly string[] | undefined;
  #retyping = false;
  #outputs: ParserOutput[] = [];
  #rescued: Map<string, string> | undefined;
  #planner: LoadPlanner | undefined;
  /** Why there is no load plan; undefined: there is one, or it was not asked for. */
  planObstacle: string | undefined;
  readonly #counts = { rowsRead: 0, rowsRejected: 0 };

  constructor(options: FileParserOptions) {
    const { origin, limits, storedBytes } = options;
    this.#options = options;
    this.#meter = new OutputMeter(limits, storedBytes);
    this.#batches = new RowBatches(origin, limits, (batch) =>
      this.#emit({ kind: "rows", batch }, batch.rows.length + batch.writerSchema.length),
    );
    this.#rejects = new RejectCollector(limits, (output, bytes) => this.#emit({ kind: "rejects", ...output }, bytes));
  }

  /** True once the file must be read again: encoded rows are void, and further rows are only observed. */
  get retyping(): boolean {
    return this.#retyping;
  }

  get counts(): ParseCounts {
    return { ...this.#counts, rowsAccepted: this.#batches.rowsAccepted };
  }

  /** What the format's reader knows beside the records. */
  get reader(): Pick<RecordReader, "skippedRows" | "ending" | "irregularity"> {
    return this.#reader ?? {};
  }

  /** The table's columns after the rows read so far; empty before the header. */
  get columns(): ColumnDefinition[] {
    return this.#plan ? definitionsOf(this.#plan.columns) : [];
  }

  /** By name of a column that the file has: its field. */
  get present(): ReadonlyMap<string, number> {
    return new Map(allColumns(this.#plan).flatMap(({ name, field }) => (field >= 0 ? [[name, field]] : [])));
  }

  get doubtful(): DoubtfulColumns {
    return doubtfulIn(this.#plan);
  }

  get warnings(): RuleWarning[] {
    return this.#warnings.all;
  }

  get rejectsByReason(): Readonly<RejectCounts> {
    return this.#rejects.byReason;
  }

  /** What the contract's control totals say, at the end of the file. */
  get totalDoubts(): HeldReason[] {
    return this.#totals?.doubts(this.#reader?.otherLines ?? [], this.#counts.rowsRead) ?? [];
  }

  /** Names for the next reading; undefined if the fields of this file's format are fixed. */
  get fieldNames(): readonly string[] | undefined {
    return this.#fieldNames;
  }

  /** How the fields become columns; undefined before the header. */
  get plan(): Plan | undefined {
    return this.#plan;
  }

  /** True once the output exceeded its limit: the file failed, and later outputs are dropped. */
  get outputIsFull(): boolean {
    return this.#meter.isFull;
  }

  /** Infers the types of new columns from the first block. Call it once, then `push` the same block. */
  begin(block: Buffer, last: boolean): void {
    this.#inferFrom(block, last);
    if (this.#options.plans) this.#beginPlanning(this.#plan);
    this.#retyping = this.#options.observe ?? false;
    this.#reader = this.#openReader(this.#options.readsToEnd !== false, {
      onFields: (fields) => {
        this.#takeFields(fields, true);
        if (this.#options.observe) return;
        this.#rules = rowRules(this.#options.contract, this.#plan!, fields.final);
        this.#totals = controlTotals(this.#options.contract, this.#plan!.columns);
      },
      onRow: (row) => this.#takeRow(row),
      ...(this.#planner && { onText: (text) => this.#takeText(text) }),
    });
  }

  /**
   * @throws FILE_HEADER_TOO_LONG, FILE_TOO_MANY_COLUMNS, FILE_QUOTE_NOT_CLOSED, FILE_ROW_TOO_LONG,
   * FILE_EMPTY, HEADER_COLUMN_…, FILE_VALUE_MISMATCH, REJECTS_ABOVE_THRESHOLD, FILE_EXPANDS_TOO_FAR
   */
  push(block: Buffer, last: boolean): void {
    this.#reader!.push(block);
    if (this.#planner && this.#reader!.irregularity !== undefined) throw new IrregularFile(this.#reader!.irregularity);
    if (last) this.#end();
  }

  /** The load plan, after the end of a file of `textBytes`; undefined: there is none. */
  planned(textBytes: number): PlannedRows | undefined {
    return this.#planner?.planOf(this.#plan!, this.#options.file.options, textBytes);
  }

  #beginPlanning(plan: Plan | undefined): void {
    const { file, contract } = this.#options;
    this.planObstacle = plan ? planObstacle(file, contract, plan) : "its first row is longer than a block";
    if (plan && this.planObstacle === undefined)
      this.#planner = new LoadPlanner(this.#batches.textBytesMax(plan.columns.length), plan);
  }

  /** Completes the current batches. For a file that failed, or whose rest is not needed. */
  flush(): void {
    if (this.#plan && !this.#retyping) this.#batches.flush(this.#plan.columns);
    this.#rejects.flush();
  }

  /** The outputs since the last call. */
  take(): ParserOutput[] {
    return this.#outputs.splice(0);
  }

  #emit(output: ParserOutput, bytes: number): void {
    if (this.#meter.takes(bytes)) this.#outputs.push(output);
  }

  #openReader(toEnd: boolean, handlers: RecordHandlers): RecordReader {
    const { file, limits, fields } = this.#options;
    return openReader(file, { limits, fields: this.#fieldNames ?? fields, toEnd }, handlers);
  }

  /** Reads the first block ahead, for the fields and the types of new columns. */
  #inferFrom(block: Buffer, last: boolean): void {
    const { inferenceSampleRows = Infinity } = this.#options.contract;
    let rows = 0;
    const reader = this.#openReader(last, {
      onFields: (fields) => this.#takeFields(fields, false),
      onRow: (row) => {
        if (++rows > inferenceSampleRows) return;
        this.#observeRow(row, this.#plan!, rows);
        observeBeginnings(this.#plan!, row, this.#scan);
      },
    });
    reader.push(block);
    if (last) reader.end();
    if (!this.#plan) return;
    setFirstTypes(this.#plan);
    this.#batches.setColumns(this.#plan.columns);
  }

  /**
   * Plans the columns; again if records add fields. Rows encoded before a new column came are void: see
   * `retyping`.
   */
  #takeFields(fields: RecordFields, encoding: boolean): void {
    const before = this.#plan;
    if (before && fields.count <= before.fieldCount) return;
    const { contract, known: existing, inferred, limits, observe: retypeKnown = false } = this.#options;
    const input = { fields, contract, known: existing, retypeKnown, ...(inferred ? { inferred } : {}) };
    const plan = planColumns(input, limits.columnsMax);
    if (!fields.final) this.#fieldNames = fields.names;
    const known = new Map(allColumns(this.#plan).map((column) => [column.name, column]));
    plan.columns = plan.columns.map((column) => {
      const same = known.get(column.name);
      if (same && same.field < 0 && this.#options.observe) return column;
      return same ? Object.assign(same, { field: column.field }) : column;
    });
    if (before && encoding && plan.columns.length > known.size && !this.#retyping) this.#beginRetyping();
    if (encoding) setUntypedAside(plan);
    this.#plan = plan;
    this.#inferring = allColumns(this.#plan).filter(({ authority }) => authority === "inferred");
    this.#batches.setColumns(plan.columns);
  }

  #observeRow(row: Row, plan: Plan, ordinal: number): void {
    if (row.fault || row.count > plan.fieldCount) return;
    if (row.count < plan.fieldCount && this.#options.contract.raggedRows === "reject") return;
    if (!isForeign(this.#inferring, row, ordinal - 1, this.#scan)) observeValues(this.#inferring, row, this.#scan);
  }

  #takeRow(row: Row): void {
    const plan = this.#plan!;
    const ordinal = ++this.#counts.rowsRead;
    if (ordinal - 1 === this.#options.contract.inferenceSampleRows) endSample(plan, this.#retyping);
    if (this.#retyping) return this.#observeRow(row, plan, ordinal);
    if (row.fault) return this.#reject(row, row.fault, undefined);
    if (row.count > plan.fieldCount) return this.#reject(row, "too_many_fields", undefined);
    if (row.count < plan.fieldCount && this.#options.contract.raggedRows === "reject") {
      return this.#reject(row, "too_few_fields", undefined);
    }
    this.#totals?.add(row, this.#scan);
    this.#encodeRow(row, ordinal, plan);
  }

  /** Takes plain rows, unless they may break rules. A file that states control totals has no plan. */
  #takeText(text: PlainText): RowsTaken | undefined {
    if (this.#rules || this.#counts.rowsRead <= (this.#options.contract.inferenceSampleRows ?? -1)) return undefined;
    const taken = this.#planner?.takeText(text, this.#plan!);
    this.#counts.rowsRead += taken?.rows ?? 0;
    this.#batches.rowsAccepted += taken?.rows ?? 0;
    return taken;
  }

  #encodeRow(row: Row, ordinal: number, plan: Plan): void {
    const { columns } = plan;
    const { encoder } = this.#batches;
    if (!this.#planner) encoder.reserve(encoder.rowBytesMax(row.fieldBytes, columns.length));
    this.#rescued = undefined;
    for (let index = 0; index < columns.length; index++) {
      if (index === plan.rescued) {
        writeRescued(encoder, this.#rescued);
        continue;
      }
      const column = columns[index]!;
      const code = this.#encodeValue(column, row);
      if (code <= CAST.NULL || this.#tolerates(column, code, row)) continue;
      encoder.rewind();
      return this.#giveUpRow(row, plan, index, code);
    }
    if (plan.untyped.length > 0 && hasValueOf(plan.untyped, row, this.#scan))
      return this.#giveUpRow(row, plan, columns.length, CAST.RETYPE);
    const broken = this.#rules && brokenRules(this.#rules, columns, row, this.#scan);
    const refusal = broken && refusalOf(broken, row.line);
    if (refusal) return this.#rejectFor(row, refusal);
    if (this.#planner) {
      this.#planner.take(row, plan);
      this.#batches.rowsAccepted++;
    } else {
      encoder.endRow(ordinal);
      if (!this.#batches.keepRow(columns)) return this.#reject(row, "row_too_large", undefined);
    }
    if (broken) this.#warnings.add(broken, row.line);
  }

  /**
   * Writes one value. Returns a CAST code: above NULL the value was not written; REQUIRED for a NULL that is
   * not allowed.
   */
  #encodeValue(column: PlannedColumn, row: Row): number {
    const { field } = column;
    const { encoder } = this.#batches;
    let code: number = CAST.NULL;
    if (field >= 0 && field < row.count) {
      const start = row.bounds[2 * field]!;
      const end = row.bounds[2 * field + 1]!;
      if (this.#planner && end > start) this.#planner.see(field, row.bytes, start, end);
      if (column.nullMarkers.length === 0 || !isNullMarker(column.nullMarkers, row.bytes, start, end)) {
        code = cast(column, row.bytes, start, end, this.#scan);
      }
      if (code === CAST.OK) {
        if (this.#planner) return code;
        if (column.family === FAMILY.VARCHAR) encoder.writeText(row.bytes, start, end);
        else encoder.writeValue(column, column.number ? column.number.canonical : row.bytes, this.#scan);
        return code;
      }
    }
    if (code !== CAST.NULL) return code;
    if (column.required) return REQUIRED;
    if (!this.#planner) encoder.writeNull();
    return code;
  }

  /**
   * Applies the contract's `onMismatch`: true if the value was rescued, false to reject the row; throws to
   * fail the file.
   */
  #tolerates(column: PlannedColumn, code: number, row: Row): boolean {
    const { onMismatch } = this.#options.contract;
    if (code === CAST.RETYPE || code === REQUIRED || onMismatch === "reject") return false;
    const text = fieldText(row, column.field);
    if (onMismatch === "fail") {
      const fault = valueMessage(REASONS_OF_CODES[code]!, column, text);
      throw new TributaryError("FILE_VALUE_MISMATCH", `line ${row.line}: ${fault}`);
    }
    if (column.required) return false;
    (this.#rescued ??= new Map<string, string>()).set(column.name, text);
    this.#batches.encoder.writeNull();
    return true;
  }

  /** Rejects the row, or begins retyping. */
  #giveUpRow(row: Row, plan: Plan, index: number, code: number): void {
    const { rowsRead } = this.#counts;
    if (changesTypes(plan, { index, code, rowsBefore: rowsRead - 1 }, row, this.#scan)) {
      this.#beginRetyping();
      return this.#observeRow(row, plan, rowsRead);
    }
    this.#reject(row, REASONS_OF_CODES[code] ?? "type_mismatch", plan.columns[index]);
  }

  /**
   * Drops rows that were not taken yet, also from the counts. Rejects stay, in case the file fails before it
   * is read again.
   */
  #beginRetyping(): void {
    this.#retyping = true;
    this.#planner = undefined;
    this.#batches.flush(this.#plan!.columns);
    for (const output of this.#outputs) {
      if (output.kind === "rows") this.#batches.rowsAccepted -= output.batch.rowCount;
    }
    this.#outputs = this.#outputs.filter(({ kind }) => kind === "rejects");
  }

  #reject(row: Row, reason: PlainReason, column: PlannedColumn | undefined): void {
    this.#rejectFor(row, faultOf(row, reason, { column, fieldCount: this.#plan!.fieldCount }));
  }

  #rejectFor(row: Row, fault: RejectFault): void {
    const { countMax = Infinity } = this.#options.contract.rejects;
    this.#batches.encoder.rewind();
    this.#counts.rowsRejected++;
    this.#planner?.leaveOut(row, this.#counts.rowsRead, this.#plan!);
    this.#rejects.add(row, this.#counts.rowsRead, fault);
    if (this.#counts.rowsRejected <= countMax) return;
    throw new TributaryError(
      "REJECTS_ABOVE_THRESHOLD",
      `more than ${countNoun(countMax, "row")} rejected; the last on line ${row.line}: ${fault.message}`,
    );
  }

  #end(): void {
    this.#reader!.end();
    if (!this.#plan) throw new TributaryError("FILE_EMPTY", "the file has no header and no rows");
    if (this.#retyping) return;
    if (this.#planner && this.#reader!.irregularity !== undefined) throw new IrregularFile(this.#reader!.irregularity);
    checkValues(this.#plan, this.#counts.rowsRead > 0 ? this.#batches.rowsAccepted : (this.reader.skippedRows ?? 0));
    this.flush();
    checkShare(this.#counts, this.#options.contract.rejects.shareMax);
  }
}
