import { Semaphore } from "async-mutex";
import type { Clock } from "../../lib/clock.ts";
import type { Contracts } from "../../lib/contract/contract.ts";
import { codeOf, messageOf } from "../../lib/errors.ts";
import type { AssignedPartition, EventLog, PartitionHandler } from "../../lib/event-log/event-log.ts";
import { GROUPS, ROWS_TOPICS, rowsTopic, tableOfRowsTopic, TOPICS } from "../../lib/messages/topics.ts";
import type { Logger } from "../../lib/process/logger.ts";
import type { Registry } from "../../lib/process/metrics.ts";
import type { Service } from "../../lib/process/service.ts";
import { untraced, type Tracer } from "../../lib/process/tracing.ts";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";
import { Commands, MAINTENANCE_KEY } from "./commands/commands.ts";
import type { CommitterSettings } from "./config.ts";
import { TableWriter } from "./lane/table-writer.ts";
import { committerMetrics } from "./metrics.ts";

export interface CommitterDeps {
  log: EventLog;
  warehouse: Warehouse;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  settings: CommitterSettings;
  /** Default: nothing is traced. */
  tracer?: Tracer;
}

/** rows.<table> → the table. Each assigned partition is a lane: the one writer of its table, for as long as the assignment lasts. */
export async function startCommitter(deps: CommitterDeps): Promise<Service> {
  const { log, warehouse, contracts, logger, tracer = untraced } = deps;
  await log.createTopics([...Object.values(TOPICS), ...MAINTENANCE_KEY.map(rowsTopic)]);
  const metrics = committerMetrics(deps.registry, deps.clock);
  const lanes = new Map<string, TableWriter>();
  const commands = await Commands.follow({ ...deps, metrics }, () => lanes.forEach((lane) => lane.trigger()));
  const turns = new Semaphore(deps.settings.commitsAtOnceMax);
  let draining: Promise<void> | undefined;

  const openLane = (partition: AssignedPartition): PartitionHandler => {
    const table = tableOfRowsTopic(partition.topic);
    const previous = lanes.get(table)?.closed ?? Promise.resolve();
    const laneDeps = { ...deps, metrics, tracer, commands, turns };
    const lane = new TableWriter(laneDeps, contracts.of(table), partition, previous);
    lanes.set(table, lane);
    void lane.closed.then(() => lanes.get(table) === lane && lanes.delete(table));
    if (draining) void lane.drain();
    return (records) => lane.feed(records);
  };

  const onError = (thrown: unknown, where: { topic?: string }): void => {
    logger.warn({ err: thrown, ...where }, `rows cannot be consumed: ${messageOf(thrown)}`);
    metrics.throughput.error(codeOf(thrown));
  };
  const consumer = await log.consume({ group: GROUPS.committer, topics: ROWS_TOPICS, onError }, openLane);

  const drain = async (): Promise<void> => {
    await Promise.all([...lanes.values()].map((lane) => lane.drain()));
    await consumer.close();
    await commands.close();
    await Promise.all([...lanes.values()].map((lane) => lane.drain()));
  };

  return {
    async ready() {
      await Promise.all([log.ready(), warehouse.ready()]);
      const stuck = [...lanes.values()].find(({ trouble }) => trouble !== undefined);
      if (stuck) throw stuck.trouble;
    },
    drain: () => (draining ??= drain()),
  };
}
