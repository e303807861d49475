import { randomUUID } from "node:crypto";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { AddedRows } from "../../duckdb-engine/ledger-statements.ts";
import { INTERNAL_TABLES, type InternalTable } from "../../internal-tables.ts";
import type { AppendedRows, PreparedRows } from "../append/appender.ts";
import { tableKey } from "../gate/request.ts";
import { CommitError, type TransactionResult } from "../gate/transactions.ts";
import type { WrittenPart } from "../text-bounds.ts";
import { APPENDED, type Applied } from "./apply.ts";
import { repeated } from "./repeated.ts";
import type { IcebergContext } from "./context.ts";
import type { SliceSize } from "./slices.ts";

/** What is written to internal tables. */
export interface LedgerEntry {
  /**
   * Statements of one transaction, made when their turn comes. `transactionId`: rows of a table are in the
   * same transaction; null: they are not.
   */
  statements: (transactionId: string | null) => Promise<LedgerStatements>;
  /** See WrittenPart. */
  cutsNoText: boolean;
}

export interface LedgerStatements {
  run: () => readonly string[];
  /** The rows that they add. undefined: they also read or change what is there. */
  added?: readonly AddedRows[] | undefined;
  /** Of these rows: see AppendedRows. */
  isAbsent?: AppendedRows["isAbsent"];
}

/** A table's rows that go into the transaction of their records. */
export interface SharedRows {
  part: WrittenPart;
  rowCount: number;
  /** The rows that `work` adds. undefined: it may also read or change what is there. */
  added?: Omit<AppendedRows, "part"> | undefined;
  /** undefined: there is nothing to change. */
  work: (connection: DuckDBConnection, size?: SliceSize) => Promise<Applied | undefined>;
}

export interface SharedResult {
  value: Applied;
  result: TransactionResult;
}

interface Waiting {
  entry: LedgerEntry;
  rows?: SharedRows;
  /** undefined: the rows were not written, nor their records. */
  resolve: (shared: SharedResult | undefined) => void;
  reject: (thrown: unknown) => void;
}

type Sharing = Waiting & { rows: SharedRows };

/** Limits of one transaction that tables share. */
const TABLES_MAX = 8;
const ROWS_MAX = 20_000;
/** Rows that have waited so long for their turn go alone: a slow table must not hold up the others. */
const WAIT_MS_MAX = 250;
/** After a refused transaction, rows go alone for so long: another process writes the ledger, too. */
const APART_MS = 5_000;

/**
 * The writes to some internal tables, one at a time: a table is in one transaction at a time. Calls that
 * arrive during a write wait and share the next one. Another process that writes these tables is a conflict,
 * after which the statements run again on what it wrote.
 */
export class LedgerQueue {
  readonly #context: IcebergContext;
  readonly #tables: readonly InternalTable[];
  #waiting: Waiting[] = [];
  /** Work that runs between two writes. */
  readonly #alone: (() => Promise<void>)[] = [];
  #running: Promise<void> | undefined;
  #apartUntilMs = -Infinity;

  constructor(context: IcebergContext, tables: readonly InternalTable[]) {
    this.#context = context;
    this.#tables = tables;
  }

