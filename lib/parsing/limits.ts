import type { RecordLimits } from "../formats/format.ts";
import type { TextLimits } from "../text/text-blocks.ts";
import type { OutputLimits } from "./output/output-limit.ts";

/**
 * Bounds on what one file may make the parser hold or produce. Each has an error or a reject reason of its
 * own.
 */
export interface ParseLimits extends TextLimits, RecordLimits, OutputLimits {
  /** Text that is parsed before its outputs are handed over: rows can take hundreds of times its size. */
  pieceBytes: number;
  /** Encoded rows of one row batch, and text of one batch of rejects, in bytes. */
  batchBytesMax: number;
  /** One encoded message with its envelope: the event log's recordBytesMax. A larger row becomes a reject. */
  messageBytesMax: number;
  /** Stored bytes from which a regular file of more than one block of text loads by a plan. */
  planBytesMin: number;
  /** Text that is kept of a reject, in bytes of UTF-8: of a row of the longest record, also as `\\xNN`. */
  rawBytesMax: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_LIMITS: ParseLimits = {
  detectionBytes: 256 * KIB,
  inferenceBytes: MIB,
  headerBytesMax: 256 * KIB,
  recordBytesMax: 16 * MIB,
  columnsMax: 2_000,
  expandedBytesMax: 64 * KIB * MIB,
  expansionRatioMax: 1_000,
  encodedBytesMax: 128 * KIB * MIB,
  encodedRatioMax: 200,
  pieceBytes: 64 * KIB,
  batchBytesMax: 512 * KIB,
  messageBytesMax: 1_000_000,
  planBytesMin: 128 * KIB,
  rawBytesMax: 64 * MIB,
};

/** Settings that limit one file; see configuration.md. */
interface LimitSettings {
  TRIBUTARY_EXPANDED_BYTES_MAX: number;
  TRIBUTARY_ENCODED_BYTES_MAX: number;
  TRIBUTARY_ENCODED_RATIO_MAX: number;
  TRIBUTARY_COLUMNS_MAX: number;
  TRIBUTARY_ROW_BYTES_MAX: number;
}

/** The limits of one file. messageBytesMax is the event log's. */
export function parseLimitsOf(settings: LimitSettings): ParseLimits {
  return {
    ...DEFAULT_LIMITS,
    expandedBytesMax: settings.TRIBUTARY_EXPANDED_BYTES_MAX,
    encodedBytesMax: settings.TRIBUTARY_ENCODED_BYTES_MAX,
    encodedRatioMax: settings.TRIBUTARY_ENCODED_RATIO_MAX,
    columnsMax: settings.TRIBUTARY_COLUMNS_MAX,
    recordBytesMax: settings.TRIBUTARY_ROW_BYTES_MAX,
  };
}
