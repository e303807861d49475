import { REJECT_REASONS } from "../../lib/parsing/rejects.ts";
import {
  closedCounter,
  Counter,
  throughputMetrics,
  Histogram,
  type ThroughputMetrics,
  type ThroughputSpec,
  type Registry,
} from "../../lib/process/metrics.ts";

export const PARSER_THROUGHPUT = {
  received: { file: "a file event is received, including redeliveries" },
  sent: {
    file: "a file's end-of-file or deletion is durable in its table's rows topic",
    rows: "the file's accepted rows, counted with its end-of-file",
    rejects: "the file's rejected rows, counted with its end-of-file",
    dead_letter: "the event of an unreadable file is published as a dead letter",
  },
  dropped: {
    undecodable: {
      intentional: false,
      when: "a table schema cannot be decoded, or a file event, which becomes a dead letter",
    },
  },
} as const satisfies ThroughputSpec;

/** The parser's metrics. All label sets are closed. */
export interface ParserMetrics {
  throughput: ThroughputMetrics<typeof PARSER_THROUGHPUT>;
  files: Counter<"outcome">;
  rows: Counter<"outcome">;
  bytes: Counter;
  rejects: Counter<"reason">;
  parseSeconds: Histogram;
  retypings: Counter;
  workerCrashes: Counter;
  readAhead: Counter<"outcome">;
}

const PARSE_BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800];

export function parserMetrics(registry: Registry): ParserMetrics {
  const registers = [registry];
  return {
    throughput: throughputMetrics(registry, "parser", PARSER_THROUGHPUT),
    files: closedCounter(registry, {
      name: "tributary_parser_files_total",
      help: "Files parsed, by outcome: complete, held, failed, deleted",
      label: "outcome",
      values: ["complete", "held", "failed", "deleted"],
    }),
    rows: closedCounter(registry, {
      name: "tributary_parser_rows_total",
      help: "Rows read, by outcome: accepted or rejected",
      label: "outcome",
      values: ["accepted", "rejected"],
    }),
    bytes: new Counter({
      name: "tributary_parser_text_bytes_total",
      help: "Bytes of text read, decompressed",
      registers,
    }),
    rejects: closedCounter(registry, {
      name: "tributary_parser_rejects_total",
      help: "Rejected rows by reason; rule: a rule of the contract",
      label: "reason",
      values: [...Object.keys(REJECT_REASONS), "rule"],
    }),
    parseSeconds: new Histogram({
      name: "tributary_parser_parse_seconds",
      help: "Time from receiving a file event until its end-of-file is published",
      buckets: PARSE_BUCKETS,
      registers,
    }),
    retypings: new Counter({
      name: "tributary_parser_retypings_total",
      help: "Files read a second time because the inferred type of a new column did not hold",
      registers,
    }),
    readAhead: closedCounter(registry, {
      name: "tributary_parser_read_ahead_total",
      help: "Files parsed before their turn: used, or repeated because their table or contract changed meanwhile",
      label: "outcome",
      values: ["used", "repeated"],
    }),
    workerCrashes: new Counter({
      name: "tributary_parser_worker_crashes_total",
      help: "Worker threads that crashed",
      registers,
    }),
  };
}
