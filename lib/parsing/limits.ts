/** Bounds on what one file may make the parser hold or produce. Every one has an error or a reject of its own. */
export interface CsvLimits {
  /** Bytes from which dialect and encoding are detected. */
  detectionBytes: number;
  /** Bytes of text from which column types are first guessed; every later value is still verified. */
  inferenceBytes: number;
  /** Header line, in bytes of UTF-8. Beyond: FILE_HEADER_TOO_LONG. */
  headerBytesMax: number;
  /** One row as it stands in the file. Beyond: FILE_QUOTE_NOT_CLOSED or FILE_ROW_TOO_LONG. */
  recordBytesMax: number;
  /** Beyond: FILE_TOO_MANY_COLUMNS. */
  columnsMax: number;
  /** What a compressed file may unpack to. Beyond: FILE_EXPANDS_TOO_FAR. */
  expandedBytesMax: number;
  /** Unpacked bytes for each stored byte, looked at beyond the first 100 MB. Beyond: FILE_EXPANDS_TOO_FAR. */
  expansionRatioMax: number;
  /** Encoded rows of one row batch, and text of one batch of rejects. */
  batchBytesMax: number;
  /** One encoded message, envelope included: the event log's recordBytesMax. A row that does not fit is a reject. */
  messageBytesMax: number;
  /** Text of a reject that is kept, in bytes of UTF-8. */
  rawBytesMax: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_LIMITS: CsvLimits = {
  detectionBytes: 256 * KIB,
  inferenceBytes: MIB,
  headerBytesMax: 256 * KIB,
  recordBytesMax: 16 * MIB,
  columnsMax: 2_000,
  expandedBytesMax: 64 * KIB * MIB,
  expansionRatioMax: 1_000,
  batchBytesMax: 512 * KIB,
  messageBytesMax: 1_000_000,
  rawBytesMax: 64 * KIB,
};
