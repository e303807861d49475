import { ROWS_TOPICS } from "../../lib/tables.ts";
import type { Contracts } from "../../lib/contract/contract.ts";
import { contractsOf } from "../../lib/contract/load.ts";
import { DEFAULT_LIMITS } from "../../lib/parsing/limits.ts";
import { parseFile, type ParseSummary } from "../../lib/parsing/parse-file.ts";
import type { ErrorCode } from "../../lib/errors.ts";
import { topicPartitionName, type TopicPartition } from "../../lib/event-log/groups/assignment.ts";
import { commandResults, commands, fileEvents, rowMessages } from "../../lib/messages/avro.ts";
import type { Command } from "../../lib/messages/generated.ts";
import { GROUPS, rowsTopic, TOPICS } from "../../lib/messages/topics.ts";
import { silentLogger } from "../../lib/process/logger.ts";
import { Registry } from "../../lib/process/metrics.ts";
import type { Service } from "../../lib/process/service.ts";
import { startDrops } from "../../services/gateway/drops/drops.ts";
import type { EventLog } from "../../lib/event-log/event-log.ts";
import { startCommitter } from "../../services/committer/service.ts";
import { makeIngest, type Ingest } from "../../services/gateway/ingest/ingest.ts";
import { gatewayMetrics } from "../../services/gateway/metrics.ts";
import { startParser } from "../../services/parser/service.ts";
import type { WorkerPool } from "../../lib/parsing/workers/worker-pool.ts";
import { FakeWarehouse } from "../support/fake-warehouse.ts";
import { asNextVersion } from "../support/next-version.ts";
import { MemoryBroker, type MemoryEventLog } from "../support/memory-event-log.ts";
import { blobClient, DroppedObjects } from "./blob-model.ts";
import type { FaultCodes, Scheduler, SimNode } from "./scheduler.ts";
import { warehouseClient } from "./warehouse-client.ts";
import {
  CONTRACTS,
  contractFor,
  DOUBTFUL_ROWS,
  fileOf,
  FLIPPED,
  FLIPPING_TABLE,
  type ArrivedEvent,
  type Content,
  type Known,
} from "./workload.ts";

export type Role = "parser" | "committer" | "watcher";

/** A process: its node, its connection to the log, and the service once it has started. */
type SimPorts = Pick<SimProcess, "node"> & { log: EventLog };

export interface SimProcess {
  readonly role: Role;
  readonly node: SimNode;
  readonly log: MemoryEventLog;
  service: Service | undefined;
}

export interface SimGateway {
  readonly node: SimNode;
  readonly log: MemoryEventLog;
  readonly ingest: Ingest;
}

const declared = contractsOf([...CONTRACTS]);
const logger = silentLogger();

const LOG_FAULTS: FaultCodes = (method) => {
  if (method === "tail" || method === "revoke") return {};
  const fail: ErrorCode[] = method === "publish" ? ["LOG_UNAVAILABLE", "DISK_FULL"] : ["LOG_UNAVAILABLE"];
  return method === "publish" || method === "ack" ? { fail, unknown: ["LOG_UNAVAILABLE"] } : { fail };
};
const BLOB_FAULTS: FaultCodes = (method) =>
  method === "put"
    ? { fail: ["BLOB_UNAVAILABLE", "DISK_FULL"], unknown: ["BLOB_UNAVAILABLE"] }
    : { fail: ["BLOB_UNAVAILABLE"] };
const WAREHOUSE_FAULTS: FaultCodes = (method) => {
  if (method === "stage.discard") return {};
  if (method.startsWith("stage.")) return { fail: ["DISK_FULL"] };
  const fail: ErrorCode[] = ["WAREHOUSE_UNAVAILABLE", "WAREHOUSE_TIMEOUT", "DISK_FULL"];
  if (method === "commit") fail.push("WAREHOUSE_CONFLICT");
  return { fail, unknown: ["WAREHOUSE_TIMEOUT", "WAREHOUSE_UNAVAILABLE"] };
};

function withDoubt({ doubts: _, ...summary }: ParseSummary): ParseSummary {
  if (summary.rowsRead !== DOUBTFUL_ROWS) return summary;
  return { ...summary, doubts: [{ reason: "structure_unsure", evidence: `${DOUBTFUL_ROWS} rows` }] };
}

