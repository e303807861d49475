import { Counter, flowMetrics, Histogram, type FlowMetrics, type Registry } from "../../lib/service/metrics.ts";

/** Everything the parser counts. All label sets are closed. */
export interface ParserMetrics {
  flow: FlowMetrics;
  files: Counter<"outcome">;
  rows: Counter<"outcome">;
  bytes: Counter;
  rejects: Counter<"reason">;
  parseSeconds: Histogram;
  retypings: Counter;
  workerCrashes: Counter;
}

const PARSE_BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800];

export function parserMetrics(registry: Registry): ParserMetrics {
  const registers = [registry];
  return {
    flow: flowMetrics(registry, "parser"),
    files: new Counter({
      name: "tributary_parser_files_total",
      help: "Files parsed, by outcome: complete, failed, deleted",
      labelNames: ["outcome"],
      registers,
    }),
    rows: new Counter({
      name: "tributary_parser_rows_total",
      help: "Rows read, by outcome: accepted or rejected",
      labelNames: ["outcome"],
      registers,
    }),
    bytes: new Counter({ name: "tributary_parser_text_bytes_total", help: "Bytes of text read, unpacked", registers }),
    rejects: new Counter({
      name: "tributary_parser_rejects_total",
      help: "Rejected rows by reason",
      labelNames: ["reason"],
      registers,
    }),
    parseSeconds: new Histogram({
      name: "tributary_parser_parse_seconds",
      help: "From taking up a file until its end is published",
      buckets: PARSE_BUCKETS,
      registers,
    }),
    retypings: new Counter({
      name: "tributary_parser_retypings_total",
      help: "Files read a second time because a new column's type, guessed from the beginning, did not hold",
      registers,
    }),
    workerCrashes: new Counter({
      name: "tributary_parser_worker_crashes_total",
      help: "Worker threads that died",
      registers,
    }),
  };
}
