import { availableParallelism } from "node:os";
import { z } from "zod";
import { DEFAULT_LIMITS, type ParseLimits } from "../../lib/parsing/limits.ts";
import { byteSize, count, platformSettings, port } from "../../lib/process/config.ts";

const text = (value: string) => value;

/** The parser's settings, as read from the environment. */
export const parserConfig = z.object({
  ...platformSettings,
  TRIBUTARY_PARSER_HOST: z.string().default("127.0.0.1").describe("where /healthz, /readyz and /metrics listen"),
  TRIBUTARY_PARSER_PORT: port.default(8082),
  TRIBUTARY_PARSER_WORKERS: count.optional().describe("files parsed at a time (default: cores minus one)"),
  TRIBUTARY_PARSER_HEAP_MIB: count.default(512).describe("heap of one worker, in MiB"),
  TRIBUTARY_EXPANDED_BYTES_MAX: byteSize.prefault(text("64GB")).describe("bytes that a compressed file may expand to"),
  TRIBUTARY_ENCODED_BYTES_MAX: byteSize
    .prefault(text("128GB"))
    .describe("bytes that the rows and rejects of one file may take in the event log"),
  TRIBUTARY_ENCODED_RATIO_MAX: count
    .default(DEFAULT_LIMITS.encodedRatioMax)
    .describe("the same per stored byte of the file, checked beyond the first 100 MB"),
  TRIBUTARY_COLUMNS_MAX: count.max(5_000).default(DEFAULT_LIMITS.columnsMax).describe("columns of one file"),
  TRIBUTARY_ROW_BYTES_MAX: byteSize.prefault(text("16MB")).describe("one row as it is in its file"),
});

export type ParserConfig = z.infer<typeof parserConfig>;

export interface ParserSettings {
  workers: number;
  workerHeapMib: number;
  /** Attempts at a file whose worker crashes, before it becomes a dead letter. */
  crashesMax: number;
  /** Attempts while a port is unavailable, before the event log redelivers the file. */
  attemptsMax: number;
  backoffMsMin: number;
  backoffMsMax: number;
  /** messageBytesMax is taken from the event log. */
  limits: ParseLimits;
}

export function parserSettings(config: ParserConfig): ParserSettings {
  return {
    workers: config.TRIBUTARY_PARSER_WORKERS ?? Math.max(1, availableParallelism() - 1),
    workerHeapMib: config.TRIBUTARY_PARSER_HEAP_MIB,
    crashesMax: 3,
    attemptsMax: 5,
    backoffMsMin: 100,
    backoffMsMax: 5_000,
    limits: {
      ...DEFAULT_LIMITS,
      expandedBytesMax: config.TRIBUTARY_EXPANDED_BYTES_MAX,
      encodedBytesMax: config.TRIBUTARY_ENCODED_BYTES_MAX,
      encodedRatioMax: config.TRIBUTARY_ENCODED_RATIO_MAX,
      columnsMax: config.TRIBUTARY_COLUMNS_MAX,
      recordBytesMax: config.TRIBUTARY_ROW_BYTES_MAX,
    },
  };
}
