/**
 * The composition root: every main.ts of a service starts here. It reads the environment and opens no port.
 * `ports` opens each port at its first use and closes it with the scope.
 */
import { systemClock, type Clock } from "../lib/clock.ts";
import type { Contracts } from "../lib/contract/contract.ts";
import { messageOf } from "../lib/errors.ts";
import type { EventLog } from "../lib/event-log/event-log.ts";
import { startLagGauges } from "../lib/observability/lag.ts";
import { checkConfig, readConfig, type PlatformSettings, type SettingsSchema } from "../lib/process/config.ts";
import { checkHealthExposure } from "../lib/process/exposure.ts";
import { serveHealth } from "../lib/process/http.ts";
import { makeAuditLogger, makeLoggers, secretsIn, textCleaner, type Logger } from "../lib/process/logger.ts";
import { makeRegistry, type Registry } from "../lib/process/metrics.ts";
import { startPatiently } from "../lib/process/patient-start.ts";
import { run } from "../lib/process/run.ts";
import type { Scope } from "../lib/process/scope.ts";
import type { Service } from "../lib/process/service.ts";
import type { Tracer } from "../lib/process/tracing.ts";
import { version } from "../lib/process/version.ts";
import { openContracts } from "./contracts.ts";
import { portsOf, type Ports } from "./ports.ts";

/** The dependencies that a process needs to start its services. */
export interface ProcessContext<Settings> {
  settings: Settings;
  scope: Scope;
  ports: Ports;
  clock: Clock;
  logger: Logger;
  /** The log of another service in this process. */
  loggerOf: (service: string) => Logger;
  registry: Registry;
  /** Reads the contracts at the first call, and follows their folder until the scope closes. */
  contracts: () => Contracts;
  /**
   * Reads the settings of one more service from the same environment.
   * @throws CONFIG_INVALID
   */
  read: <Other>(schema: SettingsSchema<Other>) => Other;
  tracer: (service: string) => Promise<Tracer>;
  /**
   * The audit log of TRIBUTARY_AUDIT_FILE; undefined if the path is undefined.
   * @throws CONFIG_INVALID
   */
  auditLog: (path: string | undefined) => Logger | undefined;
  /** Measures the lag of every consumer group until the scope closes. */
  followLag: (log: EventLog, everyMs: number) => void;
}

export interface HealthAddress {
  /** The setting that holds the host. The error for a refused host names it. */
  setting: string;
  host: string;
  port: number;
}

export interface ServiceDefinition<Settings extends PlatformSettings> {
  name: string;
  config: SettingsSchema<Settings>;
  /** The address of /healthz, /readyz and /metrics; undefined if the service serves them itself. */
  health?: (settings: Settings) => HealthAddress;
  start: (context: ProcessContext<Settings>) => Promise<Service>;
}

/**
 * Runs one service as a process: reads its settings, starts it, serves its health routes, and drains it on
 * SIGTERM. The service does not start if others could read its health routes (CONFIG_INVALID).
 */
export async function runService<Settings extends PlatformSettings>(
  definition: ServiceDefinition<Settings>,
): Promise<void> {
  const { name, config, start } = definition;
  await runProcess(name, [config], async (context) => {
    const { scope, settings, registry, logger } = context;
    const health = definition.health?.(settings);
    if (health) checkHealthExposure(health.setting, health.host, settings.TRIBUTARY_METRICS_PUBLIC);
    const service = await start(context);
    scope.own(name, service, (started) => started.drain());
    if (!health) return;
    const { host, port } = health;
    const http = await serveHealth({ registry, ready: () => service.ready(), host, port });
    scope.own("health routes", http, (app) => app.close());
    logger.info({ host, port }, `${name} started`);
  });
}

/**
 * Runs a process whose `start` opens all resources in the scope. It first checks the settings of all its
 * services. A start that fails because a dependency is down is repeated for TRIBUTARY_START_WAIT_MAX. Neither
 * its log nor its last message contains secrets of the environment.
 */
export async function runProcess<Settings extends PlatformSettings>(
  name: string,
  [config, ...others]: readonly [SettingsSchema<Settings>, ...SettingsSchema<unknown>[]],
  start: (context: ProcessContext<Settings>) => Promise<void>,
): Promise<void> {
  const { env } = process;
  const secrets = secretsIn(env);
  const loggerOf = makeLoggers({ level: env["TRIBUTARY_LOG_LEVEL"], pretty: process.stderr.isTTY, secrets });
  const logger = loggerOf(name);
  const clock = systemClock;
  await run(logger, textCleaner(secrets), async (whole, signal) => {
    checkConfig([config, ...others], env);
    const settings = readConfig(config, env);
    const onRetry = (thrown: unknown, waitMs: number): void =>
      logger.warn({ detail: messageOf(thrown), waitMs }, "cannot start yet; tries again");
    const patience = { clock, withinMs: settings.TRIBUTARY_START_WAIT_MAX, signal, onRetry };
    await startPatiently(whole, patience, (scope) => startIn(scope, settings));
  });

  async function startIn(scope: Scope, settings: Settings): Promise<void> {
    const registry = makeRegistry(version);
    const ports = portsOf(scope, settings, clock, logger);
    const onAuditError = (err: unknown): void => logger.error({ err }, "the audit log cannot be written");
    const onLagError = (err: unknown): void => logger.warn({ err }, "lag cannot be read");
    let contracts: Contracts | undefined;
    await start({
      ...{ settings, scope, ports, clock, logger, loggerOf, registry },
      contracts: () => (contracts ??= openContracts({ scope, settings, clock, logger, registry })),
      read: (schema) => readConfig(schema, env),
      tracer: (service) => ports.tracer(service, version),
      auditLog: (path) => (path === undefined ? undefined : makeAuditLogger(path, "gateway", secrets, onAuditError)),
      followLag(log, everyMs) {
        const gauges = startLagGauges({ log, clock, registry, everyMs, onError: onLagError });
        scope.own("lag gauges", gauges, (started) => started.stop());
      },
    });
  }
}
