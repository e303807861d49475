import type { Clock } from "../../lib/clock.ts";
import { messageOf } from "../../lib/errors.ts";
import type { EventLog, LogRecord } from "../../lib/event-log/event-log.ts";
import { commitEvents, tableSchemas } from "../../lib/messages/avro.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import type { Logger } from "../../lib/process/logger.ts";
import type { Registry } from "../../lib/process/metrics.ts";
import type { Service } from "../../lib/process/service.ts";
import type { RegistrarSettings } from "./config.ts";
import { registrarMetrics, type REGISTRAR_THROUGHPUT } from "./metrics.ts";
import { Registration } from "./registration.ts";
import { SALES_DASHBOARD } from "./sales-dashboard.ts";
import { columnsKey, foldTableCommit, foldSchema, type KnownTables } from "./tables.ts";

export interface RegistrarDeps {
  log: EventLog;
  /** Tributary's own tables, by their names in Trino. */
  ownTables: ReadonlyMap<string, readonly { name: string; type: string }[]>;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  settings: RegistrarSettings;
}

/**
 * commits, table-schemas → datasets in Superset, and the dashboards of the tables that have one. It keeps nothing of its own: which
 * tables there are is folded from the log at each start, what is registered is asked of Superset. Any number of registrars may run.
 * Nobody waits for it: while Superset is away, tables wait here and nowhere else.
 */
export async function startRegistrar(deps: RegistrarDeps): Promise<Service> {
  const { log, clock, logger, settings } = deps;
  await log.createTopics(Object.values(TOPICS));
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
    try {
      fold(tables, record);
      metrics.throughput.received(record.topic as keyof typeof REGISTRAR_THROUGHPUT.received);
    } catch (thrown) {
      logger.error({ topic: record.topic, offset: record.offset, err: thrown }, "undecodable record: skipped");
      metrics.throughput.dropped("undecodable");
    }
  };
  const tail = await log.tail([TOPICS.tableSchemas.name, TOPICS.commits.name], onRecord);

  const tick = async (): Promise<void> => {
    // What the log tells of the past is told before the first round.
    await tail.caughtUp();
    metrics.pending.set(registration.pending);
    if (!registration.isDue()) return;
    await registration.round(stopping.signal);
    metrics.pending.set(registration.pending);
  };
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await tick().catch((thrown: unknown) => logger.warn({ detail: messageOf(thrown) }, "the log cannot be followed"));
      await clock.sleep(settings.tickMs, stopping.signal);
    }
  };
  const running = loop();

  return {
    ready: () => log.ready(),
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
