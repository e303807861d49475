import type { BlobStore } from "../../lib/blob/blob-store.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Contracts } from "../../lib/contract/contract.ts";
import { codeOf, hasCode, type TributaryError } from "../../lib/errors.ts";
import type { AssignedPartition, EventLog, LogRecord, PartitionHandler } from "../../lib/event-log/event-log.ts";
import { fileEvents } from "../../lib/messages/avro.ts";
import type { FileEvent } from "../../lib/messages/generated.ts";
import { reportUnreadable } from "../../lib/observability/unreadable.ts";
import { isTableKey } from "../../lib/tables.ts";
import { prepareTopics } from "../../lib/event-log/prepare-topics.ts";
import { GROUPS, TOPICS } from "../../lib/messages/topics.ts";
import type { Logger } from "../../lib/process/logger.ts";
import type { Registry } from "../../lib/process/metrics.ts";
import type { Service } from "../../lib/process/service.ts";
import { FollowedSchemas } from "../../lib/table-schemas/followed-schemas.ts";
import { untraced, type Tracer } from "../../lib/process/tracing.ts";
import { AheadPlaces, ReadAhead, type NextFile } from "./ahead.ts";
import { publishUndecodable } from "./announce.ts";
import { Cancels } from "./cancels.ts";
import type { ParserSettings } from "./config.ts";
import { endUndecodable, jobOf, parseArrived, type FileRunDeps } from "./file-run.ts";
import { ExpectedColumns } from "./expected-columns.ts";
import { parserMetrics } from "./metrics.ts";
import { workerPool, type WorkerPool } from "../../lib/parsing/workers/worker-pool.ts";

export interface ParserDeps {
  log: EventLog;
  blob: BlobStore;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  registry: Registry;
  settings: ParserSettings;
  /** Default: no tracing. */
  tracer?: Tracer;
  /** Where files are parsed. Default: worker threads as configured. The parser closes it. */
  pool?: WorkerPool;
}

/**
 * Consumes file-events and publishes to rows.<table>. Files of one partition are parsed in order; partitions
 * run in parallel, up to the number of workers.
 */
export async function startParser(deps: ParserDeps): Promise<Service> {
  const { log, blob, logger, settings, tracer = untraced } = deps;
  await prepareTopics(log, Object.values(TOPICS));
  const metrics = parserMetrics(deps.registry);
  const onUnreadable = reportUnreadable(logger, metrics.throughput);
  const schemas = await FollowedSchemas.follow(log, onUnreadable);
  const cancels = await Cancels.follow(log, onUnreadable);
  const { workers: size, workerHeapMib: heapMibMax } = settings;
  const onCrash = (): void => metrics.workerCrashes.inc();
  const pool = deps.pool ?? workerPool({ size, heapMibMax, onCrash, startsAhead: true });
  const stopped = new Map<number, TributaryError>();
  const places = new AheadPlaces(size);
  const running = { ...deps, metrics, tracer, pool, places, cancels, rowsTopics: new Set<string>(), stopped };
  let draining: Promise<void> | undefined;
  const onError = (thrown: unknown, where: { topic?: string; partition?: number }): void => {
    logger.warn({ err: thrown, ...where }, "consuming file events failed");
    metrics.throughput.error(codeOf(thrown));
  };
  const consumer = await log.consume({ group: GROUPS.parser, topics: [TOPICS.fileEvents.name], onError }, (partition) =>
    handlerOf(
      {
        ...running,
        columns: new ExpectedColumns(log, schemas, partition.signal),
        ahead: new ReadAhead(running, partition.signal),
      },
      partition,
      () => draining !== undefined,
    ),
  );

  const drain = async (): Promise<void> => {
    await consumer.close();
    await pool.close();
    await Promise.all([schemas.close(), cancels.close()]);
  };
  return {
    async ready() {
      schemas.assertReadable();
      cancels.assertReadable();
      for (const tooNew of stopped.values()) throw tooNew;
      await Promise.all([log.ready(), blob.ready()]);
    },
    drain: () => (draining ??= drain()),
  };
}

/** A processed event. It may be acked once `announced` settles. */
interface Announced {
  announced?: Promise<void> | undefined;
}

interface HandlerDeps extends FileRunDeps {
  /** By partition that waits at a record which only a newer version can read. */
  stopped: Map<number, TributaryError>;
}

/** How often a stopped partition tries again: the record stays, but its table's schema may be replaced. */
const STOPPED_RETRY_MS = 10_000;

/**
 * For each event: parse its file, publish the results, ack. Idle workers parse the files after it meanwhile.
 * While draining, the current file is the last.
 */
