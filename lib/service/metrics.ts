import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

export { Counter, Gauge, Histogram, Registry };

/** A registry with the process's own metrics (event-loop delay, memory, CPU) and build info. */
export function makeRegistry(version: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "tributary_build_info",
    help: "1, labelled with the version",
    labelNames: ["version"],
    registers: [registry],
  }).set({ version }, 1);
  return registry;
}

/** The four counters every component owes, at the moments docs/metrics.md specifies. `kind` is from a closed set per component. */
export interface FlowMetrics {
  received(kind: string, n?: number): void;
  /** Only after success. */
  sent(kind: string, n?: number): void;
  /** `code` is an error code, never a message. */
  error(code: string): void;
  dropped(reason: string, n?: number): void;
}

export function flowMetrics(registry: Registry, component: string): FlowMetrics {
  const counter = (name: string, help: string, label: string): Counter => {
    const existing = registry.getSingleMetric(name);
    return existing
      ? (existing as Counter)
      : new Counter({ name, help, labelNames: ["component", label], registers: [registry] });
  };
  const received = counter("tributary_received_total", "Events or rows taken in", "kind");
  const sent = counter("tributary_sent_total", "Events or rows handed on, counted after success", "kind");
  const errors = counter("tributary_errors_total", "Failures by error code", "code");
  const dropped = counter(
    "tributary_dropped_total",
    "Events or rows let go on purpose, retried work not included",
    "reason",
  );
  return {
    received: (kind, n = 1) => received.inc({ component, kind }, n),
    sent: (kind, n = 1) => sent.inc({ component, kind }, n),
    error: (code) => errors.inc({ component, code }),
    dropped: (reason, n = 1) => dropped.inc({ component, reason }, n),
  };
}
