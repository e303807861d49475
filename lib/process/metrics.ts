import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ErrorCode } from "../errors.ts";
import { ownOf } from "../own.ts";

export { Counter, Gauge, Histogram, Registry };

/** A registry with the process metrics (event-loop delay, memory, CPU) and build info. */
export function makeRegistry(version: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "tributary_build_info",
    help: "Always 1; the label holds the version",
    labelNames: ["version"],
    registers: [registry],
  }).set({ version }, 1);
  return registry;
}

/** Contract files that are not in force as they are now. */
export const contractsFaultyGauge = (registry: Registry): Gauge =>
  new Gauge({
    name: "tributary_contracts_faulty",
    help: "Contract files that are faulty or unreadable: an earlier version is in force, or the table accepts no files",
    registers: [registry],
  });

/** A reason for dropping work: intentional (harmless) or not (a fault), and when it is counted. */
export interface Drop {
  readonly intentional: boolean;
  readonly when: string;
}

/**
 * The label values of a component's four counters, and when each is incremented. docs/metrics.md lists them;
 * tests check every component against them.
 */
export interface ThroughputSpec {
  readonly received: Readonly<Record<string, string>>;
  readonly sent: Readonly<Record<string, string>>;
  readonly dropped: Readonly<Record<string, Drop>>;
}

/** The four counters of every component. Only label values of the specification are allowed. */
export interface ThroughputMetrics<Spec extends ThroughputSpec = ThroughputSpec> {
  /** Received work; counted again on redelivery. */
  received(kind: keyof Spec["received"] & string, n?: number): void;
  /** Completed work, counted after success. */
  sent(kind: keyof Spec["sent"] & string, n?: number): void;
  /** Each failed attempt, including those that are retried. */
  error(code: ErrorCode): void;
  /** Dropped work; never work that is retried. */
  dropped(reason: keyof Spec["dropped"] & string, n?: number): void;
}

/**
 * Creates the component's counters. All series start at 0, so that the first event counts as an increase.
 * Components of one process share the metrics.
 */
export function throughputMetrics<Spec extends ThroughputSpec>(
  registry: Registry,
  component: string,
  spec: Spec,
): ThroughputMetrics<Spec> {
  const counter = <Label extends string>(name: string, help: string, labels: Label[]): Counter<"component" | Label> => {
    const existing = registry.getSingleMetric(name) as Counter<"component" | Label> | undefined;
    return existing ?? new Counter({ name, help, labelNames: ["component", ...labels], registers: [registry] });
  };
  const received = counter("tributary_received_total", "Events received", ["kind"]);
  const sent = counter("tributary_sent_total", "Events or rows sent, counted after success", ["kind"]);
  const errors = counter("tributary_errors_total", "Failed attempts by error code, including retried ones", ["code"]);
  const dropped = counter("tributary_dropped_total", "Events or rows dropped, not including retried work", [
    "reason",
    "intentional",
  ]);
  const labelsOf = (reason: string): { component: string; reason: string; intentional: string } => ({
    component,
    reason,
    intentional: String(ownOf(spec.dropped, reason)!.intentional),
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

/** A counter with one label that has a fixed set of values. Every series starts at 0. */
export function closedCounter<Label extends string>(
  registry: Registry,
  about: { name: string; help: string; label: Label; values: readonly string[] },
): Counter<Label> {
  const { name, help, label, values } = about;
  const counter = new Counter({ name, help, labelNames: [label], registers: [registry] });
  for (const value of values) counter.inc({ [label]: value } as Record<Label, string>, 0);
  return counter;
}