function handlerOf(deps: HandlerDeps, partition: AssignedPartition, draining: () => boolean): PartitionHandler {
  const { signal } = partition;
  return async (records) => {
    let acked: Promise<void> = Promise.resolve();
    try {
      for (const [n, record] of records.entries()) {
        if (signal.aborted || draining()) break;
        deps.metrics.throughput.received("file");
        deps.ahead.begin(nextFiles(deps, records.slice(n + 1, n + 1 + 2 * deps.settings.workers)));
        const { announced } = await untilReadable(deps, record, signal, () => processEvent(deps, record, signal));
        announced?.catch(() => undefined);
        if (signal.aborted) break;
        // The next file is parsed while this one is announced and acked.
        await acked;
        acked = Promise.resolve(announced).then(() => partition.ack(record.offset + 1));
        acked.catch(() => undefined);
      }
      if (!signal.aborted) await acked;
    } finally {
      deps.ahead.abandon();
    }
  };
}

/** The files that these records announce, up to the first that this version cannot read. */
function nextFiles(deps: FileRunDeps, records: readonly LogRecord[]): NextFile[] {
  const files: NextFile[] = [];
  for (const record of records) {
    let event: FileEvent | undefined;
    try {
      event = eventOf(record);
    } catch {
      return files;
    }
    if (event) files.push(nextFile(deps, event, record.offset));
  }
  return files;
}

const nextFile = (deps: FileRunDeps, event: FileEvent, sourceOffset: number): NextFile => ({
  event,
  sourceOffset,
  job() {
    const known = deps.columns.ahead(event.table, sourceOffset);
    if (!known) return undefined;
    try {
      return jobOf(deps, { event, sourceOffset }, known);
    } catch {
      // The contract is invalid; the file ends with that error when its turn comes.
      return undefined;
    }
  },
});

/**
 * Waits at a record which only a newer version can read, unacked, until the partition moves to a process of
 * that version. Nothing after it is read, because file events of a table are processed in order.
 */
async function untilReadable(
  { stopped, clock, logger, metrics }: HandlerDeps,
  { topic, partition, offset }: LogRecord,
  signal: AbortSignal,
  attempt: () => Promise<Announced>,
): Promise<Announced> {
  try {
    while (!signal.aborted) {
      try {
        return await attempt();
      } catch (thrown) {
        if (!hasCode(thrown, "MESSAGE_TOO_NEW")) throw thrown;
        stopped.set(partition, thrown);
        metrics.throughput.error(thrown.code);
        logger.error({ topic, partition, offset, err: thrown }, "parsing stopped: only a newer version can continue");
        await clock.sleep(STOPPED_RETRY_MS, signal);
      }
    }
    return {};
  } finally {
    stopped.delete(partition);
  }
}

async function processEvent(deps: FileRunDeps, record: LogRecord, signal: AbortSignal): Promise<Announced> {
  const event = eventOf(record);
  if (event) return parseTraced(deps, record, event, signal);
  await buryUndecodable(deps, record);
  return {};
}

/** Ends the span with the parse, also if the parse will be repeated. */
async function parseTraced(
  deps: FileRunDeps,
  record: LogRecord,
  event: FileEvent,
  signal: AbortSignal,
): Promise<Announced> {
  const { fileId, table, sourceFile } = event;
  const span = deps.tracer.start("parse", {
    parent: record.headers?.["traceparent"],
    attributes: { "tributary.file_id": fileId, "tributary.table": table, "tributary.source_file": sourceFile },
  });
  try {
    const parsed = await parseArrived(
      deps,
      { event, sourceOffset: record.offset, traceparent: span.traceparent },
      signal,
    );
    const summary = parsed?.summary;
    if (summary) span.set({ "tributary.rows_read": summary.rowsRead, "tributary.rows_rejected": summary.rowsRejected });
    span.end({ errorCode: summary ? (summary.error?.code ?? null) : "ASSIGNMENT_LOST" });
    return { announced: parsed?.announced };
  } catch (thrown) {
    span.end({ errorCode: codeOf(thrown) });
    throw thrown;
  }
}

/** Publishes an event that is damaged as a dead letter, and the failed end of its file. */
async function buryUndecodable(deps: FileRunDeps, record: LogRecord): Promise<void> {
  const message = "the file event cannot be decoded";
  deps.logger.error({ partition: record.partition, offset: record.offset, key: record.key }, message);
  await publishUndecodable(deps, record, message);
  if (record.key !== null && isTableKey(record.key)) await endUndecodable(deps, record.key, record, message);
  deps.metrics.throughput.dropped("undecodable");
  deps.metrics.throughput.sent("dead_letter");
}

/**
 * Undefined if the record is not a valid file event.
 * @throws MESSAGE_TOO_NEW
 */
function eventOf({ value }: LogRecord): FileEvent | undefined {
  try {
    return fileEvents.decode(value);
  } catch (thrown) {
    if (hasCode(thrown, "MESSAGE_TOO_NEW")) throw thrown;
    return undefined;
  }
}
