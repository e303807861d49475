/**
 * Opens the ports of a process by URL, and its tracer. Only main.ts files use it: services receive ports as
 * arguments.
 */
import { openBlobStore, type BlobStoreOptions } from "../lib/blob/open.ts";
import type { BlobStore } from "../lib/blob/blob-store.ts";
import type { Clock } from "../lib/clock.ts";
import { withEpochs } from "../lib/event-log/recreation/epochs.ts";
import { openEventLog } from "../lib/event-log/open.ts";
import { createFileEvents } from "../lib/event-log/prepare-topics.ts";
import type { EventLog, LogRecord } from "../lib/event-log/event-log.ts";
import { portUrls, restCatalogOf, type PlatformSettings } from "../lib/process/config.ts";
import type { Logger } from "../lib/process/logger.ts";
import type { Scope } from "../lib/process/scope.ts";
import { certificatesOf, defined, kafkaAccessOf, s3AccessOf } from "../lib/process/settings/access.ts";
import { untraced, type Tracer } from "../lib/process/tracing.ts";
import type { Fallback, GateEvent } from "../lib/warehouse/gate-events.ts";
import { openWarehouse, type WarehouseOptions } from "../lib/warehouse/open.ts";
import type { Warehouse } from "../lib/warehouse/warehouse.ts";

export interface WarehouseObserver {
  /** What happens at the gate in front of an Iceberg REST catalog. */
  onGateEvent?: (event: GateEvent) => void;
  /** Trino writes what DuckDB's Iceberg writer guards against. */
  onFallback?: (fallback: Fallback) => void;
}

export interface Ports {
  /** The certificates that TLS trusts; undefined if these are only Node's own. */
  ca: string[] | undefined;
  log(): Promise<EventLog>;
  blob(): Promise<BlobStore>;
  drops(): Promise<BlobStore>;
  warehouse(observer?: WarehouseObserver): Promise<Warehouse>;
  tracer(service: string, version: string): Promise<Tracer>;
}

/**
 * Opens each port at its first use and closes it with the scope. Credentials come from the settings, never
 * from a URL.
 */
export function portsOf(scope: Scope, settings: PlatformSettings, clock: Clock, logger: Logger): Ports {
  const urls = portUrls(settings);
  const ca = certificatesOf(settings);
  const s3 = s3AccessOf(settings);
  const store = async (url: string): Promise<BlobStore> =>
    scope.own(url, await openBlobStore(url, { s3 }), (blob) => blob.close());
  return {
    ca,
    async log() {
      const onError = (err: unknown): void => logger.warn({ err }, "the event log reports a failure");
      const onUnreadable = (err: unknown, { topic, offset }: LogRecord): void =>
        logger.error({ topic, offset, err }, "record skipped: it cannot be decoded");
      // Uploads stop at the full mark. What they left in the log may use the upper half of it for its rows.
      const rowsFreeBytesMin = settings.TRIBUTARY_DISK_FREE_MIN / 2;
      const opened = await openEventLog(urls.log, { clock, onError, rowsFreeBytesMin, ...kafkaAccessOf(settings) });
      const log = scope.own("event log", await withEpochs(opened, onUnreadable), (owned) => owned.close());
      await createFileEvents(log, settings.TRIBUTARY_LOG_PARTITIONS);
      return log;
    },
    blob: () => store(urls.blob),
    drops: () => store(urls.drops),
    async warehouse(observer = {}) {
      const given = { clock, ca, store, s3, observer };
      const opened = await openWarehouse(urls.warehouse, await warehouseOptions(settings, logger, given));
      return scope.own("warehouse", opened, (warehouse) => warehouse.close());
    },
    async tracer(service, version) {
      const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, TRIBUTARY_TRACES_SHARE: share } = settings;
      if (endpoint === undefined) return untraced;
      const { openOtlpTracer } = await import("../lib/process/tracing-otlp.ts");
      const onError = (err: unknown): void => logger.warn({ err, endpoint }, "traces cannot be sent");
      const about = { endpoint, share, service: `tributary-${service}`, version, clock, onError };
      return scope.own("tracer", openOtlpTracer(about), (tracer) => tracer.close());
    },
  };
}

interface GivenToWarehouse {
  clock: Clock;
  ca: string[] | undefined;
  s3: NonNullable<BlobStoreOptions["s3"]>;
  /** Opens a store that the scope closes. */
  store: (url: string) => Promise<BlobStore>;
  observer: WarehouseObserver;
}

async function warehouseOptions(
  settings: PlatformSettings,
  logger: Logger,
  { clock, ca, s3, store, observer }: GivenToWarehouse,
): Promise<WarehouseOptions> {
  const { TRIBUTARY_STAGING_URL: staging, TRIBUTARY_DUCKDB_EXTENSIONS_DIR: extensionsFolder } = settings;
  const trino = {
    ...defined({ password: settings.TRIBUTARY_TRINO_PASSWORD, ca }),
    userQueries: {
      memoryBytesMax: settings.TRIBUTARY_TRINO_QUERY_MEMORY_MAX,
      scanBytesMax: settings.TRIBUTARY_TRINO_QUERY_SCAN_MAX,
      cpuMsMax: settings.TRIBUTARY_TRINO_QUERY_CPU_MAX,
    },
    warn: (detail: string): void => logger.warn({ detail }, "the warehouse reports a problem"),
    ...(staging === undefined ? {} : { staging: await store(staging) }),
  };
  const firstStart = {
    onExamining: (uri: string): void => logger.info({ uri }, "examining an unknown catalog, up to a minute"),
    onExamined: ({ fit, reasons, catalog: uri }: { fit: boolean; reasons: string[]; catalog: string }): void =>
      logger[fit ? "info" : "error"]({ uri, reasons }, fit ? "the catalog is fit" : "the catalog is not fit"),
  };
  const { TRIBUTARY_REST_CATALOG_TRINO_NAME: trinoCatalog, TRIBUTARY_COMMIT_MEMORY_MAX: memoryBytesMax } = settings;
  const iceberg = { catalog: restCatalogOf(settings), s3, openBucket: store, firstStart, trinoCatalog, memoryBytesMax };
  const { onGateEvent, onFallback } = observer;
  return {
    clock,
    engine: settings.TRIBUTARY_COMMIT_ENGINE,
    trino,
    iceberg: { ...iceberg, ...defined({ ca, extensionsFolder, onGateEvent }) },
    ...defined({ onFallback }),
  };
}
