import { Counter, flowMetrics, Gauge, type FlowMetrics, type Registry } from "../../lib/service/metrics.ts";

/** Everything the scheduler counts. */
export interface SchedulerMetrics {
  flow: FlowMetrics;
  commands: Counter<"kind" | "cause">;
  tables: Gauge;
}

export function schedulerMetrics(registry: Registry): SchedulerMetrics {
  const registers = [registry];
  return {
    flow: flowMetrics(registry, "scheduler"),
    commands: new Counter({
      name: "tributary_scheduler_commands_total",
      help: "Commands asked for, by kind and cause: cron, health, commit",
      labelNames: ["kind", "cause"],
      registers,
    }),
    tables: new Gauge({ name: "tributary_scheduler_tables", help: "Tables the scheduler looks after", registers }),
  };
}
