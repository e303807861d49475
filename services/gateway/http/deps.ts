import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { Contracts } from "../../../lib/contract/contract.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { Registry } from "../../../lib/process/metrics.ts";
import type { Warehouse } from "../../../lib/warehouse/warehouse.ts";
import type { Identities } from "../access/auth.ts";
import type { DropPoller } from "../drops/drops.ts";
import type { CommandClient } from "../commands/command-client.ts";
import type { GatewaySettings } from "../config.ts";
import type { FileView } from "../files/view.ts";
import type { Waiters } from "../files/waiters.ts";
import type { Ingest } from "../ingest/ingest.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { PreviewPool, WorkerPool } from "../../../lib/parsing/workers/worker-pool.ts";
import type { PublishedSchema } from "../../../lib/table-schemas/table-schemas.ts";
import type { TlsFiles } from "./tls.ts";

/** Everything the routes need. */
export interface GatewayDeps {
  log: EventLog;
  blob: BlobStore;
  warehouse: Warehouse;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  settings: GatewaySettings;
  metrics: GatewayMetrics;
  view: FileView;
  ingest: Ingest;
  /** Where previews, and files for dry runs, are parsed. */
  previews: PreviewPool & WorkerPool;
  waiters: Waiters;
  commands: CommandClient;
  /** By table: the schema that its committer published last. */
  schemas: ReadonlyMap<string, PublishedSchema>;
  /** The drop store and its watch, once it has started; undefined: nothing is watched. */
  drops: { url: string; poller(): DropPoller | undefined } | undefined;
  identities: Identities;
  /** Audit log. */
  audit: Logger;
  /** Undefined: plain HTTP. */
  tls: TlsFiles | undefined;
  /** /metrics needs no authentication. */
  metricsPublic: boolean;
  /** Aborts when the gateway drains, so that streams end. */
  draining: AbortSignal;
  /** @throws the error that keeps the gateway from working */
  ready: () => Promise<void>;
}

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;
