import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { commands, fileSkips } from "../../lib/messages/avro.ts";
import { contentOf, versionOf, type VersionEvent } from "../../lib/messages/repetition.ts";
import { operationIn, WHOLE_TABLE } from "../../lib/messages/operation.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { Registry } from "../../lib/process/metrics.ts";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { publishDecision } from "../../services/gateway/held/decision.ts";
import type { FileStatus } from "../../services/gateway/http/schemas.ts";
import { gatewayMetrics } from "../../services/gateway/metrics.ts";
import { versionEvents } from "../../lib/file-versions/events.ts";
import { selectRejected, selectReplays, type ReplayRange } from "../../lib/file-versions/select.ts";
import { publishReplays } from "../../services/gateway/replays/replay.ts";
import { publishOperation } from "../../services/gateway/operations/publish.ts";
import { publishUndo } from "../../services/gateway/operations/undo.ts";
import { withoutUndone } from "../../lib/file-versions/history.ts";
import { checkEnd, type AcceptedFile } from "./checks.ts";
import { CALM, Scheduler, type FaultProfile } from "./scheduler.ts";
import {
  CONTRACTS,
  contractOf,
  corrected,
  DOUBTFUL_ROWS,
  FLIPPING_TABLE,
  mayRebuild,
  mayUndo,
  MISTAKEN_NAME,
  MISTAKEN_TABLE,
  mistakenContent,
  randomContent,
  type Content,
} from "./workload.ts";
import { SET_ASIDE } from "./warehouse-client.ts";
import { World, type Role, type SimGateway, type SimProcess } from "./world.ts";

/** The result of one schedule. */
export interface Outcome {
  seed: number;
  violations: string[];
  steps: number;
  files: number;
  faults: number;
  trace: readonly string[];
}

/** A replay looks for raw bytes, and a correction reads the file, before it publishes: uploads come between. */
const LOOKUPS_MS_MAX = [0, 50, 2_000];
const STEPS_MAX = 60_000;
const FILE_NAMES = ["a.csv", "b.csv", "c.csv"];
const DROPPED_NAMES = ["d.csv", "e.csv"];

/** Runs one schedule, which the seed determines completely. Only one can run at a time in a process. */
export async function runSchedule(seed: number): Promise<Outcome> {
  const scheduler = new Scheduler(seed);
  const random = Math.random;
  // The seed also determines the backoff jitter.
  Math.random = scheduler.random;
  try {
    const schedule = new Schedule(scheduler);
    await schedule.run();
    const { violations } = schedule.world;
    const { steps, faults, trace } = scheduler;
    return { seed, violations, steps, faults, trace, files: schedule.accepted.length };
  } finally {
    Math.random = random;
  }
}

