import { systemClock } from "../../lib/clock.ts";
import { loadContracts } from "../../lib/contract/load.ts";
import { readConfig } from "../../lib/process/config.ts";
import { checkHealthExposure } from "../../lib/process/exposure.ts";
import { serveHealth } from "../../lib/process/http.ts";
import { startLagGauges } from "../../lib/observability/lag.ts";
import { makeLogger, secretsIn } from "../../lib/process/logger.ts";
import { makeRegistry } from "../../lib/process/metrics.ts";
import { run } from "../../lib/process/run.ts";
import { version } from "../../lib/process/version.ts";
import { portsOf } from "../ports.ts";
import { schedulerConfig, schedulerSettings } from "./config.ts";
import { startScheduler } from "./service.ts";

const logger = makeLogger({
  service: "scheduler",
  level: process.env["TRIBUTARY_LOG_LEVEL"] ?? "info",
  pretty: process.stderr.isTTY,
  secrets: secretsIn(process.env),
});

/** Prometheus asks every 15 s. */
const LAG_EVERY_MS = 10_000;

await run(logger, async (scope) => {
  const config = readConfig(schedulerConfig, process.env);
  const { TRIBUTARY_SCHEDULER_HOST: host, TRIBUTARY_SCHEDULER_PORT: port } = config;
  checkHealthExposure("TRIBUTARY_SCHEDULER_HOST", host, config.TRIBUTARY_METRICS_PUBLIC);
  const ports = portsOf(scope, config, systemClock, logger);
  const registry = makeRegistry(version);
  const log = await ports.log();
  const scheduler = await startScheduler({
    log,
    contracts: loadContracts(config.TRIBUTARY_CONTRACTS_DIR),
    clock: systemClock,
    logger,
    registry,
    settings: schedulerSettings(config),
  });
  scope.own("scheduler", scheduler, (service) => service.drain());
  const onError = (err: unknown): void => logger.warn({ err }, "lag cannot be read");
  const lag = startLagGauges({ log, clock: systemClock, registry, everyMs: LAG_EVERY_MS, onError });
  scope.own("lag gauges", lag, (gauges) => gauges.stop());
  const http = await serveHealth({ registry, ready: () => scheduler.ready(), host, port });
  scope.own("health routes", http, (app) => app.close());
  logger.info({ host, port }, "scheduler runs");
});
