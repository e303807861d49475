/** Which writes share a transaction with the ledger, without a catalog. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DuckDBConnection } from "@duckdb/node-api";
import { systemClock } from "../../../../../lib/clock.ts";
import { TributaryError } from "../../../../../lib/errors.ts";
import type { AppendedRows } from "../../../../../lib/warehouse/iceberg/append/appender.ts";
import type { IcebergContext } from "../../../../../lib/warehouse/iceberg/commit/context.ts";
import {
  LedgerQueue,
  type LedgerEntry,
  type SharedResult,
  type SharedRows,
} from "../../../../../lib/warehouse/iceberg/commit/ledger-queue.ts";
import { CommitError, type TransactionResult } from "../../../../../lib/warehouse/iceberg/gate/transactions.ts";
import type { WrittenPart } from "../../../../../lib/warehouse/iceberg/text-bounds.ts";
import { until } from "../../../../support/until.ts";

const LEDGER = "_ingest_files";
const committed = { kind: "committed" } as TransactionResult;
const failed = (kind: "refused" | "unknown"): CommitError =>
  new CommitError({ ...committed, kind, status: 409, missing: [], committed: [], message: "no" });

/** A ledger whose transactions wait until they are released; `errors` are those of the next ones. */
function ledger() {
  const transactions: string[][] = [];
  const ran: string[] = [];
  const errors: unknown[] = [];
  const joined: string[] = [];
  const waiting: (() => void)[] = [];
  const state = { holds: false, prepares: true, joined: 0, distrusted: 0, kind: "committed" };
  const prepared: string[][] = [];
  const appender = {
    append: async () => undefined,
    prepare: async (_connection: unknown, rows: readonly AppendedRows[]) => {
      prepared.push(rows.map(({ part }) => part.table.name));
      const made = rows.map(({ part: { table } }) => ({ table, change: `change of ${table.name}` }));
      return state.prepares ? made : undefined;
    },
    committed: () => void (state.joined += 1),
    distrust: () => void (state.distrusted += 1),
  };
  const context = {
    appender,
    clock: systemClock,
    tables: { idOf: (name: string) => ({ namespace: ["lake"], name }) },
    session: {
      async write(parts: WrittenPart[], work: (connection: DuckDBConnection) => Promise<unknown>) {
        transactions.push(parts.map(({ table }) => table.name));
        if (state.holds) await new Promise<void>((resolve) => waiting.push(resolve));
        const run = (sql: string): Promise<void> => Promise.resolve(void ran.push(sql));
        const value = await work({ run } as unknown as DuckDBConnection);
        const error = errors.shift();
        if (error !== undefined) throw error as Error;
        joined.push(...parts.flatMap(({ joins }) => joins?.() ?? []));
        return value === undefined ? undefined : { value, result: { ...committed, kind: state.kind } };
      },
    },
  } as unknown as IcebergContext;
  const queue = new LedgerQueue(context, [LEDGER]);
  const release = (): void => {
    state.holds = false;
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { queue, transactions, ran, errors, joined, prepared, state, hold: () => (state.holds = true), release };
}

const entry = (seen: (string | null)[] = [], sql = "INSERT"): LedgerEntry => ({
  cutsNoText: true,
  statements: async (transactionId) => {
    seen.push(transactionId);
    return { run: () => [sql] };
  },
});

const rowsOf = (name: string, over: Partial<SharedRows> = {}): SharedRows => ({
  part: { table: { namespace: ["lake"], name }, summary: {} },
  rowCount: 1,
  work: async () => ({ rowsDeleted: 0, copiesRows: false }),
  ...over,
});

const isWritten = (results: readonly (SharedResult | undefined)[]): boolean[] =>
  results.map((one) => one !== undefined);

test("who comes alone goes at once; who comes during a transaction shares the next", async () => {
  const { queue, transactions, hold, release } = ledger();
  hold();
  const writes = ["a", "b", "c"].map((name) => queue.writeWith(entry(), rowsOf(name)));
  const seen: (string | null)[] = [];
  const alone = queue.write(entry(seen));
  release();
  assert.deepEqual(isWritten(await Promise.all(writes)), [true, true, true]);
  await alone;
  assert.deepEqual(transactions, [["a", LEDGER], ["b", "c", LEDGER]]); // prettier-ignore
  assert.deepEqual(seen, [null], "its rows were written before");
});

test("work that runs alone comes before writes that wait, and they wait for it", async () => {
  const { queue, transactions, hold, release } = ledger();
  hold();
  const first = queue.write(entry());
  const waiting = queue.write(entry());
  let end = (): void => undefined;
  const working = new Promise<void>((resolve) => (end = resolve));
  let ran = false;
  const alone = queue.alone(async () => {
    ran = true;
    assert.equal(transactions.length, 1);
    await working;
    throw new Error("its failure is its caller's");
  });
  release();
  await first;
  await until("the work runs", () => ran);
  const last = queue.write(entry());
  assert.equal(transactions.length, 1);
  end();
  await assert.rejects(alone, /its caller's/);
  await Promise.all([waiting, last]);
  assert.equal(transactions.length, 2);
  assert.equal(await queue.alone(() => Promise.resolve("idle")), "idle");
  await queue.write(entry());
  assert.equal(transactions.length, 3);
});

test("one transaction has at most 8 tables and 20,000 rows", async () => {
  const { queue, transactions, hold, release } = ledger();
  hold();
  const names = Array.from({ length: 11 }, (_, n) => `t${n}`);
  const writes = names.map((name) => queue.writeWith(entry(), rowsOf(name)));
  const big = ["u", "v"].map((name) => queue.writeWith(entry(), rowsOf(name, { rowCount: 15_000 })));
  assert.equal(await queue.writeWith(entry(), rowsOf("w", { rowCount: 20_001 })), undefined);
  release();
  assert.deepEqual(
    isWritten(await Promise.all([...writes, ...big])),
    [...writes, ...big].map(() => true),
  );
  assert.deepEqual(transactions.map((tables) => tables.length - 1), [1, 8, 3, 1]); // prettier-ignore
});

for (const error of [failed("refused"), new TributaryError("WAREHOUSE_FAILED", "the rows of b are wrong")]) {
  test(`after "${error.message}" each goes alone, and records are written all the same`, async () => {
    const { queue, transactions, errors, hold, release } = ledger();
    hold();
    errors.push(undefined, error);
    const writes = ["a", "b", "c"].map((name) => queue.writeWith(entry(), rowsOf(name)));
    const alone = queue.write(entry());
    release();
    assert.deepEqual(isWritten(await Promise.all(writes)), [true, false, false]);
    await alone;
    assert.deepEqual(transactions, [["a", LEDGER], ["b", "c", LEDGER], [LEDGER]]); // prettier-ignore
  });
}

test("after a refusal nobody shares for a while", async () => {
  const { queue, errors } = ledger();
  errors.push(failed("refused"));
  assert.equal(await queue.writeWith(entry(), rowsOf("a")), undefined);
  assert.equal(await queue.writeWith(entry(), rowsOf("a")), undefined);
});

test("if nobody knows what became of a transaction, its lanes hear it", async () => {
  const { queue, errors } = ledger();
  errors.push(failed("unknown"));
  await assert.rejects(queue.writeWith(entry(), rowsOf("a")), { code: "WAREHOUSE_UNAVAILABLE" });
});

test("a table without a change has no record of the transaction", async () => {
  const { queue, ran, hold, release } = ledger();
  hold();
  const writes = [
    queue.writeWith(entry([], "of a"), rowsOf("a")),
    queue.writeWith(entry([], "of b"), rowsOf("b")),
    queue.writeWith(entry([], "of c"), rowsOf("c", { work: () => Promise.resolve(undefined) })),
  ];
  release();
  assert.deepEqual(isWritten(await Promise.all(writes)), [true, true, false]);
  assert.deepEqual(ran, ["of a", "of b"]);
});

const added = { select: "SELECT 1", columns: [] };
const records = (): LedgerEntry => ({
  cutsNoText: true,
  statements: async () => ({ run: () => ["INSERT"], added: [{ table: LEDGER, select: "SELECT 2" }] }),
});
/** A write that runs until two others wait: one that merges, one that only adds rows. */
async function mergedAndAdded(queue: LedgerQueue, release: () => void): Promise<boolean[]> {
  const first = queue.writeWith(records(), rowsOf("first"));
  const next = [
    queue.writeWith(records(), rowsOf("merged")),
    queue.writeWith(records(), rowsOf("added", { added })),
    queue.writeWith(records(), rowsOf("unchanged", { work: () => Promise.resolve(undefined) })),
  ];
  release();
  await first;
  return isWritten(await Promise.all(next));
}

test("what a merge's transaction only adds goes along with its commit", async () => {
  const { queue, ran, joined, prepared, state, hold, release } = ledger();
  hold();
  assert.deepEqual(await mergedAndAdded(queue, release), [true, true, false]);
  assert.deepEqual(prepared, [[LEDGER], ["added", LEDGER]]);
  assert.deepEqual(joined, ["change of _ingest_files", "change of added", "change of _ingest_files"]);
  assert.deepEqual([ran, state.joined], [[], 2], "DuckDB's writer has no part in it");
});

test("where it cannot go along, DuckDB's writer adds it", async () => {
  const { queue, ran, joined, state, hold, release } = ledger();
  state.prepares = false;
  hold();
  assert.deepEqual(await mergedAndAdded(queue, release), [true, true, false]);
  assert.deepEqual([ran, joined, state.joined], [["INSERT", "INSERT", "INSERT"], [], 0]);
});

test("if DuckDB's writer sends no commit, nothing went along", async () => {
  const { queue, state } = ledger();
  state.kind = "nothing";
  assert.equal(await queue.writeWith(records(), rowsOf("merged")), undefined);
  assert.equal(state.joined, 0);
});

test("after a refusal what is remembered is not trusted", async () => {
  const { queue, errors, state } = ledger();
  errors.push(failed("refused"));
  assert.equal(await queue.writeWith(records(), rowsOf("merged")), undefined);
  assert.deepEqual([state.distrusted, state.joined], [1, 0]);
});

test("who has waited too long goes alone", async () => {
  const { queue, transactions, hold, release } = ledger();
  hold();
  const slow = queue.writeWith(entry(), rowsOf("a"));
  await until("it runs", () => transactions.length === 1);
  assert.equal(await queue.writeWith(entry(), rowsOf("b")), undefined);
  release();
  assert.notEqual(await slow, undefined);
  await queue.drained();
  assert.equal(transactions.length, 1);
});
