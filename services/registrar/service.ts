import type { Clock } from "../../lib/clock.ts";
import { messageOf } from "../../lib/errors.ts";
import type { EventLog, LogRecord } from "../../lib/event-log/event-log.ts";
import { commitEvents, tableSchemas } from "../../lib/messages/avro.ts";
import { guardedTail } from "../../lib/event-log/guarded-tail.ts";
import { reportUnreadable } from "../../lib/observability/unreadable.ts";
import { prepareTopics } from "../../lib/event-log/prepare-topics.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import type { Logger } from "../../lib/process/logger.ts";
import type { Registry } from "../../lib/process/metrics.ts";
import type { Service } from "../../lib/process/service.ts";
import type { RegistrarSettings } from "./config.ts";
import { registrarMetrics, type REGISTRAR_THROUGHPUT } from "./metrics.ts";
import { Registration } from "./registration.ts";
import { probeSuperset } from "./superset-probe.ts";
import { SALES_DASHBOARD } from "./sales-dashboard.ts";
import { columnsKey, foldTableCommit, foldSchema, type KnownTables } from "./tables.ts";

export interface RegistrarDeps {
  log: EventLog;
  /** Tributary's own tables by their names in Trino. */
  ownTables: ReadonlyMap<string, readonly { name: string; type: string }[]>;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  settings: RegistrarSettings;
}

/**
 * Reads commits and table-schemas, and keeps a dataset in Superset for each table, plus the predefined
 * dashboards. It stores no state: each start reads the tables from the log and the datasets from Superset.
 * Any number of registrars may run. No other service waits for it: while Superset is unavailable, only
 * registrations wait.
 */
export async function startRegistrar(deps: RegistrarDeps): Promise<Service> {
  const { log, clock, logger, settings } = deps;
  await prepareTopics(log, Object.values(TOPICS));
  const metrics = registrarMetrics(deps.registry);
  const tables: KnownTables = new Map();
  for (const [name, columns] of deps.ownTables) {
    const schema = { sourceOffset: -1, columns: columnsKey(columns), publishedAtMs: 0 };
    tables.set(name, { commits: 0, committedOffset: -1, schema });
  }
  const registration = new Registration({ tables, dashboards: [SALES_DASHBOARD], settings, clock, logger, metrics });
  const stopping = new AbortController();
  let closed: Promise<void> | undefined;

  const onRecord = (record: LogRecord): void => {
    fold(tables, record);
    metrics.throughput.received(record.topic as keyof typeof REGISTRAR_THROUGHPUT.received);
  };
  const topics = [TOPICS.tableSchemas.name, TOPICS.commits.name];
  const tail = await guardedTail(log, topics, onRecord, reportUnreadable(logger, metrics.throughput));

  const tick = async (): Promise<void> => {
    // The first round starts after all existing records are read.
    await tail.caughtUp();
    metrics.pending.set(registration.pending);
    if (!registration.isDue()) return;
    await registration.round(stopping.signal);
    metrics.pending.set(registration.pending);
  };
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await tick().catch((thrown: unknown) => logger.warn({ detail: messageOf(thrown) }, "cannot read the log"));
      await clock.sleep(settings.tickMs, stopping.signal);
    }
  };
  const onAnswer = (isUp: boolean): void => metrics.supersetUp.set(isUp ? 1 : 0);
  const probing = probeSuperset({ url: settings.superset.url, clock, signal: stopping.signal, onAnswer });
  const running = Promise.all([loop(), probing]);

  return {
    async ready() {
      tail.assertReadable();
      await log.ready();
    },
    async drain() {
      stopping.abort();
      await running;
      await (closed ??= tail.close());
    },
  };
}

function fold(tables: KnownTables, { topic, key, value, timestampMs }: LogRecord): void {
  if (topic === TOPICS.commits.name) return foldTableCommit(tables, commitEvents.decode(value));
  if (value.length > 0) return foldSchema(tables, tableSchemas.decode(value), timestampMs);
  if (key !== null) tables.delete(key);
}
