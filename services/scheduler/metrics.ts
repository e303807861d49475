import {
  Counter,
  throughputMetrics,
  Gauge,
  type ThroughputMetrics,
  type ThroughputSpec,
  type Registry,
} from "../../lib/process/metrics.ts";

export const SCHEDULER_THROUGHPUT = {
  received: {
    commits: "a commit is folded, those of the past at each start",
    commands: "a command is, its own included",
    "command-results": "a command's end is",
  },
  sent: { command: "a command is durable" },
  dropped: { undecodable: { intentional: false, when: "a record of these topics cannot be read" } },
} as const satisfies ThroughputSpec;

/** Everything the scheduler counts. */
export interface SchedulerMetrics {
  throughput: ThroughputMetrics<typeof SCHEDULER_THROUGHPUT>;
  commands: Counter<"kind" | "cause">;
  tables: Gauge;
  checks: Gauge<"table" | "status">;
  heldBackSeconds: Gauge<"table">;
}

export function schedulerMetrics(registry: Registry): SchedulerMetrics {
  const registers = [registry];
  return {
    throughput: throughputMetrics(registry, "scheduler", SCHEDULER_THROUGHPUT),
    commands: new Counter({
      name: "tributary_scheduler_commands_total",
      help: "Commands asked for, by kind and cause: cron, health, commit",
      labelNames: ["kind", "cause"],
      registers,
    }),
    tables: new Gauge({ name: "tributary_scheduler_tables", help: "Tables the scheduler looks after", registers }),
    checks: new Gauge({
      name: "tributary_quality_checks",
      help: "Checks of a table's contract by how they last ended: passed, failed, error",
      labelNames: ["table", "status"],
      registers,
    }),
    heldBackSeconds: new Gauge({
      name: "tributary_quality_gate_held_back_seconds",
      help: "For how long <table>_trusted has been held back by checks that do not pass; 0: it is not",
      labelNames: ["table"],
      registers,
    }),
  };
}
