import { Counter, flowMetrics, Gauge, Histogram, type FlowMetrics, type Registry } from "../../lib/service/metrics.ts";

/** Every metric of the gateway; docs/metrics.md describes them. */
export interface GatewayMetrics {
  flow: FlowMetrics;
  /** `route` is the pattern, never the path. */
  requestSeconds: Histogram<"method" | "route" | "status">;
  uploadBytes: Counter;
  uploadsRunning: Gauge;
  waiters: Gauge;
  eventStreams: Gauge;
  /** 1 while a file of keys or certificates as it stands cannot be used, and the older state holds. */
  staleFiles: Gauge<"file">;
  /** From arrival to queryable, as every gateway sees it: average over gateways, do not add. */
  fileSeconds: Histogram;
}

export function gatewayMetrics(registry: Registry): GatewayMetrics {
  const registers = [registry];
  return {
    flow: flowMetrics(registry, "gateway"),
    requestSeconds: new Histogram({
      name: "tributary_http_request_seconds",
      help: "HTTP requests by method, route pattern and status",
      labelNames: ["method", "route", "status"],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    }),
    uploadBytes: new Counter({
      name: "tributary_ingest_bytes_total",
      help: "Bytes of raw files stored, uploads and drops",
      registers,
    }),
    uploadsRunning: new Gauge({ name: "tributary_uploads_running", help: "Uploads in progress", registers }),
    waiters: new Gauge({
      name: "tributary_waiters",
      help: "Requests that wait for their file to be queryable",
      registers,
    }),
    eventStreams: new Gauge({ name: "tributary_event_streams", help: "Clients of /v1/events", registers }),
    staleFiles: new Gauge({
      name: "tributary_stale_files",
      help: "1 while the changed file of API keys (api-keys) or the certificate (tls) cannot be used, and the older state holds",
      labelNames: ["file"],
      registers,
    }),
    fileSeconds: new Histogram({
      name: "tributary_file_seconds",
      help: "Files from arrival to queryable",
      buckets: [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
      registers,
    }),
  };
}
