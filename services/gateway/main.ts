import { runService } from "../run-service.ts";
import { gatewayConfig } from "./config.ts";
import { startGateway } from "./service.ts";

await runService({
  name: "gateway",
  config: gatewayConfig,
  start: async ({ settings, ports, contracts, tracer, auditLog, ...context }) =>
    startGateway({
      ...context,
      settings,
      log: await ports.log(),
      blob: await ports.blob(),
      drops: await ports.drops(),
      warehouse: await ports.warehouse(),
      contracts: contracts(),
      tracer: await tracer("gateway"),
      audit: auditLog(settings.TRIBUTARY_AUDIT_FILE),
      ca: ports.ca,
      metricsPublic: settings.TRIBUTARY_METRICS_PUBLIC,
    }),
});
