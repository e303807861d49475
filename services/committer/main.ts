import { systemClock } from "../../lib/clock.ts";
import { loadContracts } from "../../lib/contract/load.ts";
import { readConfig } from "../../lib/process/config.ts";
import { checkHealthExposure } from "../../lib/process/exposure.ts";
import { serveHealth } from "../../lib/process/http.ts";
import { makeLogger, secretsIn } from "../../lib/process/logger.ts";
import { makeRegistry } from "../../lib/process/metrics.ts";
import { run } from "../../lib/process/run.ts";
import { version } from "../../lib/process/version.ts";
import { portsOf } from "../ports.ts";
import { committerConfig, committerSettings } from "./config.ts";
import { startCommitter } from "./service.ts";

const logger = makeLogger({
  service: "committer",
  level: process.env["TRIBUTARY_LOG_LEVEL"] ?? "info",
  pretty: process.stderr.isTTY,
  secrets: secretsIn(process.env),
});

await run(logger, async (scope) => {
  const config = readConfig(committerConfig, process.env);
  const { TRIBUTARY_COMMITTER_HOST: host, TRIBUTARY_COMMITTER_PORT: port } = config;
  checkHealthExposure("TRIBUTARY_COMMITTER_HOST", host, config.TRIBUTARY_METRICS_PUBLIC);
  const ports = portsOf(scope, config, systemClock, logger);
  const registry = makeRegistry(version);
  const committer = await startCommitter({
    log: await ports.log(),
    warehouse: await ports.warehouse(),
    contracts: loadContracts(config.TRIBUTARY_CONTRACTS_DIR),
    clock: systemClock,
    logger,
    registry,
    tracer: await ports.tracer("committer", version),
    settings: committerSettings(config),
  });
  scope.own("committer", committer, (service) => service.drain());
  const http = await serveHealth({ registry, ready: () => committer.ready(), host, port });
  scope.own("health routes", http, (app) => app.close());
  logger.info({ host, port }, "committer runs");
});
