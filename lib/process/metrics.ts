import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ErrorCode } from "../errors.ts";

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

/** What is let go: on purpose and harmlessly, or because something is wrong; and when it is counted. */
export interface Drop {
  readonly intentional: boolean;
  readonly when: string;
}

/** What a component's four counters may say, and when each is incremented. docs/metrics.md shows it, tests hold each component to it. */
export interface ThroughputSpec {
  readonly received: Readonly<Record<string, string>>;
  readonly sent: Readonly<Record<string, string>>;
  readonly dropped: Readonly<Record<string, Drop>>;
}

/** The four counters every component owes. Their labels are the specification's: a closed set. */
export interface ThroughputMetrics<Spec extends ThroughputSpec = ThroughputSpec> {
  /** Taken in; counted again when it is delivered again. */
  received(kind: keyof Spec["received"] & string, n?: number): void;
  /** Only after success. */
  sent(kind: keyof Spec["sent"] & string, n?: number): void;
  /** Each attempt that failed, also those that are made again. */
  error(code: ErrorCode): void;
  /** Never work that is tried again. */
  dropped(reason: keyof Spec["dropped"] & string, n?: number): void;
}

/** Begins all its series at 0, so that the first event of a process is seen as an increase. Components of one process share the metrics. */
export function throughputMetrics<Spec extends ThroughputSpec>(
  registry: Registry,
  component: string,
  spec: Spec,
): ThroughputMetrics<Spec> {
  const counter = <Label extends string>(name: string, help: string, labels: Label[]): Counter<"component" | Label> => {
    const existing = registry.getSingleMetric(name) as Counter<"component" | Label> | undefined;
    return existing ?? new Counter({ name, help, labelNames: ["component", ...labels], registers: [registry] });
  };
  const received = counter("tributary_received_total", "Events taken in", ["kind"]);
  const sent = counter("tributary_sent_total", "Events or rows handed on, counted after success", ["kind"]);
  const errors = counter("tributary_errors_total", "Failed attempts by error code, those made again included", [
    "code",
  ]);
  const dropped = counter("tributary_dropped_total", "Events or rows let go, work that is tried again not included", [
    "reason",
    "intentional",
  ]);
  const labelsOf = (reason: string): { component: string; reason: string; intentional: string } => ({
    component,
    reason,
    intentional: String(spec.dropped[reason]!.intentional),
  });
  for (const kind of Object.keys(spec.received)) received.inc({ component, kind }, 0);
  for (const kind of Object.keys(spec.sent)) sent.inc({ component, kind }, 0);
  for (const reason of Object.keys(spec.dropped)) dropped.inc(labelsOf(reason), 0);
  return {
    received: (kind, n = 1) => received.inc({ component, kind }, n),
    sent: (kind, n = 1) => sent.inc({ component, kind }, n),
    error: (code) => errors.inc({ component, code }),
    dropped: (reason, n = 1) => dropped.inc(labelsOf(reason), n),
  };
}

/** A counter whose one label has a closed set of values, each of which begins at 0. */
export function closedCounter<Label extends string>(
  registry: Registry,
  about: { name: string; help: string; label: Label; values: readonly string[] },
): Counter<Label> {
  const { name, help, label, values } = about;
  const counter = new Counter({ name, help, labelNames: [label], registers: [registry] });
  for (const value of values) counter.inc({ [label]: value } as Record<Label, string>, 0);
  return counter;
}
