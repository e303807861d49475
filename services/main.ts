/**
 * Runs all services except the registrar in one process. It uses the embedded adapters unless the
 * environment names others.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Service } from "../lib/process/service.ts";
import { committerConfig, committerSettings } from "./committer/config.ts";
import { writerObserver } from "./committer/gate-metrics.ts";
import { startCommitter } from "./committer/service.ts";
import { gatewayConfig } from "./gateway/config.ts";
import { startGateway } from "./gateway/service.ts";
import { parserConfig, parserSettings } from "./parser/config.ts";
import { startParser } from "./parser/service.ts";
import { runProcess } from "./run-service.ts";
import { schedulerConfig, schedulerSettings } from "./scheduler/config.ts";
import { startScheduler } from "./scheduler/service.ts";

const LAG_EVERY_MS = 2_000;

const configs = [gatewayConfig, parserConfig, committerConfig, schedulerConfig] as const;

await runProcess("tributary", configs, async (context) => {
  const { settings, scope, ports, clock, logger, registry, read, tracer } = context;
  const folder = resolve(settings.TRIBUTARY_DATA_DIR);
  const isNew = !existsSync(folder);
  const shared = {
    log: await ports.log(),
    blob: await ports.blob(),
    warehouse: await ports.warehouse(writerObserver(registry, context.loggerOf("committer"))),
    contracts: context.contracts(),
    clock,
    registry,
  };
  const partsOf = (service: string) => ({ ...shared, logger: context.loggerOf(service) });
  const traced = async (service: string) => ({ ...partsOf(service), tracer: await tracer(service) });
  const drain = (service: Service): Promise<void> => service.drain();

  // The last service opened is drained first: the gateway stops accepting files, and the other services
  // process those that it has accepted.
  const scheduling = schedulerSettings(read(schedulerConfig));
  scope.own("scheduler", await startScheduler({ ...partsOf("scheduler"), settings: scheduling }), drain);
  const committing = committerSettings(read(committerConfig));
  scope.own("committer", await startCommitter({ ...(await traced("committer")), settings: committing }), drain);
  const parsing = parserSettings(read(parserConfig));
  scope.own("parser", await startParser({ ...(await traced("parser")), settings: parsing }), drain);
  context.followLag(shared.log, LAG_EVERY_MS);
  const gateway = await startGateway({
    ...(await traced("gateway")),
    drops: await ports.drops(),
    settings,
    ca: ports.ca,
    metricsPublic: settings.TRIBUTARY_METRICS_PUBLIC,
    audit: context.auditLog(settings.TRIBUTARY_AUDIT_FILE),
  });
  scope.own("gateway", gateway, drain);
  const data = isNew ? `${folder} (new)` : folder;
  logger.info(`Tributary at ${gateway.url} (API page: ${gateway.url}/docs), data in ${data}`);
});
