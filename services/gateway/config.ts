import { z } from "zod";
import { byteSize, count, duration, maintenanceSettings, platformSettings, port } from "../../lib/service/config.ts";

/** The gateway's settings, by environment variable. Every limit that a request can meet stands here. */
export const gatewaySettings = {
  TRIBUTARY_HOST: z
    .string()
    .default("127.0.0.1")
    .describe("address to listen on; any but a loopback address needs API keys"),
  TRIBUTARY_PORT: port.default(8080).describe("0: any free port"),
  TRIBUTARY_API_KEYS_FILE: z
    .string()
    .optional()
    .describe("YAML or JSON list of {id, sha256, scopes: [upload, read, query, admin]}"),
  TRIBUTARY_UPLOAD_SIZE_MAX: byteSize.prefault("64GB").describe("stored bytes of one file"),
  TRIBUTARY_UPLOADS_MAX: count.default(32).describe("uploads at the same time; beyond: 503 with Retry-After"),
  TRIBUTARY_UPLOAD_IDLE_MAX: duration.prefault("60s").describe("an upload that moves no byte for so long is given up"),
  TRIBUTARY_DISK_FREE_MIN: byteSize
    .prefault("1GB")
    .describe("no upload begins when the blob store's volume would be left with less"),
  TRIBUTARY_MULTIPART_FILES_MAX: count.default(1000).describe("files in one multipart upload"),
  TRIBUTARY_WAIT_MAX: duration.prefault("10m").describe("longest `timeout` of ?wait=committed"),
  TRIBUTARY_WAITERS_MAX: count
    .default(1000)
    .describe("requests waiting at the same time; beyond: 503 with Retry-After"),
  TRIBUTARY_PREVIEW_SIZE_MAX: byteSize.prefault("1MB").describe("text that a preview looks at; the rest is not read"),
  TRIBUTARY_QUERY_ROWS_MAX: count.default(10_000).describe("rows of one answer; more are cut off and it says so"),
  TRIBUTARY_QUERY_TIMEOUT: duration.prefault("60s"),
  TRIBUTARY_QUERIES_MAX: count.default(16).describe("queries at the same time; beyond: 503 with Retry-After"),
  TRIBUTARY_DROPS_POLL: duration
    .optional()
    .describe("time between two listings of the drops; default 5s for a bucket, 500ms for a folder"),
  TRIBUTARY_DROPS_SETTLE: duration
    .optional()
    .describe("in a folder, a file that looked the same for so long is taken for whole; default 1s"),
  TRIBUTARY_FILES_REMEMBERED: count
    .default(100_000)
    .describe("newest files whose status is held in memory; older ones are read from _ingest_files"),
  TRIBUTARY_EVENT_STREAMS_MAX: count.default(100).describe("clients of /v1/events at the same time"),
  TRIBUTARY_RATE_LIMIT: z.coerce
    .number()
    .int()
    .min(0)
    .default(0)
    .describe("requests a minute of one key (or address, without keys); 0: no limit"),
  ...maintenanceSettings,
} as const;

/** The gateway's settings in a process's environment. */
export const gatewayConfig = z.object({ ...platformSettings, ...gatewaySettings });

export type GatewaySettings = z.infer<z.ZodObject<typeof gatewaySettings>>;
