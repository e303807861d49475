import { countNoun, TributaryError } from "../errors.ts";
import type { Reject, RejectText } from "../messages/generated.ts";
import type { Row } from "../formats/format.ts";
import { CAST } from "../typing/cast.ts";
import { rawText } from "../text/raw-text.ts";
import type { ParseLimits } from "./limits.ts";

/** Why a row is not loaded into its table: a closed set, with the meaning of each reason. */
export const REJECT_REASONS = {
  too_few_fields: "The row has fewer fields than the header.",
  too_many_fields: "The row has more fields than the header.",
  type_mismatch: "The text is not a valid value of the column's type.",
  out_of_range: "The number is too large, or has more decimals than the column keeps.",
  required: "The column is required (or part of the key) and the field is empty.",
  encoding: "The row contains bytes that are invalid in the file's encoding.",
  nul_byte: "The row contains a NUL byte.",
  quote_not_closed:
    "A quote that opens on the line is not closed before a delimiter or line end. The next row starts on the next line.",
  malformed: "The row is not valid in the file's format.",
  row_too_large: "The row is larger than one message of the event log.",
} as const;

export type PlainReason = keyof typeof REJECT_REASONS;

/** A row that breaks a rule of its table's contract has the rule's name in its reason. */
export type RejectReason = PlainReason | `rule:${string}`;

/** Rejected rows by reason. */
export type RejectCounts = Partial<Record<PlainReason, number>> & Record<`rule:${string}`, number>;

export interface RejectFault {
  reason: RejectReason;
  column: string | null;
  message: string;
}

const SHOWN_CHARS_MAX = 80;

/** The beginning of a value, for messages. */
export const shownText = (text: string): string =>
  text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;

/** Beyond the CAST codes: an empty field of a required column. */
export const REQUIRED = 5;

/** Why a value with this code is not loaded. */
export const REASONS_OF_CODES: Record<number, PlainReason> = {
  [CAST.MISMATCH]: "type_mismatch",
  [CAST.OUT_OF_RANGE]: "out_of_range",
  [REQUIRED]: "required",
};

/** The field's text; empty if the row has no such field. */
export const fieldText = (row: Row, field: number): string => {
  if (field < 0 || field >= row.count) return "";
  const [start, end] = [row.bounds[2 * field]!, row.bounds[2 * field + 1]!];
  return Buffer.from(row.bytes.buffer, row.bytes.byteOffset + start, end - start).toString("utf8");
};

/** One sentence for people about an invalid value. */
export function valueMessage(reason: PlainReason, column: { name: string; type: string }, text: string): string {
  const shown = shownText(text);
  if (reason === "required") return `column '${column.name}' is required, but the field is empty`;
  if (reason === "out_of_range") return `'${shown}' does not fit into ${column.type} (column '${column.name}')`;
  return `'${shown}' is not a valid ${column.type} (column '${column.name}')`;
}

/** The fault of a row as a whole, or of its value of this column. */
export function faultOf(
  row: Row,
  reason: PlainReason,
  about: { column?: { name: string; type: string; field: number } | undefined; fieldCount: number },
): RejectFault {
  const { column, fieldCount } = about;
  if (!column) return { reason, column: null, message: rowMessage(reason, row.count, fieldCount) };
  return { reason, column: column.name, message: valueMessage(reason, column, fieldText(row, column.field)) };
}

/** One sentence for people about an invalid row. */
function rowMessage(reason: PlainReason, fields: number, fieldsExpected: number): string {
  if (reason === "too_few_fields" || reason === "too_many_fields")
    return `${fields} fields instead of ${fieldsExpected}`;
  return REJECT_REASONS[reason];
}

/** Rejects, or a part of the text that follows the `raw` of the next one. */
export interface RejectOutput {
  rejects: Reject[];
  text?: RejectText;
}

/** Collects rejects into batches of bounded size. A text that exceeds a batch is sent in parts before it. */
export class RejectCollector {
  readonly byReason: RejectCounts = {};
  readonly #limits: Pick<ParseLimits, "batchBytesMax" | "rawBytesMax">;
  readonly #onBatch: (output: RejectOutput, bytes: number) => void;
  #rejects: Reject[] = [];
  #bytes = 0;

  constructor(
    limits: Pick<ParseLimits, "batchBytesMax" | "rawBytesMax">,
    onBatch: (output: RejectOutput, bytes: number) => void,
  ) {
    this.#limits = limits;
    this.#onBatch = onBatch;
  }

  add(row: Row, ordinal: number, fault: RejectFault): void {
    this.byReason[fault.reason] = (this.byReason[fault.reason] ?? 0) + 1;
    const { batchBytesMax, rawBytesMax } = this.#limits;
    const [raw = "", ...rest] = partsOf(rawText(row.raw(), rawBytesMax), batchBytesMax);
    const reject: Reject = { row: ordinal, line: row.line, ...fault, raw };
    const bytes = Buffer.byteLength(raw) + Buffer.byteLength(fault.message) + (fault.column?.length ?? 0) + 64;
    if (this.#bytes + bytes > batchBytesMax) this.flush();
    if (rest.length > 0) this.flush();
    rest.forEach((text, part) => this.#onBatch({ rejects: [], text: { row: ordinal, part, text } }, text.length));
    this.#rejects.push(reject);
    this.#bytes += bytes;
  }

  flush(): void {
    if (this.#rejects.length === 0) return;
    const [rejects, bytes] = [this.#rejects, this.#bytes];
    this.#rejects = [];
    this.#bytes = 0;
    this.#onBatch({ rejects }, bytes);
  }
}

/** The text in parts of at most `bytesMax` bytes; one UTF-16 unit has at most 3 bytes of UTF-8. */
function partsOf(text: string, bytesMax: number): string[] {
  if (text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax) return [text];
  const parts: string[] = [];
  for (let at = 0; at < text.length;) {
    let end = Math.min(text.length, at + Math.max(2, Math.floor(bytesMax / 3)));
    // A pair of surrogates is one character.
    if (end < text.length && (text.charCodeAt(end) & 0xfc00) === 0xdc00) end--;
    parts.push(text.slice(at, end));
    at = end;
  }
  return parts;
}

/** @throws REJECTS_ABOVE_THRESHOLD if a larger share of the rows is rejected than the contract allows */
export function checkShare(
  { rowsRead, rowsRejected }: { rowsRead: number; rowsRejected: number },
  shareMax: number | undefined,
): void {
  if (shareMax === undefined || rowsRejected <= shareMax * rowsRead) return;
  throw new TributaryError(
    "REJECTS_ABOVE_THRESHOLD",
    `${rowsRejected} of ${countNoun(rowsRead, "row")} rejected; the contract allows a share of ${shareMax}`,
  );
}