/** Parses synchronously: threads would not be deterministic. */
const inlinePool: WorkerPool = {
  async *parse(job, source, signal) {
    const contract = contractFor(job.contract, job.fileName);
    for await (const output of parseFile(source, { ...job, contract })) {
      if (signal.aborted) return;
      yield output.kind === "end" ? { ...output, summary: withDoubt(output.summary) } : output;
    }
  },
  close: async () => undefined,
};

/** The state that survives processes, and the invariants that must hold at all times. */
export class World {
  readonly scheduler: Scheduler;
  readonly broker: CheckedBroker;
  readonly objects = new Map<string, Buffer>();
  readonly drops = new DroppedObjects();
  /** All keys that have been dropped. */
  readonly dropped = new Set<string>();
  readonly warehouse = new FakeWarehouse();
  /** By content hash. */
  readonly contents = new Map<string, Content>();
  readonly violations: string[] = [];
  readonly batchBytesMax: number;
  /** The owner of FLIPPING_TABLE has declared its key as text. */
  isFlipped = false;
  readonly #contracts: Contracts = {
    ...declared,
    of: (table) => (this.isFlipped && table === FLIPPING_TABLE ? FLIPPED : declared.of(table)),
  };
  #versions = 0;
  readonly #committerLimits: { rowsMax: number; filesMax: number; idleGapMs: number; announcedRowsMin: number };

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
    this.broker = new CheckedBroker(this);
    this.broker.createTopics(Object.values(TOPICS));
    this.batchBytesMax = scheduler.pick([100, 400, DEFAULT_LIMITS.batchBytesMax]);
    this.warehouse.supports.recordsWithRows = scheduler.pick([false, true]);
    this.warehouse.tears = () => scheduler.pick([undefined, undefined, undefined, undefined, "rows", "records"]);
    this.#committerLimits = {
      rowsMax: scheduler.pick([3, 20, 1_000]),
      filesMax: scheduler.pick([1, 3, 20]),
      idleGapMs: scheduler.pick([0, 0, 150]),
      announcedRowsMin: scheduler.pick([0, 4, Infinity]),
    };
  }

  /** What the model needs to know. */
  get known(): Known {
    const conflicts = [...this.warehouse.ledger].flatMap(([fileId, { table, outcome }]) =>
      (table === FLIPPING_TABLE && outcome.errorCode === "SCHEMA_CONFLICT") || outcome.errorCode === "REBUILD_REFUSED"
        ? [fileId]
        : [],
    );
    const cancelled = [...this.warehouse.ledger].flatMap(([fileId, { outcome }]) =>
      outcome.errorCode === "FILE_CANCELLED" ? [fileId] : [],
    );
    return { contents: this.contents, conflicts: new Set(conflicts), cancelled: new Set(cancelled) };
  }

  process(role: Role, name: string): SimProcess {
    const node = this.scheduler.node(name);
    const process: SimProcess = { role, node, log: this.#logOf(node), service: undefined };
    const ports = { node, log: this.#versioned(process.log) };
    const starting = {
      parser: () => this.#startParser(ports),
      committer: () => this.#startCommitter(ports),
      watcher: () => this.#startWatcher(ports),
    }[role]();
    starting.then(
      (service) => (process.service = service),
      () => node.die(),
    );
    return process;
  }

  gateway(name: string): SimGateway {
    const node = this.scheduler.node(name);
    const log = this.#logOf(node);
    return { node, log, ingest: this.#ingestOf(node, this.#versioned(log)) };
  }

  /** Every second process is of the next version: what it publishes has one more field. */
  #versioned(log: EventLog): EventLog {
    return this.#versions++ % 2 === 0 ? log : asNextVersion(log);
  }

  #ingestOf(node: SimNode, log: EventLog): Ingest {
    return makeIngest({
      log,
      blob: blobClient(this.objects, this.scheduler.callerOf(node, BLOB_FAULTS)),
      clock: this.scheduler.clockOf(node),
      metrics: gatewayMetrics(new Registry()),
      limits: { sizeBytesMax: 1e6, idleMsMax: 1e6, bytesPerSecondMin: 0, diskFreeBytesMin: 0 },
    });
  }

  async #startWatcher({ node, log }: SimPorts): Promise<Service> {
    const poller = await startDrops({
      log,
      drops: this.drops.client(this.scheduler.callerOf(node, BLOB_FAULTS)),
      ingest: this.#ingestOf(node, log),
      contracts: this.#contracts,
      clock: this.scheduler.clockOf(node),
      logger,
      metrics: gatewayMetrics(new Registry()),
      pollMs: 500,
      // Nobody confirms deletions here.
      deletionsPercentMax: 100,
    });
    return { ready: async () => undefined, drain: () => poller.close() };
  }

  #startParser({ node, log }: SimPorts): Promise<Service> {
    const limits = { ...DEFAULT_LIMITS, batchBytesMax: this.batchBytesMax };
    return startParser({
      log,
      blob: blobClient(this.objects, this.scheduler.callerOf(node, BLOB_FAULTS)),
      contracts: this.#contracts,
      clock: this.scheduler.clockOf(node),
      logger,
      registry: new Registry(),
      settings: {
        workers: 3,
        workerHeapMib: 0,
        crashesMax: 3,
        attemptsMax: 3,
        backoffMsMin: 10,
        backoffMsMax: 100,
        limits,
      },
      pool: inlinePool,
    });
  }

  #startCommitter({ node, log }: SimPorts): Promise<Service> {
    return startCommitter({
      log,
      blob: blobClient(this.objects, this.scheduler.callerOf(node, BLOB_FAULTS)),
      pool: inlinePool,
      warehouse: warehouseClient(this, this.scheduler.callerOf(node, WAREHOUSE_FAULTS)),
      contracts: this.#contracts,
      clock: this.scheduler.clockOf(node),
      logger,
      registry: new Registry(),
      settings: {
        ...this.#committerLimits,
        bytesMax: 1_000_000,
        ageMsMax: 200,
        attemptsMax: 3,
        backoffMsMin: 10,
        backoffMsMax: 200,
        blockedBackoffMsMax: 200,
        checksTimeoutMs: 1_000,
        retentionMs: 1_000,
        commitsAtOnceMax: 2,
        snapshotsMax: 1_000,
        maintenanceHoldMs: 1_000,
        commandsAtOnceMax: 2,
        parsing: { workerHeapMib: 128, limits: { ...DEFAULT_LIMITS, batchBytesMax: this.batchBytesMax } },
      },
    });
  }

  #logOf(node: SimNode): MemoryEventLog {
    return this.broker.client({
      clock: this.scheduler.clockOf(node),
      call: this.scheduler.callerOf(node, LOG_FAULTS),
      fetchRecordsMax: () => 1 + this.scheduler.integer(8),
    });
  }

  /**
   * Every file version of a table, oldest first: an event whose id has come before is the same version. With
   * the decisions about held files, which have the ids of those files.
   */
  arrived(table: string): ArrivedEvent[] {
    const ids = new Set<string>();
    return this.events(table).filter(
      ({ event: { fileId, decision } }) => decision || (!ids.has(fileId) && ids.add(fileId)),
    );
  }

  /** Every file event of a table, oldest first. */
  events(table: string): ArrivedEvent[] {
    return this.broker
      .topic(TOPICS.fileEvents.name)
      .partitions.flatMap(({ records }) => records.filter(({ key }) => key === table))
      .map(({ offset, value }) => ({ offset, event: fileEvents.decode(value) }));
  }

  /** All requested commands. */
  commands(): Command[] {
    const { partitions } = this.broker.topic(TOPICS.commands.name);
    return partitions.flatMap(({ records }) => records.map(({ value }) => commands.decode(value)));
  }

  /** Keys of the drop store whose newest drop event does not match the current object. */
  #dropsUntaken(): string[] {
    return [...this.dropped].filter((key) => {
      const [table, sourceFile] = key.split("/") as [string, string];
      const own = this.arrived(table).filter(({ event }) => event.origin === "drop" && event.sourceFile === sourceFile);
      const [newest, lying] = [own.at(-1)?.event, this.drops.versions.get(key)];
      return lying ? newest?.kind !== "put" || newest.etag !== lying.etag : newest?.kind === "put";
    });
  }

  #unanswered(): string[] {
    const { partitions } = this.broker.topic(TOPICS.commandResults.name);
    const answered = new Set(
      partitions.flatMap(({ records }) => records.map(({ value }) => commandResults.decode(value).commandId)),
    );
    return this.commands().flatMap(({ commandId }) => (answered.has(commandId) ? [] : [`command ${commandId}`]));
  }

  /** Work that is not ingested, acked or answered yet; empty at the end. */
  undone(): string[] {
    return [...this.#dropsUntaken(), ...this.#unanswered(), ...this.#unacked()];
  }

  #unacked(): string[] {
    return [...this.broker.topics.values()].flatMap(({ spec, partitions }) => {
      const isRows = ROWS_TOPICS.test(spec.name);
      if (!isRows && spec.name !== TOPICS.fileEvents.name) return [];
      return partitions.flatMap((place) => {
        const acked = this.broker.acked(isRows ? GROUPS.committer : GROUPS.parser, place) ?? 0;
        return acked === place.records.length
          ? []
          : [`${topicPartitionName(place)} at ${acked} of ${place.records.length}`];
      });
    });
  }

  violation(what: string): void {
    this.scheduler.note(`VIOLATION: ${what}`);
    this.violations.push(what);
  }

  /**
   * I2: a table holds exactly one complete version per file (replace), or all rows of every version (append).
   */
  checkWholeFiles(table: string): void {
    const mode = CONTRACTS.find((contract) => contract.table === table)?.writeMode;
    if (mode === undefined || mode === "upsert") return;
    const versions = this.arrived(table).flatMap((arrived) => fileOf(arrived, this.contents) ?? []);
    const held = new Map<string, string[]>();
    for (const { file, offset, row, values } of this.warehouse.tablesByName.get(table)?.rows ?? []) {
      const name = mode === "append" ? `${file}@${offset}` : file;
      const cells = ["id", "name", "extra"]
        .map((column) => values[column] ?? null)
        .map((v) => (v === null ? v : String(v)));
      held.set(name, [...(held.get(name) ?? []), JSON.stringify([row, ...cells])]);
    }
    for (const [name, rows] of held) {
      const whole = versions.some(({ file, offset, rows: wanted }) => {
        if ((mode === "append" ? `${file}@${offset}` : file) !== name) return false;
        const expected = (wanted ?? []).flatMap((cells, at) => (cells ? [JSON.stringify([at + 1, ...cells])] : []));
        return JSON.stringify(expected.toSorted()) === JSON.stringify(rows.toSorted());
      });
      if (!whole) this.violation(`I2: ${table} shows rows of ${name} that match no version: ${rows.join(" ")}`);
    }
  }
}

