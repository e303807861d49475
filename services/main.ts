/** All four services in one process, on the embedded adapters unless the environment names others: `npm start`. */
import { systemClock } from "../lib/clock.ts";
import { loadContracts } from "../lib/contract/load.ts";
import { readConfig } from "../lib/process/config.ts";
import { startLagGauges } from "../lib/observability/lag.ts";
import { makeAuditLogger, makeLogger, secretsIn } from "../lib/process/logger.ts";
import { makeRegistry } from "../lib/process/metrics.ts";
import { run } from "../lib/process/run.ts";
import { version } from "../lib/process/version.ts";
import type { Service } from "../lib/process/service.ts";
import { committerConfig, committerSettings } from "./committer/config.ts";
import { startCommitter } from "./committer/service.ts";
import { gatewayConfig } from "./gateway/config.ts";
import { startGateway } from "./gateway/service.ts";
import { parserConfig, parserSettings } from "./parser/config.ts";
import { startParser } from "./parser/service.ts";
import { portsOf } from "./ports.ts";
import { schedulerConfig, schedulerSettings } from "./scheduler/config.ts";
import { startScheduler } from "./scheduler/service.ts";

const LAG_EVERY_MS = 2_000;
const env = process.env;
const logger = makeLogger({
  service: "tributary",
  level: env["TRIBUTARY_LOG_LEVEL"] ?? "info",
  pretty: process.stderr.isTTY,
  secrets: secretsIn(env),
});

await run(logger, async (scope) => {
  const settings = readConfig(gatewayConfig, env);
  const ports = portsOf(scope, settings, systemClock, logger);
  const shared = {
    log: await ports.log(),
    blob: await ports.blob(),
    warehouse: await ports.warehouse(),
    contracts: loadContracts(settings.TRIBUTARY_CONTRACTS_DIR),
    clock: systemClock,
    registry: makeRegistry(version),
  };
  const of = (service: string) => ({ ...shared, logger: logger.child({ service }) });
  const traced = async (service: string) => ({ ...of(service), tracer: await ports.tracer(service, version) });
  const drain = (service: Service): Promise<void> => service.drain();

  // Opened upstream last, so that draining closes the door first and lets what is inside run through.
  scope.own(
    "scheduler",
    await startScheduler({ ...of("scheduler"), settings: schedulerSettings(readConfig(schedulerConfig, env)) }),
    drain,
  );
  scope.own(
    "committer",
    await startCommitter({
      ...(await traced("committer")),
      settings: committerSettings(readConfig(committerConfig, env)),
    }),
    drain,
  );
  scope.own(
    "parser",
    await startParser({ ...(await traced("parser")), settings: parserSettings(readConfig(parserConfig, env)) }),
    drain,
  );
  scope.own(
    "lag gauges",
    startLagGauges({ ...shared, everyMs: LAG_EVERY_MS, onError: (err) => logger.warn({ err }, "lag cannot be read") }),
    (gauges) => gauges.stop(),
  );
  const { TRIBUTARY_AUDIT_FILE: auditFile } = settings;
  const onAuditError = (err: unknown): void => logger.error({ err }, "the audit log cannot be written");
  const gateway = await startGateway({
    ...(await traced("gateway")),
    drops: await ports.drops(),
    settings,
    ca: ports.ca,
    metricsPublic: settings.TRIBUTARY_METRICS_PUBLIC,
    ...(auditFile === undefined ? {} : { audit: makeAuditLogger(auditFile, "gateway", secretsIn(env), onAuditError) }),
  });
  scope.own("gateway", gateway, drain);
  logger.info(`Tributary at ${gateway.url} (API page: ${gateway.url}/docs), data in ${settings.TRIBUTARY_DATA_DIR}`);
});
