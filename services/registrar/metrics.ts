import { Counter, flowMetrics, Gauge, type FlowMetrics, type Registry } from "../../lib/service/metrics.ts";

/** Everything the registrar counts. */
export interface RegistrarMetrics {
  flow: FlowMetrics;
  datasets: Counter<"outcome">;
  pending: Gauge;
}

export function registrarMetrics(registry: Registry): RegistrarMetrics {
  const registers = [registry];
  return {
    flow: flowMetrics(registry, "registrar"),
    datasets: new Counter({
      name: "tributary_registrar_datasets_total",
      help: "Datasets in Superset by what was done: registered, refreshed, failed (failed dashboards included)",
      labelNames: ["outcome"],
      registers,
    }),
    pending: new Gauge({
      name: "tributary_registrar_pending",
      help: "Tables whose dataset in Superset is missing or lacks columns, and dashboards that are not there yet",
      registers,
    }),
  };
}
