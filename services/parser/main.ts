import { runService } from "../run-service.ts";
import { parserConfig, parserSettings } from "./config.ts";
import { startParser } from "./service.ts";

await runService({
  name: "parser",
  config: parserConfig,
  health: (settings) => ({
    setting: "TRIBUTARY_PARSER_HOST",
    host: settings.TRIBUTARY_PARSER_HOST,
    port: settings.TRIBUTARY_PARSER_PORT,
  }),
  start: async ({ settings, ports, contracts, tracer, ...context }) =>
    startParser({
      ...context,
      log: await ports.log(),
      blob: await ports.blob(),
      contracts: contracts(),
      tracer: await tracer("parser"),
      settings: parserSettings(settings),
    }),
});