  async write(entry: LedgerEntry): Promise<void> {
    await new Promise<unknown>((resolve, reject) => this.#add({ entry, resolve, reject }));
  }

  /**
   * Writes rows of a table and their records in one transaction, which the rows of other tables may share.
   * undefined: neither was written, nor can be any more. They go one after the other then.
   * @throws CommitError if nobody knows, or the catalog has applied some tables only
   */
  async writeWith(entry: LedgerEntry, rows: SharedRows): Promise<SharedResult | undefined> {
    const { clock } = this.#context;
    if (rows.rowCount > ROWS_MAX || clock.monotonicMs() < this.#apartUntilMs) return undefined;
    const waits = new AbortController();
    try {
      return await new Promise((resolve, reject) => {
        const waiting = { entry, rows, resolve, reject };
        this.#add(waiting);
        if (!this.#waiting.includes(waiting)) return;
        void clock.sleep(WAIT_MS_MAX, waits.signal).then(() => this.#leave(waiting));
      });
    } finally {
      waits.abort();
    }
  }

  /** Runs `work` as soon as no write of this process runs; those that come meanwhile wait. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#alone.push(() => work().then(resolve, reject));
      this.#running ??= this.#run();
    });
  }

  /** Resolves when no write waits. */
  async drained(): Promise<void> {
    await this.#running;
  }

  #add(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#running ??= this.#run();
  }

  #leave(waiting: Waiting): void {
    if (!this.#waiting.includes(waiting)) return;
    this.#waiting = this.#waiting.filter((one) => one !== waiting);
    waiting.resolve(undefined);
  }

  async #run(): Promise<void> {
    for (;;) {
      const work = this.#alone.shift();
      const round = work ? [] : this.#next();
      if (work) await work();
      else if (round.length > 0) await this.#write(round);
      else break;
    }
    // Here, not in a later microtask: a caller that continues first would wait for a run that has ended.
    this.#running = undefined;
  }

  /** Takes the next round: all records without rows, and the first rows that one transaction holds. */
  #next(): Waiting[] {
    const keys = new Set<string>();
    let rowCount = 0;
    const round = this.#waiting.filter(({ rows }) => {
      if (!rows) return true;
      const key = tableKey(rows.part.table);
      const fits = keys.size === 0 || (keys.size < TABLES_MAX && rowCount + rows.rowCount <= ROWS_MAX);
      if (!fits || keys.has(key)) return false;
      keys.add(key);
      rowCount += rows.rowCount;
      return true;
    });
    this.#waiting = this.#waiting.filter((one) => !round.includes(one));
    return round;
  }

  async #write(round: readonly Waiting[]): Promise<void> {
    const sharing = round.filter((one): one is Sharing => one.rows !== undefined);
    const others = round.filter(({ rows }) => !rows);
    if (sharing.length > 0 && (await this.#writeTogether(sharing, others))) return;
    if (others.length === 0) return;
    try {
      await repeated(this.#context, undefined, async () => {
        const statements = await statementsOf(others, null);
        if (await this.#append([], [...statements.values()])) return;
        await this.#context.session.write(this.#parts(others), async (connection) => {
          await runAll(connection, statements.values());
          return {};
        });
      });
      for (const { resolve } of others) resolve(undefined);
    } catch (thrown) {
      for (const { reject } of others) reject(thrown);
    }
  }

  /** Returns whether the records of the others are written. */
  async #writeTogether(sharing: readonly Sharing[], others: readonly Waiting[]): Promise<boolean> {
    const { clock } = this.#context;
    const id = randomUUID();
    try {
      const statements = new Map([...(await statementsOf(sharing, id)), ...(await statementsOf(others, null))]);
      const appended = await this.#append(sharing, [...statements.values()], id);
      const written = appended
        ? { value: new Map(sharing.map((one) => [one, APPENDED])), result: appended }
        : await this.#merge(sharing, statements, id);
      for (const one of sharing) {
        const value = written?.value.get(one);
        one.resolve(written && value && { value, result: written.result });
      }
      if (written) for (const { resolve } of others) resolve(undefined);
      return written !== undefined;
    } catch (thrown) {
      // Only of a refusal it is certain that nothing was applied, nor will be.
      const isOver = !(thrown instanceof CommitError) || thrown.result.kind === "refused";
      if (thrown instanceof CommitError) this.#apartUntilMs = clock.monotonicMs() + APART_MS;
      for (const { resolve, reject } of sharing) {
        if (isOver) resolve(undefined);
        else reject(thrown);
      }
      return false;
    }
  }

  /** Commits a round that only adds rows. undefined: it does more, or its tables do not allow it. */
  async #append(
    sharing: readonly Sharing[],
    statements: readonly LedgerStatements[],
    id?: string,
  ): Promise<TransactionResult | undefined> {
    const rows = this.#addedBy(sharing, statements);
    return rows && this.#context.appender.append(rows, { id });
  }

  /** The rows of a round that only adds rows. undefined: it does more. */
  #addedBy(sharing: readonly Sharing[], statements: readonly LedgerStatements[]): AppendedRows[] | undefined {
    const own: AppendedRows[] = sharing.flatMap(({ rows: { part, added } }) => (added ? [{ part, ...added }] : []));
    const records = statements.flatMap(({ added }) => (added ? [added] : []));
    if (own.length < sharing.length || records.length < statements.length) return undefined;
    const { tables } = this.#context;
    const internal = this.#tables.flatMap((table): AppendedRows[] => {
      const selects = records.flat().flatMap((one) => (one.table === table ? [`(${one.select})`] : []));
      if (selects.length === 0) return [];
      const part = { table: tables.idOf(table), summary: {} };
      // Recovery looks for old snapshots of rejected rows.
      const forgetsHistory = table === "_ingest_files";
      const rows = { part, select: selects.join(" UNION ALL "), columns: INTERNAL_TABLES[table], forgetsHistory };
      if (table !== "_ingest_files") return [rows];
      return [{ ...rows, isAbsent: (head, query) => areAbsent(statements, head, query) }];
    });
    return [...own, ...internal];
  }

  /**
   * Runs a round in one transaction of DuckDB. What it only adds goes along with the commit where it can:
   * DuckDB's writer then need not read those tables. undefined: there is nothing to change.
   */
  async #merge(
    sharing: readonly Sharing[],
    statements: ReadonlyMap<Waiting, LedgerStatements>,
    id: string,
  ): Promise<{ value: Map<Waiting, Applied>; result: TransactionResult } | undefined> {
    const { session, appender } = this.#context;
    const adding = sharing.filter(({ rows }) => rows.added);
    const merging = sharing.filter((one) => !adding.includes(one));
    let prepared: PreparedRows[] | undefined;
    const parts = [...sharing.map(({ rows }) => rows.part), ...this.#parts([...statements.keys()])].map((part) => {
      const key = tableKey(part.table);
      const joins = (): string | undefined => prepared?.find(({ table }) => tableKey(table) === key)?.change;
      return { ...part, joins, cutsNoText: () => joins() !== undefined || (part.cutsNoText?.() ?? false) };
    });
    const work = async (connection: DuckDBConnection): Promise<Map<Waiting, Applied> | undefined> => {
      const applied = await appliedBy(merging, connection);
      const rows =
        applied.size > 0 ? this.#addedBy(adding, dueOf(statements, [...applied.keys(), ...adding])) : undefined;
      prepared = rows && (await appender.prepare(connection, rows));
      if (prepared) return new Map([...applied, ...adding.map((one) => [one, APPENDED] as const)]);
      for (const [one, value] of await appliedBy(adding, connection)) applied.set(one, value);
      return (await runAll(connection, dueOf(statements, [...applied.keys()]))) > 0 ? applied : undefined;
    };
    try {
      const written = await session.write(parts, work, { id });
      if (!prepared || !written) return written;
      if (written.result.kind === "nothing") return undefined;
      appender.committed(prepared);
      return written;
    } catch (thrown) {
      if (thrown instanceof CommitError) appender.distrust();
      throw thrown;
    }
  }

  #parts(entries: readonly Waiting[]): WrittenPart[] {
    const cutsNoText = entries.every(({ entry }) => entry.cutsNoText);
    const { tables } = this.#context;
    return this.#tables.map((table) => ({ table: tables.idOf(table), summary: {}, cutsNoText: () => cutsNoText }));
  }
}

