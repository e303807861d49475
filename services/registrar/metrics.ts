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
    "table-schemas": "a table schema event is read; each start reads all of them",
    commits: "a commit event is read; each start reads all of them",
  },
  sent: { dataset: "Superset has stored a table's dataset with its columns" },
  dropped: { undecodable: { intentional: false, when: "a record of these topics cannot be decoded" } },
} as const satisfies ThroughputSpec;

/** The registrar's metrics. */
export interface RegistrarMetrics {
  throughput: ThroughputMetrics<typeof REGISTRAR_THROUGHPUT>;
  datasets: Counter<"outcome">;
  pending: Gauge;
  supersetUp: Gauge;
}

export function registrarMetrics(registry: Registry): RegistrarMetrics {
  const registers = [registry];
  return {
    throughput: throughputMetrics(registry, "registrar", REGISTRAR_THROUGHPUT),
    datasets: closedCounter(registry, {
      name: "tributary_registrar_datasets_total",
      help: "Datasets in Superset by outcome: registered, refreshed, failed (includes failed dashboards)",
      label: "outcome",
      values: ["registered", "refreshed", "failed"],
    }),
    pending: new Gauge({
      name: "tributary_registrar_pending",
      help: "Tables whose dataset in Superset is missing or lacks columns, plus missing dashboards",
      registers,
    }),
    supersetUp: new Gauge({
      name: "tributary_superset_up",
      help: "1 if Superset answers its health check, asked every 30 s; otherwise 0",
      registers,
    }),
  };
}
