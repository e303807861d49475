import { runService } from "../run-service.ts";
import { schedulerConfig, schedulerSettings } from "./config.ts";
import { startScheduler } from "./service.ts";

/** Prometheus asks every 15 s. */
const LAG_EVERY_MS = 10_000;

await runService({
  name: "scheduler",
  config: schedulerConfig,
  health: (settings) => ({
    setting: "TRIBUTARY_SCHEDULER_HOST",
    host: settings.TRIBUTARY_SCHEDULER_HOST,
    port: settings.TRIBUTARY_SCHEDULER_PORT,
  }),
  async start({ settings, ports, contracts, followLag, ...context }) {
    const log = await ports.log();
    followLag(log, LAG_EVERY_MS);
    return startScheduler({
      ...context,
      log,
      contracts: contracts(),
      settings: schedulerSettings(settings),
    });
  },
});
