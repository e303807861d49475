import type { BlobStore } from "../../lib/blob/blob-store.ts";
import {
  Counter,
  throughputMetrics,
  Gauge,
  Histogram,
  type ThroughputMetrics,
  type ThroughputSpec,
  type Registry,
} from "../../lib/process/metrics.ts";

export const GATEWAY_THROUGHPUT = {
  received: {
    file: "a file begins to come in, by upload or from the drops",
    deletion: "a dropped file is found gone",
  },
  sent: {
    file: "a file's event is durable",
    deletion: "a deletion's event is durable",
    replay: "the event that repeats a past file is durable",
    command: "a command asked for over HTTP is durable",
  },
  dropped: {
    drop_unfit: {
      intentional: true,
      when: "a dropped object's name tells no table, or is no file's; it stays where it is",
    },
    undecodable: { intentional: false, when: "an event of the log cannot be read; what it said is not shown" },
  },
} as const satisfies ThroughputSpec;

/** Every metric of the gateway; docs/metrics.md describes them. */
export interface GatewayMetrics {
  throughput: ThroughputMetrics<typeof GATEWAY_THROUGHPUT>;
  /** `route` is the pattern, never the path. */
  requestSeconds: Histogram<"method" | "route" | "status">;
  uploadBytes: Counter;
  uploadsRunning: Gauge;
  waiters: Gauge;
  eventStreams: Gauge;
  /** 1 while a file of keys or certificates as it stands cannot be used, and the older state holds. */
  staleFiles: Gauge<"file">;
}

export function gatewayMetrics(registry: Registry): GatewayMetrics {
  const registers = [registry];
  return {
    throughput: throughputMetrics(registry, "gateway", GATEWAY_THROUGHPUT),
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
  };
}

/** How full the disk of the blob store is, asked at each scrape. Stores that do not know (S3) have no series. */
export function registerDisk(registry: Registry, blob: BlobStore): void {
  new Gauge({
    name: "tributary_disk_bytes",
    help: "The blob store's disk, where it is a folder: total and free",
    labelNames: ["kind"],
    registers: [registry],
    async collect() {
      this.reset();
      const space = await blob.space().catch(() => undefined);
      if (!space) return;
      this.set({ kind: "total" }, space.totalBytes);
      this.set({ kind: "free" }, space.freeBytes);
    },
  });
}
