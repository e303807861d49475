import { TributaryError } from "../../errors.ts";
import type { RecordLimits } from "../format.ts";

type TooLong = { line: number; isHeader: boolean; quoteByte: number } & Pick<
  RecordLimits,
  "headerBytesMax" | "recordBytesMax"
>;

/** The error for a row, or the part of it read so far, that exceeds its limit. `quoteByte`: -1 for none. */
export function tooLong(
  raw: Uint8Array,
  { line, isHeader, quoteByte, headerBytesMax, recordBytesMax }: TooLong,
): TributaryError {
  if (isHeader) {
    const message = `the header is longer than ${headerBytesMax} bytes (line ${line})`;
    return new TributaryError("FILE_HEADER_TOO_LONG", message);
  }
  const quote = raw.subarray(0, recordBytesMax).indexOf(quoteByte);
  const column = quote < 0 ? "" : `, with a quote at byte ${quote + 1}`;
  const message = `the row that starts on line ${line} is longer than ${recordBytesMax} bytes${column}`;
  return new TributaryError("FILE_ROW_TOO_LONG", message);
}
