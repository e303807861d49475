import { systemClock } from "../../lib/clock.ts";
import { loadContracts } from "../../lib/contract/load.ts";
import { readConfig } from "../../lib/service/config.ts";
import { checkHealthExposure } from "../../lib/service/exposure.ts";
import { serveHealth } from "../../lib/service/http.ts";
import { makeLogger, secretsIn } from "../../lib/service/logger.ts";
import { makeRegistry } from "../../lib/service/metrics.ts";
import { run } from "../../lib/service/run.ts";
import { version } from "../../lib/service/version.ts";
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
