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
    file: "a file begins to arrive, by upload or from the drops",
    deletion: "a dropped file is found to be deleted",
  },
  sent: {
    file: "a file's event is durable",
    deletion: "a deletion's event is durable",
    replay: "the event that replays a past file, or publishes it under a new name of its table, is durable",
    command: "a command requested over HTTP is durable",
    skip: "the request to set a file aside is durable",
    operation: "the event of an undo, or of a dropped, rebuilt or renamed table, is durable",
    decision: "the decision about a held file is durable",
  },
  dropped: {
    drop_unfit: {
      intentional: true,
      when: "a dropped object's name gives no table, is not a CSV file name or means the file of another object, or it is no regular file; it stays in the store",
    },
    repeated_file: { intentional: true, when: "an upload or drop has the content of the newest version of its file" },
    undecodable: { intentional: false, when: "an event of the log cannot be decoded; the gateway skips it" },
  },
} as const satisfies ThroughputSpec;

/** Every metric of the gateway; docs/metrics.md describes them. */
export interface GatewayMetrics {
  throughput: ThroughputMetrics<typeof GATEWAY_THROUGHPUT>;
  /** `route` is the route pattern, never the path. */
  requestSeconds: Histogram<"method" | "route" | "status">;
  uploadBytes: Counter;
  uploadsRunning: Gauge;
  waiters: Gauge;
  /** On the gateway that watches the drops. */
  dropsHeld: Gauge;
  dropsUnfit: Gauge;
  dropsSkipped: Gauge<"reason">;
  eventStreams: Gauge;
  /** 1 while the current keys or certificate file is unusable and an older version is in use. */
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
      help: "Requests that wait until their file is queryable",
      registers,
    }),
    dropsHeld: new Gauge({
      name: "tributary_drops_deletions_held",
      help: "Missing dropped objects whose deletion waits for a confirmation (tributary drops)",
      registers,
    }),
    dropsUnfit: new Gauge({
      name: "tributary_drops_unfit",
      help: "Objects in the drop store that are not ingested, without hidden and unfinished ones",
      registers,
    }),
    dropsSkipped: new Gauge({
      name: "tributary_drops_skipped",
      help: "Objects in the drop store that are not ingested, by reason (tributary drops lists them)",
      labelNames: ["reason"],
      registers,
    }),
    eventStreams: new Gauge({ name: "tributary_event_streams", help: "Clients of /v1/events", registers }),
    staleFiles: new Gauge({
      name: "tributary_stale_files",
      help: "1 while the changed API keys file (api-keys) or certificate (tls) is unusable and the old version is in use",
      labelNames: ["file"],
      registers,
    }),
  };
}

/** Reports the held files of each table at each scrape. */
export function registerHeldFiles(registry: Registry, heldFiles: () => ReadonlyMap<string, number>): void {
  new Gauge({
    name: "tributary_files_held",
    help: "Files that wait until somebody accepts or refuses them (tributary status --status held), by table; every gateway counts the same ones",
    labelNames: ["table"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [table, files] of heldFiles()) this.set({ table }, files);
    },
  });
}

/**
 * Reports the size and free space of the blob store's disk at each scrape. Absent for stores without one
 * (S3).
 */
export function registerDisk(registry: Registry, blob: BlobStore): void {
  new Gauge({
    name: "tributary_disk_bytes",
    help: "Total and free bytes of the blob store's disk; absent if the store is not a folder",
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
