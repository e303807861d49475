import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import { DEFAULT_LIMITS } from "../../../lib/parsing/limits.ts";
import { systemClock } from "../../../lib/clock.ts";
import { contractSchema, type Contracts } from "../../../lib/contract/contract.ts";
import { contractsOf } from "../../../lib/contract/load.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { partitionOfKey } from "../../../lib/event-log/partitioner.ts";
import { commitEvents, fileEvents, type Codec } from "../../../lib/messages/avro.ts";
import type { CommitEvent, FileEvent, RowMessage } from "../../../lib/messages/generated.ts";
import { GROUPS, rowsTopic, TOPICS } from "../../../lib/messages/topics.ts";
import { silentLogger } from "../../../lib/process/logger.ts";
import { Registry } from "../../../lib/process/metrics.ts";
import type { Service } from "../../../lib/process/service.ts";
import type { Warehouse } from "../../../lib/warehouse/warehouse.ts";
import type { CommitterSettings } from "../../../services/committer/config.ts";
import { startCommitter } from "../../../services/committer/service.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";
import { FakeWarehouse } from "../../support/fake-warehouse.ts";
import { recordsOf } from "../../support/row-messages.ts";
import { until } from "../../support/until.ts";

export const SETTINGS: CommitterSettings = {
  rowsMax: 1_000,
  bytesMax: 1_000_000,
  filesMax: 20,
  ageMsMax: 200,
  idleGapMs: 0,
  attemptsMax: 3,
  backoffMsMin: 1,
  backoffMsMax: 5,
  blockedBackoffMsMax: 5,
  checksTimeoutMs: 1_000,
  retentionMs: 1_000,
  commitsAtOnceMax: 4,
  snapshotsMax: 1_000,
  maintenanceHoldMs: 1_000,
  commandsAtOnceMax: 2,
  parsing: { workerHeapMib: 128, limits: DEFAULT_LIMITS },
};

/** The log and the warehouse, which outlive a committer. */
export interface World {
  log: FakeEventLog;
  warehouse: FakeWarehouse;
}

/** The number of existing file events of each table, so that source offsets below it are plausible. */
export async function makeWorld(tables: readonly string[] = ["t"], fileEvents = 1_000): Promise<World> {
  const log = new FakeEventLog();
  const warehouse = new FakeWarehouse();
  await log.createTopics([...Object.values(TOPICS), ...tables.map(rowsTopic)]);
  for (const key of new Set(["t", ...tables])) {
    const filler = Array.from({ length: fileEvents }, () => ({ key, value: Buffer.alloc(0) }));
    await log.publish(TOPICS.fileEvents.name, filler);
  }
  return { log, warehouse };
}

/**
 * File events of `t` for files f0 … f(n−1), at offsets 0 … n−1 of a world without any, all parsed; `deleted`
 * says which are deletions.
 */
export async function parsedFiles(world: World, count: number, deleted: readonly number[] = []): Promise<void> {
  for (let offset = 0; offset < count; offset++) {
    const event: FileEvent = {
      ...{ fileId: `f${offset}@${offset}`, table: "t", sourceFile: `f${offset}` },
      kind: deleted.includes(offset) ? "deleted" : "put",
      ...{ origin: "upload", blobKey: "k", sizeBytes: 10, contentHash: "h", etag: null, receivedAtMs: 1 },
      ...{ replayOf: null, versionOffset: null, dialectJson: null },
    };
    await world.log.publish(TOPICS.fileEvents.name, [{ key: "t", value: fileEvents.encode(event) }]);
  }
  const partition = partitionOfKey("t", TOPICS.fileEvents.partitions);
  await world.log.resetGroup(GROUPS.parser, TOPICS.fileEvents.name, [{ partition, offset: count }]);
}

export const contracts = (...declared: object[]): Contracts =>
  contractsOf(declared.map((one) => contractSchema.parse(one)));

export interface Running extends Service {
  registry: Registry;
}

/** A store without an object: only rebuilds read any. */
const noBlobs = { head: async () => undefined } as unknown as BlobStore;

/** A committer on the world's ports, or on ports that inject faults. */
export async function start(
  ports: { log: EventLog; warehouse: Warehouse },
  options: { contracts?: Contracts; settings?: Partial<CommitterSettings> } = {},
): Promise<Running> {
  const registry = new Registry();
  const service = await startCommitter({
    blob: noBlobs,
    ...ports,
    contracts: options.contracts ?? contractsOf([]),
    clock: systemClock,
    logger: silentLogger(),
    registry,
    settings: { ...SETTINGS, ...options.settings },
  });
  return { ...service, registry };
}

export async function send(log: EventLog, table: string, messages: readonly RowMessage[]): Promise<void> {
  await log.publish(rowsTopic(table).name, recordsOf(table, messages));
}

/** Every record of a topic, decoded. */
export async function all<T>(log: EventLog, topic: string, codec: Codec<T>): Promise<T[]> {
  const values: T[] = [];
  for (const { partition } of await log.offsets(topic)) {
    for await (const { value } of log.read(topic, partition, 0)) values.push(codec.decode(value));
  }
  return values;
}

export const commitsOf = (log: EventLog): Promise<CommitEvent[]> => all(log, TOPICS.commits.name, commitEvents);

/** Waits until all row messages of a table are acked. */
export async function settled(log: EventLog, table: string): Promise<void> {
  const topic = rowsTopic(table).name;
  await until(`everything of ${topic} is acked`, async () => {
    const [end] = await log.offsets(topic);
    const [acked] = await log.groupOffsets(GROUPS.committer, topic);
    return (acked?.offset ?? 0) === end!.next;
  });
}
