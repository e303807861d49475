import type { Clock } from "../../../lib/clock.ts";
import { CommitGate } from "../../../lib/warehouse/iceberg/gate/gate.ts";
import { watermarkOf } from "../../support/gate-watermark.ts";
import { exactText } from "../../../lib/warehouse/iceberg/gate/exact-json.ts";
import { isCommit, tableKey } from "../../../lib/warehouse/iceberg/gate/request.ts";
import { readTable, type TableState } from "../../../lib/warehouse/iceberg/gate/table-state.ts";
import { CommitError, type TransactionResult } from "../../../lib/warehouse/iceberg/gate/transactions.ts";
import { CatalogModel, type ModelAnswer } from "../../support/catalog-model.ts";
import { appendTo, newId, pathOf, writeAndCommit, type ModelName } from "../../support/iceberg-writer-model.ts";
import { seededRandom } from "../../support/random.ts";
import { Network } from "./network.ts";
import { SimClock } from "./sim-clock.ts";

/** The watermark: the number of the batch that a snapshot holds. */
const BATCH = "tributary.batch";
const BATCHES = 25;
/** Each makes every later load longer. */
const RIVAL_COMMITS_MAX = 25;
const ATTEMPT_MS = 5_000;
const DEADLINE_MS = 20_000;
/** After that, faults end. */
const FAULTY_MS = 3_600_000;

export interface ScheduleResult {
  violations: string[];
  /** Transactions that the gate reported as committed. */
  commits: number;
  /** By their kind: what went wrong with requests to the catalog. */
  faults: ReadonlyMap<string, number>;
  kills: number;
  /** Commits of others. */
  rivals: number;
  /** Files that snapshots refer to. */
  files: number;
  /** Files that writers deleted, and those of them that a snapshot refers to. */
  deleted: { all: number; needed: number };
  /** By their kind: how transactions ended. */
  outcomes: ReadonlyMap<string, number>;
  trace: string[];
}

/**
 * Committers that write numbered batches to one to three tables through the gate, each batch to all tables in one
 * transaction, while the network loses requests and answers, rivals commit, processes are killed or stopped at any
 * step, and a second committer believes that it owns the tables. Then checks the law: no file of a snapshot is
 * deleted; each table has each batch exactly once, in order; what was reported holds.
 */
export async function runSchedule(seed: number): Promise<ScheduleResult> {
  return new World(seed).run();
}

