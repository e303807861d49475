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
    commits: "a commit event is read; each start reads all of them",
    commands: "a command is read, including the scheduler's own",
    "command-results": "a command result is read",
  },
  sent: { command: "a command is durable in the log" },
  dropped: { undecodable: { intentional: false, when: "a record of these topics cannot be decoded" } },
} as const satisfies ThroughputSpec;

/** The scheduler's metrics. */
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
      help: "Commands requested, by kind and cause: cron, health, commit, contract",
      labelNames: ["kind", "cause"],
      registers,
    }),
    tables: new Gauge({ name: "tributary_scheduler_tables", help: "Tables the scheduler maintains", registers }),
    checks: new Gauge({
      name: "tributary_quality_checks",
      help: "Checks of a table's contract by their last result: passed, failed, error",
      labelNames: ["table", "status"],
      registers,
    }),
    heldBackSeconds: new Gauge({
      name: "tributary_quality_gate_held_back_seconds",
      help: "Seconds for which failing checks have held back <table>_trusted; 0 if it is not held back",
      labelNames: ["table"],
      registers,
    }),
  };
}