const statementsOf = async (
  entries: readonly Waiting[],
  transactionId: string | null,
): Promise<Map<Waiting, LedgerStatements>> =>
  new Map(
    await Promise.all(
      entries.map(async (one): Promise<[Waiting, LedgerStatements]> => [
        one,
        await one.entry.statements(transactionId),
      ]),
    ),
  );

async function areAbsent(
  statements: readonly LedgerStatements[],
  ...asked: Parameters<NonNullable<AppendedRows["isAbsent"]>>
): Promise<boolean> {
  for (const { isAbsent } of statements) if (isAbsent && !(await isAbsent(...asked))) return false;
  return true;
}

/** Records say that their rows came along: those of a table that has nothing to change do not. */
const dueOf = (statements: ReadonlyMap<Waiting, LedgerStatements>, changed: readonly Waiting[]): LedgerStatements[] =>
  [...statements].filter(([one]) => !one.rows || changed.includes(one)).map(([, of]) => of);

/** Changes the tables whose rows need it, one after the other. */
async function appliedBy(lanes: readonly Sharing[], connection: DuckDBConnection): Promise<Map<Waiting, Applied>> {
  const applied = new Map<Waiting, Applied>();
  for (const one of lanes) {
    const value = await one.rows.work(connection);
    if (value) applied.set(one, value);
  }
  return applied;
}

/** Returns how many statements it has run. */
async function runAll(connection: DuckDBConnection, statements: Iterable<LedgerStatements>): Promise<number> {
  const all = [...statements].flatMap(({ run }) => run());
  for (const one of all) await connection.run(one);
  return all.length;
}
