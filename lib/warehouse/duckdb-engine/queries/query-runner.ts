import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../../clock.ts";
import { TributaryError } from "../../../errors.ts";
import { SCHEMA } from "../../sql/sql.ts";
import type { QueryOptions, QueryResult } from "../../warehouse.ts";
import { CATALOG, type QueryReply, type QueryRequest, type QuerySource } from "./protocol.ts";

/** The maximum number of concurrent queries of one runner. Each has its own process. */
const QUERIES_AT_ONCE = 2;
const MIB = 1024 * 1024;
const MEMORY_BYTES_MAX = 512 * MIB;
const SPILL_BYTES_MAX = 4096 * MIB;
const THREADS = 2;
/**
 * The maximum memory that a query process may allocate in total. DuckDB's own limit counts only its buffers.
 * The rest is for Node, vectors, and the values that one function creates.
 */
const PROCESS_BYTES_MAX = 2 * MEMORY_BYTES_MAX + 512 * MIB;
/** The interval between checks of a running query's resident memory. */
const WATCH_MS = 250;

/** Idle processes, shared by all warehouses of this process. They do not keep the program alive. */
const idle: QueryProcess[] = [];

/** The tables of a warehouse, for query processes. */
export interface QueryTables {
  /** Holds a folder for each process. Closing the runner removes it. */
  readonly folder: string;
  /** What a process needs to read the tables that the SQL names. */
  sourceOf(sql: string): Promise<QuerySource>;
  /** Calls `copy` once, while the process copies what it reads. */
  whileCopying(copy: () => Promise<void>): Promise<void>;
  /** Makes the replay of a write-ahead log unnecessary. */
  checkpoint(): Promise<void>;
}

/** A query for a process, without what is the same for all queries. */
type Asked = Pick<QueryRequest, "sql" | "parts" | "rowsMax">;

/**
 * Runs users' SQL in separate processes, a few at a time, over copies of the database (see Replica) or a
 * catalog. A query that uses too much memory or time, or that crashes DuckDB, ends only its own process.
 * Processes start with the first query and then wait for the next one. The time limit includes the wait for
 * a turn. Each runner has turns of its own: queries of one never wait for queries of another.
 */
export class QueryRunner {
  readonly #tables: QueryTables;
  readonly #clock: Clock;
  readonly #busy = new Set<QueryProcess>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #closed = false;

  constructor(tables: QueryTables, clock: Clock) {
    this.#tables = tables;
    this.#clock = clock;
  }

  /**
   * Implements Warehouse.query. `parts` are texts within `sql` that must each be one SELECT of its own, so
   * that none of them closes the brackets around it.
   * @throws QUERY_NOT_READ_ONLY, QUERY_FAILED, QUERY_TIMEOUT, WAREHOUSE_UNAVAILABLE
   */
  async query(
    sql: string,
    { rowsMax, timeoutMs, signal }: QueryOptions,
    parts: readonly string[] = [],
  ): Promise<QueryResult> {
    const ended = new AbortController();
    const limit = new Promise<never>((_resolve, reject) => {
      const stop = (message: string) => reject(new TributaryError("QUERY_TIMEOUT", message));
      const cancel = (): void => stop("the query was cancelled");
      if (signal?.aborted) cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      ended.signal.addEventListener("abort", () => signal?.removeEventListener("abort", cancel));
      void this.#clock.sleep(timeoutMs, ended.signal).then(() => stop(`the query ran longer than ${timeoutMs} ms`));
    });
    limit.catch(() => undefined);
    try {
      return await this.#inTurn(limit, () => this.#checkpointedRun({ sql, parts, rowsMax }, limit, ended.signal));
    } finally {
      ended.abort();
    }
  }