/** A broker that checks every ack. */
class CheckedBroker extends MemoryBroker {
  readonly #world: World;
  readonly #ended = new Map<string, { seen: number; offsets: Set<number> }>();

  constructor(world: World) {
    super();
    this.#world = world;
  }

  override setAck(group: string, place: TopicPartition, nextOffset: number): void {
    const from = this.acked(group, place) ?? 0;
    if (nextOffset < from) this.#world.violation(`I5: ${group} moves back on ${topicPartitionName(place)}`);
    const records = this.partition(place.topic, place.partition).records.slice(from, nextOffset);
    if (group === GROUPS.parser) {
      for (const { offset, key } of records) {
        if (!this.#endedOf(key!).has(offset))
          this.#world.violation(`I4: file event ${key}@${offset} is acked unparsed`);
      }
    } else if (group === GROUPS.committer) {
      const onRecord = new Set([...this.#world.warehouse.ledger].map(([fileId]) => fileId));
      for (const { value, offset } of records) {
        const { fileId } = rowMessages.decode(value);
        if (!onRecord.has(fileId))
          this.#world.violation(`I4: ${topicPartitionName(place)}@${offset} is acked uncommitted`);
      }
    }
    super.setAck(group, place, nextOffset);
  }

  /** Source offsets of a table whose end-of-file is in the log. */
  #endedOf(table: string): Set<number> {
    const { name } = rowsTopic(table);
    const ended = this.#ended.get(name) ?? { seen: 0, offsets: new Set() };
    this.#ended.set(name, ended);
    const { records } = this.partition(name, 0);
    for (; ended.seen < records.length; ended.seen++) {
      const { body, sourceOffset } = rowMessages.decode(records[ended.seen]!.value);
      if ("tributary.EndOfFile" in body) ended.offsets.add(sourceOffset);
    }
    return ended.offsets;
  }
}