class World {
  readonly #random: () => number;
  readonly #clock = new SimClock();
  readonly #catalog: CatalogModel;
  readonly #network: Network;
  readonly #tables: ModelName[];
  readonly #deleted = new Set<string>();
  readonly #results: TransactionResult[] = [];
  readonly #outcomes = new Map<string, number>();
  readonly #trace: string[] = [];
  readonly #isTableByTable: boolean;
  readonly #isCareless: boolean;
  /** The last table of a transaction of several: its change joins the writer's commit. */
  readonly #joinsLast: boolean;
  readonly #killShare: number;
  #kills = 0;
  #rivalCommits = 0;
  #isDone = false;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#catalog = new CatalogModel(this.#chance(0.5));
    this.#tables = ["orders", "ledger", "päyments/eu"].slice(0, 1 + this.#below(3)).map((name) => ({
      namespace: ["lake", "a.b"],
      name,
    }));
    for (const table of this.#tables) this.#catalog.create(tableKey(table));
    this.#isTableByTable = this.#chance(0.15);
    this.#isCareless = this.#chance(0.2);
    // Of a generator of its own, so that the other choices of a seed stay as they were.
    this.#joinsLast = seededRandom(seed + 1)() < 0.4;
    this.#killShare = this.#chance(0.7) ? 0.8 : 0;
    this.#network = new Network({
      catalog: this.#catalog,
      clock: this.#clock,
      random: this.#random,
      faultShare: [0, 0.1, 0.3, 0.6][this.#below(4)]!,
      onApplied: () => undefined,
    });
  }

  async run(): Promise<ScheduleResult> {
    const tasks = [this.#committers("one")];
    if (this.#chance(0.3)) tasks.push(this.#committers("two"));
    if (this.#chance(0.6)) void this.#rivals([200, 2_000, 20_000][this.#below(3)]!);
    void this.#clock.sleep(FAULTY_MS).then(() => this.#network.heal());
    const work = Promise.all(tasks).then(async () => {
      this.#isDone = true;
      await Promise.all(this.#network.inFlight);
    });
    const hasEnded = await this.#clock.run(work);
    const violations = hasEnded ? this.#violations() : ["the work never ends"];
    const commits = this.#results.filter(({ kind }) => kind === "committed").length;
    const files = [...this.#catalog.tables.values()].flatMap(({ snapshots }) => snapshots.map(({ file }) => file));
    const needed = files.filter((file) => this.#deleted.has(file)).length;
    return {
      violations,
      commits,
      faults: this.#network.faults,
      kills: this.#kills,
      rivals: this.#rivalCommits,
      files: files.length,
      deleted: { all: this.#deleted.size, needed },
      outcomes: this.#outcomes,
      trace: this.#trace,
    };
  }

  /** One committer after the other: each is killed or stopped somewhere, until one has written all batches. */
  async #committers(name: string): Promise<void> {
    for (let life = 0; ; life++) {
      const end = this.#chance(this.#killShare) ? this.#below(400) : Infinity;
      const isStopped = this.#chance(0.3);
      const process = new Process(`${name}.${life}`, this.#clock, end, isStopped);
      const isDone = await Promise.race([this.#commitAll(process), process.ended.then(() => false)]);
      if (isDone) return;
      this.#kills++;
      this.#say(`${process.name} ${isStopped ? "stops" : "is killed"}`);
    }
  }

  async #commitAll(process: Process): Promise<boolean> {
    const gate = new CommitGate({
      send: (request) => process.alive(this.#network.send(request)),
      clock: process.clock,
      attemptMs: ATTEMPT_MS,
      deadlineMs: DEADLINE_MS,
      isAtomic: this.#catalog.isAtomic && this.#random() < 0.5,
      onEvent: (event) => {
        if (event.event === "commit") this.#say(`${process.name} commit ${JSON.stringify(event)}`);
      },
    });
    process.onStop = () => void gate.close(0);
    for (;;) {
      const states = await this.#load(process);
      const marks = states.map((state) => Number(watermarkOf(state, BATCH)?.summary.get(BATCH) ?? 0));
      const batch = Math.min(...marks) + 1;
      if (batch > BATCHES) return true;
      const due = this.#tables
        .map((table, index) => ({ table, index }))
        .filter(({ index }) => marks[index] === batch - 1);
      const joins = this.#joinsLast && due.length > 1;
      const last = joins
        ? appendTo(due.at(-1)!.table, states[due.at(-1)!.index]!, { random: this.#random })
        : undefined;
      const parts = due.map(({ table, index }, at) => ({
        table,
        joins: () => (last && at === due.length - 1 ? exactText(last.change) : undefined),
        summary: { [BATCH]: String(batch) },
        base: { snapshotId: states[index]!.refs.get("main") },
      }));
      try {
        const result = await process.alive(
          gate.transaction(parts, () =>
            writeAndCommit(
              (joins ? due.slice(0, -1) : due).map(({ table }) => table),
              {
                send: (method, path, body) => process.alive(this.#throughGate(gate, method, path, body)),
                remove: (file) => process.isOver || this.#deleted.add(file),
                onAbandoned: () => process.kill(),
                random: this.#random,
                isTableByTable: this.#isTableByTable,
                isCareless: this.#isCareless,
              },
            ),
          ),
        );
        this.#report(process, result, batch);
      } catch (thrown) {
        if (thrown instanceof CommitError) this.#report(process, thrown.result, batch);
        else this.#say(`${process.name} batch ${batch}: ${String(thrown)}`);
        await process.clock.sleep(this.#below(1_000));
      }
    }
  }

  #report(process: Process, result: TransactionResult, batch: number): void {
    this.#results.push(result);
    this.#outcomes.set(result.kind, (this.#outcomes.get(result.kind) ?? 0) + 1);
    this.#say(`${process.name} batch ${batch}: ${JSON.stringify(result)}`);
  }

  async #throughGate(gate: CommitGate, method: string, path: string, body: string): Promise<ModelAnswer | undefined> {
    if (isCommit(method, path)) {
      // The writer gives up waiting, and asks again.
      if (this.#chance(0.02)) {
        void gate.commit(path, {}, body);
        await this.#clock.sleep(this.#below(3_000));
        return undefined;
      }
      const { status, body: answer } = await gate.commit(path, {}, body);
      return { status, body: Buffer.from(answer).toString("utf8") };
    }
    try {
      const request = { method, path, headers: {}, body, timeoutMs: ATTEMPT_MS };
      const { status, body: answer } = await this.#network.send(request);
      return { status, body: Buffer.from(answer).toString("utf8") };
    } catch {
      return undefined;
    }
  }

  /** The tables, in their order, asked for until they are there. */
  async #load(process: Process): Promise<TableState[]> {
    const states: TableState[] = [];
    for (const table of this.#tables) {
      for (;;) {
        const request = { method: "GET", path: pathOf(table), headers: {}, timeoutMs: ATTEMPT_MS };
        const answer = await process.alive(this.#network.send(request).catch(() => undefined));
        const state = answer?.status === 200 ? readTable(Buffer.from(answer.body).toString("utf8")) : undefined;
        if (state) {
          states.push(state);
          break;
        }
        await process.clock.sleep(100);
      }
    }
    return states;
  }

  /** Others commit to the tables: Trino, maintenance. */
  async #rivals(everyMs: number): Promise<void> {
    for (let left = RIVAL_COMMITS_MAX; left > 0 && !this.#isDone; left--) {
      await this.#clock.sleep(1 + this.#below(everyMs));
      const table = this.#tables[this.#below(this.#tables.length)]!;
      const parent = this.#catalog.tables.get(tableKey(table))!.main;
      const id = newId(this.#random);
      const snapshot = `{"snapshot-id":${id},${parent === undefined ? "" : `"parent-snapshot-id":${parent},`}"manifest-list":"rival-${id}","summary":{"operation":"append"}}`;
      const body = `{"requirements":[],"updates":[{"action":"add-snapshot","snapshot":${snapshot}},{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":${id}}]}`;
      if (this.#catalog.handle("POST", pathOf(table), body).status === 200) this.#rivalCommits++;
    }
  }

  #violations(): string[] {
    const found: string[] = [];
    for (const [key, { snapshots }] of this.#catalog.tables) {
      for (const { file, id } of snapshots)
        if (this.#deleted.has(file)) found.push(`${key}: file ${file} of snapshot ${id} is deleted`);
      const history = this.#catalog.history(key);
      const batches = history.flatMap(({ summary }) => (summary[BATCH] === undefined ? [] : [Number(summary[BATCH])]));
      const expected = Array.from({ length: BATCHES }, (_, index) => index + 1);
      if (String(batches) !== String(expected)) found.push(`${key}: the batches are ${batches.join(",")}`);
      if (history.length !== snapshots.length) found.push(`${key}: a snapshot is not in the history`);
    }
    for (const { kind, id, committed, missing } of this.#results) {
      const times = (key: string): number =>
        this.#catalog.tables.get(key)!.snapshots.filter(({ summary }) => summary["tributary.transaction"] === id)
          .length;
      for (const key of committed)
        if (times(key) !== 1) found.push(`${kind} transaction ${id} is ${times(key)} times in ${key}`);
      if (kind === "committed" && committed.length === 0) found.push(`transaction ${id} committed nothing`);
      if (kind === "refused" || kind === "unavailable")
        for (const key of missing) if (times(key) > 0) found.push(`${kind} transaction ${id} is in ${key}`);
    }
    return found;
  }

  #say(line: string): void {
    this.#trace.push(`${this.#clock.nowMs()} ${line}`);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }
}

/** A process that ends at one of its steps. What it waits for then never comes. */
class Process {
  readonly name: string;
  readonly clock: Clock;
  readonly ended: Promise<void>;
  onStop: () => void = () => undefined;
  isOver = false;
  #stepsLeft: number;
  readonly #isStopped: boolean;
  #end: () => void = () => undefined;

  constructor(name: string, clock: SimClock, steps: number, isStopped: boolean) {
    this.name = name;
    this.#stepsLeft = steps;
    this.#isStopped = isStopped;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.clock = {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      sleep: (ms, signal) => this.alive(clock.sleep(ms, signal)),
    };
  }

  /** Ends at once, without a signal. */
  async kill(): Promise<never> {
    this.isOver = true;
    this.#end();
    return new Promise(() => undefined);
  }

  async alive<T>(work: Promise<T>): Promise<T> {
    try {
      const value = await work;
      await this.#step();
      return value;
    } catch (thrown) {
      await this.#step();
      throw thrown;
    }
  }

  async #step(): Promise<void> {
    if (this.#stepsLeft-- === 0) {
      this.#end();
      if (!this.#isStopped) this.isOver = true;
      // What a stop leaves of the process runs on for a while; it ends like a kill, some steps later.
      else {
        this.onStop();
        this.#stepsLeft = -1;
      }
    }
    if (this.#isStopped && this.#stepsLeft < -40) this.isOver = true;
    if (this.isOver) await new Promise(() => undefined);
  }
}
