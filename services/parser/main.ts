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
import { parserConfig, parserSettings } from "./config.ts";
import { startParser } from "./service.ts";

const logger = makeLogger({
  service: "parser",
  level: process.env["TRIBUTARY_LOG_LEVEL"] ?? "info",
  pretty: process.stderr.isTTY,
  secrets: secretsIn(process.env),
});

await run(logger, async (scope) => {
  const settings = readConfig(parserConfig, process.env);
  const { TRIBUTARY_PARSER_HOST: host, TRIBUTARY_PARSER_PORT: port } = settings;
  checkHealthExposure("TRIBUTARY_PARSER_HOST", host, settings.TRIBUTARY_METRICS_PUBLIC);
  const ports = portsOf(scope, settings, systemClock, logger);
  const registry = makeRegistry(version);
  const parser = await startParser({
    log: await ports.log(),
    blob: await ports.blob(),
    contracts: loadContracts(settings.TRIBUTARY_CONTRACTS_DIR),
    clock: systemClock,
    logger,
    registry,
    tracer: await ports.tracer("parser", version),
    settings: parserSettings(settings),
  });
  scope.own("parser", parser, (service) => service.drain());
  const http = await serveHealth({ registry, ready: () => parser.ready(), host, port });
  scope.own("http", http, (server) => server.close());
});