  /** Ends running queries and removes the copies. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#busy].map((one) => one.kill()));
    await rm(this.#tables.folder, { recursive: true, force: true });
  }

  async #inTurn<T>(limit: Promise<never>, run: () => Promise<T>): Promise<T> {
    if (this.#running >= QUERIES_AT_ONCE) {
      let take!: () => void;
      const turn = new Promise<void>((resolve) => this.#waiting.push((take = resolve)));
      try {
        await Promise.race([turn, limit]);
      } catch (thrown) {
        const index = this.#waiting.indexOf(take);
        if (index >= 0) this.#waiting.splice(index, 1);
        else this.#next();
        throw thrown;
      }
    } else this.#running += 1;
    try {
      return await run();
    } finally {
      this.#next();
    }
  }

  /** Starts the next waiting query. */
  #next(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running -= 1;
  }

  /**
   * Runs the query. Replaying a large commit of a wide table takes more memory than a query process has. The
   * writer's checkpoint then makes the replay unnecessary, and the query runs once more.
   */
  async #checkpointedRun(query: Asked, limit: Promise<never>, ended: AbortSignal): Promise<QueryResult> {
    try {
      return await this.#run(query, limit, ended);
    } catch (thrown) {
      if (!(thrown instanceof ReplayTooLarge)) throw thrown;
      await Promise.race([this.#tables.checkpoint(), limit]);
      return this.#run(query, limit, ended);
    }
  }

  async #run(query: Asked, limit: Promise<never>, ended: AbortSignal): Promise<QueryResult> {
    if (this.#closed) throw unavailable("the warehouse is closed");
    const process = idle.pop() ?? new QueryProcess();
    const folder = join(this.#tables.folder, String(process.number));
    this.#busy.add(process);
    try {
      await Promise.race([process.started, limit]);
      const request: QueryRequest = {
        ...query,
        source: await Promise.race([this.#tables.sourceOf(query.sql), limit]),
        folder,
        database: CATALOG,
        schema: SCHEMA,
        memoryBytesMax: MEMORY_BYTES_MAX,
        spillBytesMax: SPILL_BYTES_MAX,
        threads: THREADS,
      };
      const answer = process.run(request, (copy) => this.#tables.whileCopying(copy));
      return await Promise.race([answer, limit, this.#watch(process, ended)]);
    } finally {
      this.#busy.delete(process);
      if (process.isUsable && !this.#closed) idle.push(process);
      else void process.kill().then(() => rm(folder, { recursive: true, force: true }));
    }
  }

  /** Rejects when the process's resident memory exceeds its limit. Never resolves. */
  async #watch(process: QueryProcess, ended: AbortSignal): Promise<never> {
    while (!ended.aborted) {
      if (process.residentBytes() > PROCESS_BYTES_MAX) throw tooMuchMemory();
      await this.#clock.sleep(WATCH_MS, ended);
    }
    return new Promise(() => undefined);
  }
}

const tooMuchMemory = (): TributaryError =>
  new TributaryError("QUERY_FAILED", `the query needs more than ${PROCESS_BYTES_MAX / MIB} MiB of memory`);

/** The copy's write-ahead log takes more memory than the process may use. */
class ReplayTooLarge extends TributaryError {
  constructor(message: string) {
    super("WAREHOUSE_UNAVAILABLE", message);
  }
}

/** One child process. */
class QueryProcess {
  static #count = 0;
  readonly number = (QueryProcess.#count += 1);
  readonly started: Promise<void>;
  readonly #ended: Promise<void>;
  readonly #child: ChildProcess;
  #exit: string | undefined;
  #onReply: ((reply: QueryReply) => void) | undefined;
  #onExit: ((exit: string) => void) | undefined;
  #errors = "";
  #isExhausted = false;
  /** True until the first message, and from a query until its answer. */
  #isBusy = true;

  constructor() {
    const { command, args } = limited(programArguments());
    const child = spawn(command, args, {
      env: {},
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      // JSON has no negative zero.
      serialization: "advanced",
    });
    this.#child = child;
    this.started = new Promise<void>((resolve, reject) => {
      this.#onReply = () => {
        this.#isBusy = false;
        resolve();
      };
      this.#onExit = (exit) => reject(unavailable(`a query process did not start (${exit}) ${this.#errors}`));
    });
    this.started.catch(() => undefined);
    child.stderr!.on("data", (chunk: Buffer) => (this.#errors = (this.#errors + chunk.toString()).slice(-2_000)));
    child.on("message", (reply: QueryReply) => this.#onReply?.(reply));
    this.#ended = new Promise((resolve) => {
      const exited = (exit: string): void => {
        if (this.#exit !== undefined) return;
        this.#exit = exit;
        const index = idle.indexOf(this);
        if (index >= 0) idle.splice(index, 1);
        this.#onExit?.(exit);
        resolve();
      };
      child.once("error", (thrown) => exited(thrown.message));
      child.once("exit", (code, signal) => exited(signal ?? `exit code ${code}`));
    });
    // The time limit of a query keeps the program alive. A waiting process does not.
    child.unref();
    child.channel!.unref();
    (child.stderr as Socket).unref();
  }

  /** Whether the process is alive and can run another query. */
  get isUsable(): boolean {
    return this.#exit === undefined && !this.#isExhausted && !this.#isBusy;
  }

  /** Runs a query. The process copies the database only within `whileCopying`, which calls `copy` once. */
  async run(request: QueryRequest, whileCopying: (copy: () => Promise<void>) => Promise<void>): Promise<QueryResult> {
    return new Promise<QueryResult>((resolve, reject) => {
      let columns: QueryResult["columns"] = [];
      const rows: unknown[][] = [];
      let copied!: () => void;
      const isCopied = new Promise<void>((done) => (copied = done));
      this.#onReply = (reply) => {
        if (reply.kind !== "started") copied();
        this.#isBusy = reply.kind !== "done" && reply.kind !== "failed";
        if (reply.kind === "columns") columns = reply.columns;
        else if (reply.kind === "rows") for (const row of reply.rows) rows.push(row);
        else if (reply.kind === "done") resolve({ columns, rows, truncated: reply.truncated });
        else if (reply.kind === "failed") {
          this.#isExhausted = reply.exhausted;
          const isReplay = reply.exhausted && reply.opening;
          reject(isReplay ? new ReplayTooLarge(reply.message) : new TributaryError(reply.code, reply.message));
        }
      };
      this.#onExit = (exit) => {
        copied();
        reject(
          new TributaryError(
            "QUERY_FAILED",
            `the query ended its process (${exit}): it needs too much memory or nesting`,
          ),
        );
      };
      if (this.#exit !== undefined) return this.#onExit(this.#exit);
      this.#isBusy = true;
      const copy = (): Promise<void> => {
        if (this.#exit === undefined) this.#child.send(request);
        return isCopied;
      };
      void whileCopying(copy).catch(reject);
    });
  }

  /** Resident memory in bytes; 0 if the system does not report it. */
  residentBytes(): number {
    try {
      const [, pages] = readFileSync(`/proc/${this.#child.pid}/statm`, "latin1").split(" ");
      return Number(pages) * 4096;
    } catch {
      return 0;
    }
  }

  async kill(): Promise<void> {
    this.#child.ref();
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

const unavailable = (message: string): TributaryError => new TributaryError("WAREHOUSE_UNAVAILABLE", message.trim());

/** The compiled program is a .js file like this one. As .ts it needs tsx. */
function programArguments(): string[] {
  if (!import.meta.url.endsWith(".ts")) return [fileURLToPath(new URL("./query-process.js", import.meta.url))];
  return ["--import", import.meta.resolve("tsx"), fileURLToPath(new URL("./query-process.ts", import.meta.url))];
}

/**
 * Node with a limit on its allocations (RLIMIT_DATA: private writable memory). The address space has no
 * limit, because V8 reserves more of it than it uses.
 */
function limited(args: readonly string[]): { command: string; args: string[] } {
  if (process.platform === "win32") return { command: process.execPath, args: [...args] };
  const script = `ulimit -d ${Math.ceil(PROCESS_BYTES_MAX / 1024)} 2>/dev/null; exec "$0" "$@"`;
  return { command: "/bin/sh", args: ["-c", script, process.execPath, ...args] };
}
