import {
  closedCounter,
  flowMetrics,
  Gauge,
  type Counter,
  type FlowMetrics,
  type FlowSpec,
  type Registry,
} from "../../lib/service/metrics.ts";

export const REGISTRAR_FLOW = {
  received: {
    "table-schemas": "a table's columns are folded, those of the past at each start",
    commits: "a commit is, those of the past at each start",
  },
  sent: { dataset: "Superset has a table's dataset with its columns" },
  dropped: { undecodable: { intentional: false, when: "a record of these topics cannot be read" } },
} as const satisfies FlowSpec;

/** Everything the registrar counts. */
export interface RegistrarMetrics {
  flow: FlowMetrics<typeof REGISTRAR_FLOW>;
  datasets: Counter<"outcome">;
  pending: Gauge;
}

export function registrarMetrics(registry: Registry): RegistrarMetrics {
  const registers = [registry];
  return {
    flow: flowMetrics(registry, "registrar", REGISTRAR_FLOW),
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
