import {
  closedCounter,
  throughputMetrics,
  Gauge,
  type Counter,
  type ThroughputMetrics,
  type ThroughputSpec,
  type Registry,
} from "../../lib/process/metrics.ts";

export const REGISTRAR_THROUGHPUT = {
  received: {
    "table-schemas": "a table's columns are folded, those of the past at each start",
    commits: "a commit is, those of the past at each start",
  },
  sent: { dataset: "Superset has a table's dataset with its columns" },
  dropped: { undecodable: { intentional: false, when: "a record of these topics cannot be read" } },
} as const satisfies ThroughputSpec;

/** Everything the registrar counts. */
export interface RegistrarMetrics {
  throughput: ThroughputMetrics<typeof REGISTRAR_THROUGHPUT>;
  datasets: Counter<"outcome">;
  pending: Gauge;
}

export function registrarMetrics(registry: Registry): RegistrarMetrics {
  const registers = [registry];
  return {
    throughput: throughputMetrics(registry, "registrar", REGISTRAR_THROUGHPUT),
    datasets: closedCounter(registry, {
      name: "tributary_registrar_datasets_total",
      help: "Datasets in Superset by what was done: registered, refreshed, failed (failed dashboards included)",
      label: "outcome",
      values: ["registered", "refreshed", "failed"],
    }),
    pending: new Gauge({
      name: "tributary_registrar_pending",
      help: "Tables whose dataset in Superset is missing or lacks columns, and dashboards that are not there yet",
      registers,
    }),
  };
}
