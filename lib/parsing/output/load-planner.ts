import type { Contract } from "../../contract/contract.ts";
import type { Finding, FormatOptions, PlainText, Row, RowsTaken } from "../../formats/format.ts";
import { DEFAULT_FORMAT } from "../../formats/registry.ts";
import type { LoadPlan, PlannedField } from "../../messages/generated.ts";
import { FAMILY } from "../../typing/cast.ts";
import type { OpenedFile } from "../open-file.ts";
import type { Plan, PlannedColumn } from "../plan.ts";
import { PlainRows } from "./plain-rows.ts";

/** What the parser says of a load plan: the caller knows where the bytes are. */
export type PlannedRows = Omit<LoadPlan, "blobKey" | "contentHash" | "rowsOffset" | "receivedAtMs">;

/** The file does not load by a plan after all: read it again, row by row. */
export class IrregularFile extends Error {}

/** More rows that the plan leaves out make it dearer than the rows themselves. */
const EXCLUDED_MAX = 10_000;
/** Each costs a comparison per row of the file. */
const RAGGED_MAX = 100;

/**
 * Bytes beside the fields of a record: a delimiter and two quotes each, and as many as they have for quotes
 * in them.
 */
const recordBytes = ({ fieldBytes, count }: Pick<Row, "fieldBytes" | "count">): number =>
  2 * fieldBytes + 3 * count + 2;

/**
 * Why the files of this contract, written in this way, do not load by a plan; undefined: they do. The values
 * of such a file have one notation, which DuckDB reads as the parser does.
 */
export function planObstacle(
  { format, options }: Pick<OpenedFile, "format" | "options">,
  { onMismatch }: Contract,
  { columns }: Plan,
): string | undefined {
  if (format.name !== DEFAULT_FORMAT) return `the format is ${format.name}`;
  if (options.encoding !== "utf-8") return `the encoding is ${options.encoding}`;
  if (onMismatch === "rescue") return "the contract rescues values";
  const own = columns.find((column) => hasOwnNotation(column));
  return own && `the contract declares how values of '${own.name}' are written`;
}

/** How a file's rows come into the table, in words. `obstacle`: why there is no load plan. */
export const loadText = (obstacle: string | undefined): string =>
  obstacle === undefined ? "by a plan, from the file itself" : `row by row: ${obstacle}`;

/** How the rows of a file of which the beginning was read will come into the table. */
export function loadFinding(
  file: OpenedFile,
  { plan, irregularity }: { plan: Plan | undefined; irregularity: string | undefined },
  contract: Contract,
  isShort: boolean,
): Finding[] {
  if (!plan) return [];
  const obstacle = isShort ? FILE_SHORT : (planObstacle(file, contract, plan) ?? irregularity);
  return [{ option: "load", evidence: loadText(obstacle), confidence: 1 }];
}

/** Why a file of one block has no plan. */
export const FILE_SHORT = "the file is short";

const hasOwnNotation = ({ format, number, words, family }: PlannedColumn): boolean =>
  family !== FAMILY.VARCHAR && (format !== undefined || number !== undefined || words !== undefined);

/**
 * Collects what a load plan says while the parser reads a file: every row is split, typed and checked as
 * otherwise, but its values are not encoded.
 */
export class LoadPlanner {
  readonly #rowBytesMax: number;
  readonly #excluded: number[] = [];
  readonly #ragged: number[] = [];
  /** By field: whether a value has blanks around it. */
  readonly #padded: Uint8Array;
  readonly #plainRows: PlainRows;
  #rowCount = 0;
  #recordBytesMax = 0;

  /** `rowBytesMax`: a row with more text may not fit into a message, which would reject it. */
  constructor(rowBytesMax: number, plan: Plan) {
    this.#rowBytesMax = rowBytesMax;
    this.#padded = new Uint8Array(plan.fieldCount);
    this.#plainRows = new PlainRows(this.#padded, rowBytesMax);
  }

  /** A value that is not empty. */
  see(field: number, bytes: Uint8Array, start: number, end: number): void {
    if (isBlank(bytes[start]) || isBlank(bytes[end - 1])) this.#padded[field] = 1;
  }

  /** Plain rows, which load, from the beginning of the text on. */
  takeText(text: PlainText, plan: Plan): RowsTaken | undefined {
    const taken = this.#plainRows.take(text, plan);
    if (!taken || taken.rows === 0) return taken;
    this.#rowCount += taken.rows;
    this.#measure({ fieldBytes: this.#plainRows.rowBytes, count: plan.fieldCount });
    return taken;
  }

  /** A row that loads. @throws IrregularFile */
  take(row: Row, { fieldCount }: Plan): void {
    if (row.count !== fieldCount) throw new IrregularFile(`line ${row.line}: a row is padded`);
    if (row.fieldBytes > this.#rowBytesMax) throw new IrregularFile(`line ${row.line}: a row is very long`);
    this.#rowCount++;
    this.#measure(row);
  }

  /** A row that is rejected. @throws IrregularFile */
  leaveOut(row: Row, ordinal: number, { fieldCount }: Plan): void {
    if (row.fault) throw new IrregularFile(`line ${row.line}: a row that is no text, or not closed`);
    this.#measure(row);
    const isRagged = row.count < fieldCount || (row.count > fieldCount && !endsEmpty(row, fieldCount));
    const ordinals = isRagged ? this.#ragged : this.#excluded;
    ordinals.push(ordinal);
    if (ordinals.length > (isRagged ? RAGGED_MAX : EXCLUDED_MAX)) throw new IrregularFile("many rows are rejected");
  }

  /** The plan of the whole file. */
  planOf(plan: Plan, options: FormatOptions, textBytes: number): PlannedRows {
    const { delimiter, quote, header } = options as { delimiter: string; quote: string | null } & FormatOptions;
    const columns = new Map(plan.columns.map((column) => [column.field, column]));
    const fields = Array.from({ length: plan.fieldCount }, (_, field): PlannedField => {
      const column = columns.get(field);
      if (!column) return { column: null, type: "", nullMarkers: [], padded: false };
      const nullMarkers = column.nullMarkers.map(String);
      return { column: column.name, type: column.type, nullMarkers, padded: this.#padded[field] === 1 };
    });
    const [excluded, ragged] = [this.#excluded, this.#ragged];
    const counts = { rowCount: this.#rowCount, recordBytesMax: this.#recordBytesMax, textBytes };
    return { delimiter, quote, header: header === true, fields, excluded, ragged, ...counts };
  }

  #measure(row: Pick<Row, "fieldBytes" | "count">): void {
    this.#recordBytesMax = Math.max(this.#recordBytesMax, recordBytes(row));
  }
}

const isBlank = (byte: number | undefined): boolean => byte === 32 || byte === 9;

/** Whether all fields after the last column are empty: strict readers pass over them. */
function endsEmpty({ bounds, count }: Row, fieldCount: number): boolean {
  if (count > bounds.length / 2) return false;
  for (let field = fieldCount; field < count; field++) if (bounds[2 * field] !== bounds[2 * field + 1]) return false;
  return true;
}
