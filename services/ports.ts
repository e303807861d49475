/** Opens the ports a process needs, by URL. Used by main.ts files only: services themselves get ports as arguments. */
import { openBlobStore } from "../lib/blob/open.ts";
import type { BlobStore } from "../lib/blob/blob-store.ts";
import type { Clock } from "../lib/clock.ts";
import { withEpochs } from "../lib/event-log/epochs.ts";
import { openEventLog } from "../lib/event-log/open.ts";
import type { EventLog } from "../lib/event-log/event-log.ts";
import { portUrls, type PlatformSettings } from "../lib/service/config.ts";
import type { Logger } from "../lib/service/logger.ts";
import type { Scope } from "../lib/service/scope.ts";
import { openWarehouse } from "../lib/warehouse/open.ts";
import type { Warehouse } from "../lib/warehouse/warehouse.ts";

export interface Ports {
  log(): Promise<EventLog>;
  blob(): Promise<BlobStore>;
  drops(): Promise<BlobStore>;
  warehouse(): Promise<Warehouse>;
}

/** Each port is opened at its first use and closed with the scope. Credentials come from the settings, never from a URL. */
export function portsOf(scope: Scope, settings: PlatformSettings, clock: Clock, logger: Logger): Ports {
  const urls = portUrls(settings);
  const s3 = {
    endpoint: settings.TRIBUTARY_S3_ENDPOINT,
    region: settings.TRIBUTARY_S3_REGION,
    accessKey: settings.TRIBUTARY_S3_ACCESS_KEY,
    secretKey: settings.TRIBUTARY_S3_SECRET_KEY,
  };
  const store = async (url: string): Promise<BlobStore> =>
    scope.own(url, await openBlobStore(url, { s3: defined(s3) }), (blob) => blob.close());
  return {
    async log() {
      const onError = (err: unknown): void => logger.warn({ err }, "event log");
      const opened = await openEventLog(urls.log, { clock, onError });
      return scope.own("event log", await withEpochs(opened), (log) => log.close());
    },
    blob: () => store(urls.blob),
    drops: () => store(urls.drops),
    async warehouse() {
      const staging = settings.TRIBUTARY_STAGING_URL;
      const trino = staging === undefined ? {} : { staging: await store(staging) };
      const opened = await openWarehouse(urls.warehouse, { clock, trino });
      return scope.own("warehouse", opened, (warehouse) => warehouse.close());
    },
  };
}

/** Without the entries that are undefined. */
function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
