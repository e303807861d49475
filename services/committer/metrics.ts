import { Counter, flowMetrics, Gauge, Histogram, type FlowMetrics, type Registry } from "../../lib/service/metrics.ts";

/** Everything the committer counts. Label sets are closed, except `table`, which only few tables have at a time. */
export interface CommitterMetrics {
  flow: FlowMetrics;
  commits: Counter<"limit" | "strategy">;
  commitSeconds: Histogram<"strategy">;
  files: Counter<"status">;
  rows: Counter<"change">;
  endToEndSeconds: Histogram;
  lanes: Gauge;
  laneStuck: Gauge<"table">;
  retries: Counter<"step">;
  commands: Counter<"kind" | "status">;
  commandSeconds: Histogram<"kind">;
  stepSeconds: Histogram<"kind">;
}

const LATENCY_BUCKETS = [0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 15, 30, 60, 300, 1800];

export function committerMetrics(registry: Registry): CommitterMetrics {
  const registers = [registry];
  return {
    flow: flowMetrics(registry, "committer"),
    commits: new Counter({
      name: "tributary_committer_commits_total",
      help: "Micro-batches that ended, by the limit that asked for them and how the rows reached the table",
      labelNames: ["limit", "strategy"],
      registers,
    }),
    commitSeconds: new Histogram({
      name: "tributary_committer_commit_seconds",
      help: "Duration of a table commit, retries included",
      labelNames: ["strategy"],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    files: new Counter({
      name: "tributary_committer_files_total",
      help: "Files that ended, by status: committed, rejected, failed",
      labelNames: ["status"],
      registers,
    }),
    rows: new Counter({
      name: "tributary_committer_rows_total",
      help: "Rows by what became of them: committed or rejected; inserted, updated or deleted in a table",
      labelNames: ["change"],
      registers,
    }),
    endToEndSeconds: new Histogram({
      name: "tributary_committer_end_to_end_seconds",
      help: "From a file's arrival until its rows can be queried",
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    lanes: new Gauge({ name: "tributary_committer_lanes", help: "Tables this committer writes", registers }),
    laneStuck: new Gauge({
      name: "tributary_committer_lane_stuck",
      help: "1 while a table's writer keeps failing; it goes on trying and takes no more rows",
      labelNames: ["table"],
      registers,
    }),
    retries: new Counter({
      name: "tributary_committer_retries_total",
      help: "Attempts that failed and were made again, by step",
      labelNames: ["step"],
      registers,
    }),
    commands: new Counter({
      name: "tributary_committer_commands_total",
      help: "Commands carried out, by kind and status",
      labelNames: ["kind", "status"],
      registers,
    }),
    commandSeconds: new Histogram({
      name: "tributary_committer_command_seconds",
      help: "Duration of a command",
      labelNames: ["kind"],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    stepSeconds: new Histogram({
      name: "tributary_committer_command_step_seconds",
      help: "How long one step of a command held its table's writer: rows that came meanwhile waited",
      labelNames: ["kind"],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
  };
}
