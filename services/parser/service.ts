import type { BlobStore } from "../../lib/blob/blob-store.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Contracts } from "../../lib/contract/contract.ts";
import { messageOf, TributaryError } from "../../lib/errors.ts";
import type { AssignedPartition, EventLog, LogRecord, PartitionHandler } from "../../lib/event-log/event-log.ts";
import { fileEvents } from "../../lib/events/avro.ts";
import type { FileEvent } from "../../lib/events/generated.ts";
import { GROUPS, TOPICS } from "../../lib/events/topics.ts";
import type { Logger } from "../../lib/service/logger.ts";
import type { Registry } from "../../lib/service/metrics.ts";
import type { Service } from "../../lib/service/service.ts";
import { bury } from "./announce.ts";
import type { ParserSettings } from "./config.ts";
import { parseArrived, type FileRunDeps } from "./file-run.ts";
import { parserMetrics } from "./metrics.ts";
import { TableSchemas } from "./table-schemas.ts";
import { workerPool, type WorkerPool } from "./worker-pool.ts";

export interface ParserDeps {
  log: EventLog;
  blob: BlobStore;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  settings: ParserSettings;
  /** Where files are parsed; default: worker threads, as the settings say. The parser closes it. */
  pool?: WorkerPool;
}

/** file-events → rows.<table>. A partition's files are parsed in order, the partitions' side by side, as many as there are workers. */
export async function startParser(deps: ParserDeps): Promise<Service> {
  const { log, blob, logger, settings } = deps;
  await log.createTopics(Object.values(TOPICS));
  const metrics = parserMetrics(deps.registry);
  const schemas = await TableSchemas.follow(log);
  const { workers: size, workerHeapMib: heapMibMax } = settings;
  const pool = deps.pool ?? workerPool({ size, heapMibMax, onCrash: () => metrics.workerCrashes.inc() });
  const running: FileRunDeps = { ...deps, metrics, schemas, pool, rowsTopics: new Set() };
  let draining: Promise<void> | undefined;
  const onError = (thrown: unknown, where: { topic?: string; partition?: number }): void => {
    logger.warn({ err: thrown, ...where }, `consuming file events: ${messageOf(thrown)}`);
    metrics.flow.error(thrown instanceof TributaryError ? thrown.code : "unknown");
  };
  const consumer = await log.consume({ group: GROUPS.parser, topics: [TOPICS.fileEvents.name], onError }, (partition) =>
    handlerOf(running, partition, () => draining !== undefined),
  );

  const drain = async (): Promise<void> => {
    await consumer.close();
    await pool.close();
    await schemas.close();
  };
  return {
    async ready() {
      await Promise.all([log.ready(), blob.ready()]);
    },
    drain: () => (draining ??= drain()),
  };
}

/** The loop: take an event, parse its file, publish what it holds, ack. While draining, the file begun is the last. */
function handlerOf(deps: FileRunDeps, partition: AssignedPartition, draining: () => boolean): PartitionHandler {
  const { signal } = partition;
  return async (records) => {
    for (const record of records) {
      if (signal.aborted || draining()) return;
      const event = eventOf(record);
      if (event) await parseArrived(deps, { event, sourceOffset: record.offset }, signal);
      else await bury(deps, record, "the event cannot be decoded");
      if (signal.aborted) return;
      deps.metrics.flow.received("file");
      await partition.ack(record.offset + 1);
    }
  };
}

/** Undefined if the record's bytes are no file event. */
function eventOf({ value }: LogRecord): FileEvent | undefined {
  try {
    return fileEvents.decode(value);
  } catch {
    return undefined;
  }
}