class Schedule {
  readonly world: World;
  readonly accepted: AcceptedFile[] = [];
  readonly #scheduler: Scheduler;
  readonly #driver;
  readonly #clock;
  readonly #disturbances: number;
  readonly #fileNames: readonly string[];
  readonly #tablesWithText = new Set<string>();
  readonly #contentOf = new Map<string, Content>();
  #processes: SimProcess[] = [];
  #gateway: SimGateway | undefined;
  #made = 0;
  #acting = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.#driver = scheduler.node("driver");
    this.#clock = scheduler.clockOf(this.#driver);
    this.world = new World(scheduler);
    this.#disturbances = scheduler.pick([0, 0.002, 0.01, 0.03]);
    this.#fileNames = scheduler.pick([FILE_NAMES, FILE_NAMES.slice(0, 1)]);
    scheduler.profile = randomProfile(scheduler);
  }

  async run(): Promise<void> {
    const { world } = this;
    const scheduler = this.#scheduler;
    scheduler.onDeath.push((node) => void this.#bury(node.name));
    const roles: Role[] = ["parser", "parser", "committer", "committer", "watcher", "watcher"];
    for (const role of roles) this.#start(role);
    const tables = CONTRACTS.map(({ table }) => table).filter(() => scheduler.chance(0.4));
    if (tables.length === 0) tables.push(scheduler.pick(CONTRACTS).table);
    for (let actions = 3 + scheduler.integer(12); actions > 0; actions--) void this.#act(scheduler.pick(tables));
    let stepsToCalm = scheduler.integer(400);
    while (world.violations.length === 0 && scheduler.steps < STEPS_MAX) {
      const happened = await scheduler.step();
      if (this.#acting === 0 && stepsToCalm-- <= 0) this.#calm();
      else if (scheduler.chance(this.#disturbances)) this.#disturb();
      const over = !happened || (this.#acting === 0 && scheduler.profile === CALM);
      if (over && this.#acting === 0 && world.undone().length === 0) break;
      if (!happened) world.violation(`I11: no step is left, but ${this.#acting} acts and ${world.undone().join(", ")}`);
    }
    if (scheduler.steps >= STEPS_MAX)
      world.violation(`I11: not done after ${STEPS_MAX} steps: ${world.undone().join(", ")}`);
    if (world.violations.length === 0) checkEnd(world, this.accepted);
    for (const { node } of this.#processes) node.die();
  }

  #calm(): void {
    this.#scheduler.profile = CALM;
    this.#scheduler.diskFull = false;
  }

  #start(role: Role): void {
    this.#processes.push(this.world.process(role, `${role}-${++this.#made}`));
  }

  /** After a delay the broker detects the death; later another process replaces the dead one. */
  async #bury(name: string): Promise<void> {
    const dead = this.#processes.find(({ node }) => node.name === name);
    if (!dead) return;
    this.#processes = this.#processes.filter((process) => process !== dead);
    await this.#sleep(3_000);
    for (const member of this.world.broker.membersOf(dead.log)) void this.world.broker.evict(member);
    await this.#sleep(500);
    this.#start(dead.role);
  }

  #disturb(): void {
    const scheduler = this.#scheduler;
    const process = scheduler.pick(this.#processes);
    switch (scheduler.integer(7)) {
      case 0:
        return process?.node.die();
      case 1:
      case 2:
        return process && void this.#partition(process);
      case 3:
        return process && void this.#restart(process);
      case 4:
        return scheduler.jump(scheduler.pick([-86_400_000, -1_000, 1_000, 86_400_000]));
      case 5:
        return void this.#fillDisk();
      case 6:
        return this.#gateway?.node.die();
    }
  }

  /**
   * Partitions the process beyond the session timeout: others take over while it still runs; then it
   * reconnects.
   */
  async #partition(process: SimProcess): Promise<void> {
    const { broker } = this.world;
    this.#scheduler.note(`${process.node.name} is cut off from its group`);
    for (const member of broker.membersOf(process.log)) {
      await broker.evict(member);
      if (!member.draining && !process.node.dead) broker.join(member);
    }
  }

  async #restart(process: SimProcess): Promise<void> {
    if (!process.service) return;
    this.#scheduler.note(`${process.node.name} is asked to drain`);
    await process.service.drain();
    process.node.die();
  }

  async #fillDisk(): Promise<void> {
    this.#scheduler.note("the disk is full");
    this.#scheduler.diskFull = true;
    await this.#sleep(2_000);
    this.#scheduler.diskFull = false;
  }

  #sleep(msMax: number): Promise<void> {
    return this.#clock.sleep(this.#scheduler.random() * msMax);
  }

  /** One action of a user, retried until it succeeds. */
  async #act(table: string): Promise<void> {
    const scheduler = this.#scheduler;
    this.#acting++;
    await this.#sleep(scheduler.pick([0, 50, 2_000]));
    const kind = scheduler.random();
    const sourceFile = scheduler.pick(this.#fileNames);
    if (kind < 0.08) await this.#persist((gateway) => this.#delete(gateway, table, sourceFile));
    else if (kind < 0.16) await this.#persist((gateway) => this.#replay(gateway, table));
    else if (kind < 0.22) await this.#persist((gateway) => this.#replayRejected(gateway, table));
    else if (kind < 0.3) await this.#persist((gateway) => this.#correct(gateway, table, sourceFile));
    else if (kind < 0.36) await this.#persist((gateway) => this.#command(gateway, table));
    else if (kind < 0.41 && mayUndo(table)) await this.#persist((gateway) => this.#undo(gateway, table, sourceFile));
    else if (kind < 0.48) await this.#persist((gateway) => this.#decide(gateway, table));
    else if (kind < 0.56) this.#drop(table);
    else if (kind < 0.61 && mayRebuild(table)) await this.#rebuild(table);
    else if (kind < 0.66 && table === MISTAKEN_TABLE && this.#isNameText()) await this.#mistake();
    else if (kind < 0.72) await this.#persist((gateway) => this.#cancel(gateway, table));
    else await this.#upload(table, sourceFile, kind < 0.76);
    this.#acting--;
  }

  /** As `files cancel`, of any file, whatever became of it. */
  async #cancel({ log }: SimGateway, table: string): Promise<void> {
    const files = this.world.arrived(table).filter(({ event }) => operationIn(event) === undefined);
    if (files.length === 0) return;
    const { fileId } = this.#scheduler.pick(files.slice(-3)).event;
    const skip = { fileId, table, reason: "", requestedBy: "", requestedAtMs: this.#clock.nowMs(), cancelled: true };
    await log.publish(TOPICS.fileSkips.name, [{ key: table, value: fileSkips.encode(skip) }]);
  }

  /**
   * Puts an object into the drop store or deletes one. The names differ from uploads: a name has one source.
   */
  #drop(table: string): void {
    const scheduler = this.#scheduler;
    const key = `${table}/${scheduler.pick(DROPPED_NAMES)}`;
    if (this.world.dropped.has(key) && scheduler.chance(0.3)) return this.world.drops.remove(key);
    const content = randomContent(scheduler, table, this.#tablesWithText.has(table));
    // Only uploads have the column whose type is inferred, because the order of two sources is not known
    // here.
    if (content.text.startsWith("id,name,extra")) return;
    this.#expect(content);
    this.world.drops.drop(key, content.text);
    this.world.dropped.add(key);
  }

  /** As `files undo`. */
  async #undo({ log }: SimGateway, table: string, sourceFile: string): Promise<void> {
    const contract = contractOf(table);
    await publishUndo(this.#republishing(log), contract, { sourceFile, reason: "", requestedBy: "" }, async () => {
      const others = (await this.#history(log, table)).filter(({ event }) => event.sourceFile !== sourceFile);
      await this.#sleep(this.#scheduler.pick(LOOKUPS_MS_MAX));
      return selectReplays(others, contract.writeMode, {});
    });
  }

  /** As `tables rebuild`; one table's owner has changed the contract before. */
  async #rebuild(table: string): Promise<void> {
    const { world } = this;
    if (table === FLIPPING_TABLE && this.#scheduler.chance(0.7)) {
      world.isFlipped = !world.isFlipped;
      this.#scheduler.note(`the contract of ${table} ${world.isFlipped ? "has" : "has no"} text`);
    }
    await this.#persist(async ({ log }) => {
      const operation = { kind: "rebuild", reason: "", requestedBy: "" } as const;
      await publishOperation(this.#republishing(log), { table, sourceFile: WHOLE_TABLE }, operation);
    });
  }

  /** As `rejects replay`. */
  async #replayRejected({ log }: SimGateway, table: string): Promise<void> {
    const contract = contractOf(table);
    const rejected = [...this.world.warehouse.ledger].flatMap(([id, { outcome }]) =>
      outcome.rowsRejected > 0 ? [id] : [],
    );
    const chosen = selectRejected(await this.#history(log, table), contract.writeMode, new Set(rejected));
    await this.#sleep(this.#scheduler.pick(LOOKUPS_MS_MAX));
    await publishReplays(this.#republishing(log), chosen, "rejects");
  }

  /** As `rejects correct`, for all rejected rows of a file. */
  async #correct({ log, ingest }: SimGateway, table: string, sourceFile: string): Promise<void> {
    const newest = (await this.#history(log, table)).filter(({ event }) => event.sourceFile === sourceFile).at(-1);
    const content = newest && this.world.contents.get(newest.event.contentHash);
    if (!content?.rows.includes(null)) return;
    const right = corrected(this.#scheduler, content);
    this.#expect(right);
    await this.#sleep(this.#scheduler.pick(LOOKUPS_MS_MAX));
    const body = Readable.from([Buffer.from(right.text)], { objectMode: false });
    const { fileId: own } = newest!.event;
    const corrects = { fileId: own, versionOffset: versionOf(newest!), baseOffset: contentOf(newest!) };
    const { fileId, offset } = await ingest.put({ table, sourceFile, origin: "upload", body, corrects });
    this.accepted.push({ fileId, table, offset });
  }

  /** As `files accept` and `files refuse`, for a file that is held at this moment; others may decide, too. */
  async #decide({ log }: SimGateway, table: string): Promise<void> {
    const scheduler = this.#scheduler;
    const { warehouse, objects } = this.world;
    const held = [...warehouse.ledger].filter(([, { table: own, heldReasonsJson: why }]) => own === table && why);
    if (held.length === 0) return;
    const [fileId, { outcome }] = scheduler.pick(held);
    const { sourceFile, sourceOffset, sizeBytes, contentHash, etag } = outcome;
    const file = { fileId, table, sourceFile, sourceOffset, sizeBytes, contentHash, etag, receivedAt: null };
    await this.#sleep(scheduler.pick(LOOKUPS_MS_MAX));
    const verdict = scheduler.chance(0.3) ? "refuse" : "accept";
    const blob = { head: async (key: string) => (objects.has(key) ? { sizeBytes, modifiedAtMs: 0 } : undefined) };
    const deps = { log, blob: blob as unknown as BlobStore, clock: this.#clock };
    const decided = { file: file as unknown as FileStatus, requested: {} };
    await publishDecision(deps, { ...decided, decision: { verdict, reason: "", decidedBy: "" } });
    if (!scheduler.chance(0.4)) return;
    // Somebody else decides at the same time.
    const other = scheduler.chance(0.5) ? "refuse" : "accept";
    await publishDecision(deps, { ...decided, decision: { verdict: other, reason: "", decidedBy: "" } });
  }

  async #command({ log }: SimGateway, table: string): Promise<void> {
    const command = {
      commandId: `command-${++this.#made}`,
      table,
      kind: this.#scheduler.pick(["checks", "optimize"] as const),
      reason: "",
      requestedAtMs: this.#clock.nowMs(),
      argumentsJson: "{}",
    };
    await log.publish(TOPICS.commands.name, [{ key: table, value: commands.encode(command) }]);
  }

  async #upload(table: string, sourceFile: string, again: boolean): Promise<void> {
    const name = `${table}/${sourceFile}`;
    const extraIsText = this.#tablesWithText.has(table);
    const content = (again && this.#contentOf.get(name)) || randomContent(this.#scheduler, table, extraIsText);
    this.#contentOf.set(name, content);
    await this.#persist(async ({ ingest }) => {
      const bytes = Buffer.from(content.text);
      const body = Readable.from([bytes], { objectMode: false });
      const done = ingest.put({ table, sourceFile, origin: "upload", body, sizeBytes: bytes.length });
      this.#expect(content);
      const { fileId, offset } = await done;
      this.accepted.push({ fileId, table, offset });
      if (madeOfText(content)) this.#tablesWithText.add(table);
    });
  }

  /** Whether the table itself has text: a file that would bring it may still be cancelled. */
  #isNameText(): boolean {
    const columns = this.world.warehouse.tablesByName.get(MISTAKEN_TABLE)?.columns ?? [];
    return columns.some(({ name, type }) => name === "name" && type === "VARCHAR");
  }

  /** A file while the contract is wrong: it fails, and the next files are typed as if it had not been there. */
  async #mistake(): Promise<void> {
    const content = mistakenContent(this.#scheduler);
    this.#expect(content);
    await this.#persist(async ({ ingest }) => {
      const body = Readable.from([Buffer.from(content.text)], { objectMode: false });
      const put = { table: MISTAKEN_TABLE, sourceFile: MISTAKEN_NAME, origin: "upload", body } as const;
      const { fileId, offset } = await ingest.put(put);
      this.accepted.push({ fileId, table: MISTAKEN_TABLE, offset });
    });
  }

  #expect(content: Content): void {
    this.world.contents.set(hashOf(content.text), content);
  }

  async #delete({ ingest }: SimGateway, table: string, sourceFile: string): Promise<void> {
    const { fileId, offset } = await ingest.deleted({ table, sourceFile, origin: "drop" });
    this.accepted.push({ fileId, table, offset });
  }

  #republishing(log: SimGateway["log"]): Parameters<typeof publishReplays>[0] {
    return { log, clock: this.#clock, metrics: gatewayMetrics(new Registry()) };
  }

  /** As versionHistory: without versions that were set aside. */
  async #history(log: SimGateway["log"], table: string): Promise<VersionEvent[]> {
    return withoutUndone(await this.#everyVersion(log, table));
  }

  async #everyVersion(log: SimGateway["log"], table: string): Promise<VersionEvent[]> {
    const { ledger } = this.world.warehouse;
    return (await versionEvents(log, table)).filter(
      ({ event }) => !SET_ASIDE.includes(ledger.get(event.fileId)?.outcome.errorCode ?? ""),
    );
  }

  async #replay({ log }: SimGateway, table: string): Promise<void> {
    const scheduler = this.#scheduler;
    const { writeMode } = contractOf(table);
    const every = await this.#everyVersion(log, table);
    const past = withoutUndone(every);
    const range: ReplayRange = scheduler.chance(0.5) ? {} : { onlyFile: scheduler.pick(FILE_NAMES) };
    if (past.length > 0 && scheduler.chance(0.4)) range.toOffset = scheduler.pick(past).offset;
    const asNewest = writeMode !== "append" && scheduler.chance(0.2);
    const chosen = asNewest
      ? withoutUndone(selectReplays(every, writeMode, range))
      : selectReplays(past, writeMode, range);
    await this.#sleep(scheduler.pick(LOOKUPS_MS_MAX));
    await publishReplays(this.#republishing(log), chosen, asNewest ? "newest" : "repetitions");
  }

  /** Retries until it succeeds. A dead gateway is replaced, and its pending calls are retried. */
  async #persist(attempt: (gateway: SimGateway) => Promise<void>): Promise<void> {
    for (;;) {
      if (!this.#gateway || this.#gateway.node.dead) this.#gateway = this.world.gateway(`gateway-${++this.#made}`);
      const { died } = this.#gateway.node;
      const done = attempt(this.#gateway).then(
        () => true,
        () => false,
      );
      if (await Promise.race([done, died.then(() => false)])) return;
      await this.#sleep(200);
    }
  }
}

/** Whether the file makes its columns `name` and `extra` text. */
const madeOfText = ({ text, rows }: Content): boolean =>
  rows.length !== DOUBTFUL_ROWS &&
  text.startsWith("id,name,extra") &&
  rows.some((cells) => cells?.[1]?.startsWith("n") && cells[2] === "e");

function randomProfile(scheduler: Scheduler): FaultProfile {
  const share = (max: number): number => (scheduler.chance(0.5) ? scheduler.random() * max : 0);
  return {
    crash: share(0.02),
    fail: share(0.1),
    unknown: share(0.05),
    late: share(0.05),
    survive: scheduler.pick([0, 0.5, 1]),
    stall: scheduler.pick([0, 0.01, 0.1, 0.3]),
    slow: scheduler.pick([0.01, 0.1, 0.4]),
    faultsMax: scheduler.integer(25),
  };
}

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");
