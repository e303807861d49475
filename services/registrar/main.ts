import { INTERNAL_TABLES } from "../../lib/warehouse/internal-tables.ts";
import { physicalName } from "../../lib/warehouse/trino/names.ts";
import { runService } from "../run-service.ts";
import { registrarConfig, registrarSettings } from "./config.ts";
import { startRegistrar } from "./service.ts";

await runService({
  name: "registrar",
  config: registrarConfig,
  health: (settings) => ({
    setting: "TRIBUTARY_REGISTRAR_HOST",
    host: settings.TRIBUTARY_REGISTRAR_HOST,
    port: settings.TRIBUTARY_REGISTRAR_PORT,
  }),
  start: async ({ settings, ports, ...context }) =>
    startRegistrar({
      ...context,
      settings: registrarSettings(settings),
      log: await ports.log(),
      ownTables: new Map(Object.entries(INTERNAL_TABLES).map(([name, columns]) => [physicalName(name), columns])),
    }),
});
