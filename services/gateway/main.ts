import { systemClock } from "../../lib/clock.ts";
import { loadContracts } from "../../lib/contract/load.ts";
import { readConfig } from "../../lib/process/config.ts";
import { makeAuditLogger, makeLogger, secretsIn } from "../../lib/process/logger.ts";
import { makeRegistry } from "../../lib/process/metrics.ts";
import { run } from "../../lib/process/run.ts";
import { version } from "../../lib/process/version.ts";
import { portsOf } from "../ports.ts";
import { gatewayConfig } from "./config.ts";
import { startGateway } from "./service.ts";

const logger = makeLogger({
  service: "gateway",
  level: process.env["TRIBUTARY_LOG_LEVEL"] ?? "info",
  pretty: process.stderr.isTTY,
  secrets: secretsIn(process.env),
});

await run(logger, async (scope) => {
  const settings = readConfig(gatewayConfig, process.env);
  const ports = portsOf(scope, settings, systemClock, logger);
  const { TRIBUTARY_AUDIT_FILE: auditFile } = settings;
  const onAuditError = (err: unknown): void => logger.error({ err }, "the audit log cannot be written");
  const gateway = await startGateway({
    log: await ports.log(),
    blob: await ports.blob(),
    drops: await ports.drops(),
    warehouse: await ports.warehouse(),
    contracts: loadContracts(settings.TRIBUTARY_CONTRACTS_DIR),
    clock: systemClock,
    logger,
    registry: makeRegistry(version),
    tracer: await ports.tracer("gateway", version),
    settings,
    ca: ports.ca,
    metricsPublic: settings.TRIBUTARY_METRICS_PUBLIC,
    ...(auditFile === undefined
      ? {}
      : { audit: makeAuditLogger(auditFile, "gateway", secretsIn(process.env), onAuditError) }),
  });
  scope.own("gateway", gateway, (service) => service.drain());
});
