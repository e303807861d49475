import { runService } from "../run-service.ts";
import { committerConfig, committerSettings } from "./config.ts";
import { writerObserver } from "./gate-metrics.ts";
import { startCommitter } from "./service.ts";

await runService({
  name: "committer",
  config: committerConfig,
  health: (settings) => ({
    setting: "TRIBUTARY_COMMITTER_HOST",
    host: settings.TRIBUTARY_COMMITTER_HOST,
    port: settings.TRIBUTARY_COMMITTER_PORT,
  }),
  start: async ({ settings, ports, contracts, tracer, ...context }) =>
    startCommitter({
      ...context,
      log: await ports.log(),
      warehouse: await ports.warehouse(writerObserver(context.registry, context.logger)),
      blob: await ports.blob(),
      contracts: contracts(),
      tracer: await tracer("committer"),
      settings: committerSettings(settings),
    }),
});
