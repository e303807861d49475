import { systemClock } from "../../lib/clock.ts";
import { readConfig } from "../../lib/process/config.ts";
import { serveHealth } from "../../lib/process/http.ts";
import { makeLogger } from "../../lib/process/logger.ts";
import { makeRegistry } from "../../lib/process/metrics.ts";
import { run } from "../../lib/process/run.ts";
import { version } from "../../lib/process/version.ts";
import { INTERNAL_TABLES } from "../../lib/warehouse/sql/sql.ts";
import { physicalName } from "../../lib/warehouse/trino/names.ts";
import { portsOf } from "../ports.ts";
import { registrarConfig, registrarSettings } from "./config.ts";
import { startRegistrar } from "./service.ts";

const logger = makeLogger({
  service: "registrar",
  level: process.env["TRIBUTARY_LOG_LEVEL"] ?? "info",
  pretty: process.stderr.isTTY,
});

await run(logger, async (scope) => {
  const config = readConfig(registrarConfig, process.env);
  const settings = registrarSettings(config);
  const ports = portsOf(scope, config, systemClock, logger);
  const registry = makeRegistry(version);
  const registrar = await startRegistrar({
    log: await ports.log(),
    ownTables: new Map(Object.entries(INTERNAL_TABLES).map(([name, columns]) => [physicalName(name), columns])),
    clock: systemClock,
    logger,
    registry,
    settings,
  });
  scope.own("registrar", registrar, (service) => service.drain());
  const { TRIBUTARY_REGISTRAR_HOST: host, TRIBUTARY_REGISTRAR_PORT: port } = config;
  const http = await serveHealth({ registry, ready: () => registrar.ready(), host, port });
  scope.own("health routes", http, (app) => app.close());
  logger.info({ host, port, superset: settings.superset.url }, "registrar runs");
});
