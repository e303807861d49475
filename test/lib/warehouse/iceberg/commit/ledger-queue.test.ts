/** Which writes share a transaction with the ledger, without a catalog. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DuckDBConnection } from "@duckdb/node-api";
import { systemClock } from "../../../../../lib/clock.ts";
import { TributaryError } from "../../../../../lib/errors.ts";
import type { IcebergContext } from "../../../../../lib/warehouse/iceberg/commit/context.ts";
import {
  LedgerQueue,
  type LedgerEntry,
  type SharedResult,
  type SharedRows,
} from "../../../../../lib/warehouse/iceberg/commit/ledger-queue.ts";
import { CommitError, type TransactionResult } from "../../../../../lib/warehouse/iceberg/gate/transactions.ts";
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
  const waiting: (() => void)[] = [];
  const state = { holds: false };
  const context = {
    clock: systemClock,
    tables: { idOf: (name: string) => ({ namespace: ["lake"], name }) },
    session: {
      async write(parts: { table: { name: string } }[], work: (connection: DuckDBConnection) => Promise<unknown>) {
        transactions.push(parts.map(({ table }) => table.name));
        if (state.holds) await new Promise<void>((resolve) => waiting.push(resolve));
        const run = (sql: string): Promise<void> => Promise.resolve(void ran.push(sql));
        const value = await work({ run } as unknown as DuckDBConnection);
        const error = errors.shift();
        if (error !== undefined) throw error as Error;
        return value === undefined ? undefined : { value, result: committed };
      },
    },
  } as unknown as IcebergContext;
  const queue = new LedgerQueue(context, [LEDGER]);
  const release = (): void => {
    state.holds = false;
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { queue, transactions, ran, errors, hold: () => (state.holds = true), release };
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
