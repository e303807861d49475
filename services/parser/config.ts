import { availableParallelism } from "node:os";
import { z } from "zod";
import { parseLimitsOf, type ParseLimits } from "../../lib/parsing/limits.ts";
import { count, parsingSettings, platformSettings, port } from "../../lib/process/config.ts";

/** The parser's settings, as read from the environment. */
export const parserConfig = z.object({
  ...platformSettings,
  TRIBUTARY_PARSER_HOST: z.string().default("127.0.0.1").describe("where /healthz, /readyz and /metrics listen"),
  TRIBUTARY_PARSER_PORT: port.default(8082),
  TRIBUTARY_PARSER_WORKERS: count.optional().describe("files parsed at a time (default: cores minus one)"),
  ...parsingSettings,
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
    limits: parseLimitsOf(config),
  };
}
