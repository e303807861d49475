import { Semaphore } from "async-mutex";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Contracts } from "../../lib/contract/contract.ts";
import { codeOf, messageOf } from "../../lib/errors.ts";
import type { AssignedPartition, EventLog, PartitionHandler } from "../../lib/event-log/event-log.ts";
import { prepareTopics } from "../../lib/event-log/prepare-topics.ts";
import { GROUPS, rowsTopic, TOPICS } from "../../lib/messages/topics.ts";
import { reportUnreadable } from "../../lib/observability/unreadable.ts";
import { workerPool, type WorkerPool } from "../../lib/parsing/workers/worker-pool.ts";
import { ROWS_TOPICS, tableOfTopic } from "../../lib/tables.ts";
import type { Logger } from "../../lib/process/logger.ts";
import type { Registry } from "../../lib/process/metrics.ts";
import type { Service } from "../../lib/process/service.ts";
import { untraced, type Tracer } from "../../lib/process/tracing.ts";
import { FollowedSchemas } from "../../lib/table-schemas/followed-schemas.ts";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";
import { Commands, INTERNAL_TABLE_NAMES } from "./commands/commands.ts";
import type { CommitterSettings } from "./config.ts";
import { Skips } from "./set-aside/skips.ts";
import { TableWriter } from "./lane/table-writer.ts";
import { committerMetrics } from "./metrics.ts";

export interface CommitterDeps {
  log: EventLog;
  warehouse: Warehouse;
  /** The raw bytes of files, for rebuilds. */
  blob: BlobStore;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  settings: CommitterSettings;
  /** Default: no tracing. */
  tracer?: Tracer;
  /** Where rebuilds parse files. Default: a worker thread. The committer closes it. */
  pool?: WorkerPool;
}

/** A rebuild reads one file at a time: its order decides, and files that come in have the other cores. */
const REBUILD_WORKERS = 1;

/**
 * Commits rows.<table> to the table. Each assigned partition gets the only writer of its table, until the
 * assignment ends.
 */
export async function startCommitter(deps: CommitterDeps): Promise<Service> {
  const { log, warehouse, logger, tracer = untraced } = deps;
  await prepareTopics(log, [...Object.values(TOPICS), ...INTERNAL_TABLE_NAMES.map(rowsTopic)]);
  const metrics = committerMetrics(deps.registry, deps.clock);
  const onUnreadable = reportUnreadable(logger, metrics.throughput);
  const schemas = await FollowedSchemas.follow(log, onUnreadable);
  const writers = new Map<string, TableWriter>();
  const commands = await Commands.follow({ ...deps, metrics }, () => writers.forEach((writer) => writer.trigger()));
  const skips = await Skips.follow(log, onUnreadable, (skip) => writers.get(skip.table)?.setAside(skip));
  const { parsing } = deps.settings;
  const pool = deps.pool ?? workerPool({ size: REBUILD_WORKERS, heapMibMax: parsing.workerHeapMib });
  const limits = { ...parsing.limits, messageBytesMax: log.recordBytesMax };
  const rebuilding = { log, blob: deps.blob, clock: deps.clock, pool, schemas, logger, limits, batch: deps.settings };
  const commitSlots = new Semaphore(deps.settings.commitsAtOnceMax);
  const blockedSlots = new Semaphore(1);
  let draining: Promise<void> | undefined;

  const openWriter = (partition: AssignedPartition): PartitionHandler => {
    const table = tableOfTopic(partition.topic).name;
    // Other partitions than the first are refused, each by a writer of its own.
    const name = partition.partition === 0 ? table : `${table}/${partition.partition}`;
    const previous = writers.get(name)?.closed ?? Promise.resolve();
    const writerDeps = { ...deps, metrics, tracer, commands, schemas, skips, rebuilding, commitSlots, blockedSlots };
    const writer = new TableWriter(writerDeps, table, partition, previous);
    writers.set(name, writer);
    void writer.closed.then(() => writers.get(name) === writer && writers.delete(name));
    if (draining) void writer.drain();
    return (records) => writer.feed(records);
  };

  const onError = (thrown: unknown, where: { topic?: string }): void => {
    logger.warn({ err: thrown, ...where }, `cannot consume rows: ${messageOf(thrown)}`);
    metrics.throughput.error(codeOf(thrown));
  };
  const consumer = await log.consume({ group: GROUPS.committer, topics: ROWS_TOPICS, onError }, openWriter);

  const drain = async (): Promise<void> => {
    await Promise.all([...writers.values()].map((writer) => writer.drain()));
    await consumer.close();
    await Promise.all([commands.close(), skips.close(), schemas.close()]);
    await Promise.all([...writers.values()].map((writer) => writer.drain()));
    await pool.close();
  };

  return {
    async ready() {
      commands.assertReadable();
      skips.assertReadable();
      schemas.assertReadable();
      await Promise.all([log.ready(), warehouse.ready()]);
      const stuck = [...writers.values()].find(({ stuckError }) => stuckError !== undefined);
      if (stuck) throw stuck.stuckError;
    },
    drain: () => (draining ??= drain()),
  };
}
