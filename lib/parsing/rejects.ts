import { isUtf8 } from "node:buffer";
import type { Reject } from "../messages/generated.ts";
import type { CsvLimits } from "./limits.ts";
import type { Row } from "../formats/csv/records.ts";

/** Why a row could not be taken into its table: a closed set, with what each means. */
export const REJECT_REASONS = {
  too_few_fields: "The row has fewer fields than the header.",
  too_many_fields: "The row has more fields than the header.",
  type_mismatch: "The text is no value of the column's type.",
  out_of_range: "The number is too large, or has more decimals than the column keeps.",
  required: "The column is required (or part of the key) and the field is empty.",
  encoding: "The row holds bytes that are no characters in the file's encoding.",
  nul_byte: "The row holds a NUL byte.",
  quote_not_closed: "A quote opens in the row that is not closed where a field ends.",
  row_too_large: "The row is larger than one message of the event log.",
} as const;

export type RejectReason = keyof typeof REJECT_REASONS;

/** The text of a rejected row for people: invalid UTF-8 and NUL are shown as \xNN, and at most `bytesMax` bytes are kept. */
export function rawText(raw: Uint8Array, bytesMax: number): string {
  let bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  if (bytes.length > bytesMax) {
    let end = bytesMax;
    while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
    bytes = bytes.subarray(0, end);
  }
  if (isUtf8(bytes) && !bytes.includes(0)) return bytes.toString("utf8");
  const shown = bytes.subarray(0, Math.floor(bytesMax / 4));
  let text = "";
  for (let at = 0; at < shown.length;) {
    const length = characterLength(shown, at);
    if (length === 0) text += `\\x${shown[at]!.toString(16).padStart(2, "0")}`;
    else text += shown.toString("utf8", at, at + length);
    at += Math.max(1, length);
  }
  return text;
}

/** Bytes of the character at `at`, 0 if it is none (or NUL). */
function characterLength(bytes: Buffer, at: number): number {
  const byte = bytes[at]!;
  if (byte < 0x80) return byte === 0 ? 0 : 1;
  const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
  return isUtf8(bytes.subarray(at, at + length)) && at + length <= bytes.length ? length : 0;
}

/** What is wrong with a value, in one sentence. */
export function valueMessage(reason: RejectReason, column: { name: string; type: string }, text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  if (reason === "required") return `'${column.name}' is required, but empty`;
  if (reason === "out_of_range") return `'${shown}' does not fit '${column.name}' ${column.type}`;
  return `'${shown}' is no ${column.type}, which '${column.name}' holds`;
}

/** What is wrong with a whole row, in one sentence. */
export function rowMessage(reason: RejectReason, fields: number, fieldsExpected: number): string {
  if (reason === "too_few_fields" || reason === "too_many_fields")
    return `${fields} fields instead of ${fieldsExpected}`;
  return REJECT_REASONS[reason];
}

/** Gathers rejects into batches of bounded size. */
export class RejectCollector {
  readonly byReason: Partial<Record<RejectReason, number>> = {};
  readonly #limits: Pick<CsvLimits, "batchBytesMax" | "rawBytesMax">;
  readonly #onBatch: (rejects: Reject[]) => void;
  #rejects: Reject[] = [];
  #bytes = 0;

  constructor(limits: Pick<CsvLimits, "batchBytesMax" | "rawBytesMax">, onBatch: (rejects: Reject[]) => void) {
    this.#limits = limits;
    this.#onBatch = onBatch;
  }

  add(row: Row, ordinal: number, fault: { reason: RejectReason; column: string | null; message: string }): void {
    this.byReason[fault.reason] = (this.byReason[fault.reason] ?? 0) + 1;
    const raw = rawText(row.raw(), this.#limits.rawBytesMax);
    const reject: Reject = { row: ordinal, line: row.line, ...fault, raw };
    const bytes = Buffer.byteLength(raw) + Buffer.byteLength(fault.message) + (fault.column?.length ?? 0) + 64;
    if (this.#bytes + bytes > this.#limits.batchBytesMax) this.flush();
    this.#rejects.push(reject);
    this.#bytes += bytes;
  }

  flush(): void {
    if (this.#rejects.length === 0) return;
    this.#onBatch(this.#rejects);
    this.#rejects = [];
    this.#bytes = 0;
  }
}
