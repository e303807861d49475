/** Compares the four counters of a component with their specification. */
import assert from "node:assert/strict";
import type { ThroughputSpec, Registry } from "../../lib/process/metrics.ts";
import { until } from "./until.ts";

/**
 * The four counters of a component, without zeros. `errors` by code; an unintentional reason has a `!`
 * prefix.
 */
export interface Flow {
  received: Record<string, number>;
  sent: Record<string, number>;
  errors: Record<string, number>;
  dropped: Record<string, number>;
}

const COUNTERS = { received: "kind", sent: "kind", errors: "code", dropped: "reason" } as const;

export async function flowOf(registry: Registry, component: string): Promise<Flow> {
  const flow: Flow = { received: {}, sent: {}, errors: {}, dropped: {} };
  for (const metric of await registry.getMetricsAsJSON()) {
    const counter = /^tributary_(received|sent|errors|dropped)_total$/.exec(metric.name)?.[1] as keyof Flow | undefined;
    if (!counter) continue;
    for (const { labels, value } of metric.values as { labels: Record<string, string>; value: number }[]) {
      if (labels["component"] !== component || value === 0) continue;
      const mark = labels["intentional"] === "false" ? "!" : "";
      flow[counter][`${labels[COUNTERS[counter]]}${mark}`] = value;
    }
  }
  return flow;
}

/** Waits until the component has counted exactly `expected`. Returns its counters. */
export async function assertFlow(registry: Registry, component: string, expected: Partial<Flow>): Promise<Flow> {
  const wanted = { received: {}, sent: {}, errors: {}, dropped: {}, ...expected };
  const isWanted = async (): Promise<boolean> => {
    try {
      assert.deepEqual(await flowOf(registry, component), wanted);
      return true;
    } catch {
      return false;
    }
  };
  await until(`${component} has counted`, isWanted, 5_000).catch(() => undefined);
  const flow = await flowOf(registry, component);
  assert.deepEqual(flow, wanted);
  return flow;
}

/** Entries of the specification that none of the flows has counted. */
export function uncounted(spec: ThroughputSpec, flows: readonly Flow[]): string[] {
  const names = (part: "received" | "sent" | "dropped"): string[] =>
    Object.keys(spec[part]).map((name) => (part === "dropped" && !spec.dropped[name]!.intentional ? `${name}!` : name));
  return (["received", "sent", "dropped"] as const).flatMap((part) =>
    names(part)
      .filter((name) => !flows.some((flow) => name in flow[part]))
      .map((name) => `${part} ${name}`),
  );
}

/** The value of one series in /metrics; undefined if the series does not exist. */
export async function seriesOf(registry: Registry, series: string): Promise<number | undefined> {
  const line = (await registry.metrics()).split("\n").find((text) => text.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
