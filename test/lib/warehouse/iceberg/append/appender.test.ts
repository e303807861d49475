/** What an append sends, and when it is sent again, without a catalog and a store. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { BlobStore } from "../../../../../lib/blob/blob-store.ts";
import { systemClock } from "../../../../../lib/clock.ts";
import { Appender, type AppendedRows } from "../../../../../lib/warehouse/iceberg/append/appender.ts";
import type { Head, Heads } from "../../../../../lib/warehouse/iceberg/append/heads.ts";
import type { TableChange, TableUpdate } from "../../../../../lib/warehouse/iceberg/catalog/commit.ts";
import type { TableIdentifier } from "../../../../../lib/warehouse/iceberg/catalog/schemas.ts";
import { CommitError, type TransactionResult } from "../../../../../lib/warehouse/iceberg/gate/transactions.ts";
import type { Session } from "../../../../../lib/warehouse/iceberg/session.ts";
import { Buckets } from "../../../../../lib/warehouse/iceberg/tables/buckets.ts";

const NOW_MS = 1_800_000_000_000;
const MINUTE_MS = 60_000;
const committed = { kind: "committed" } as TransactionResult;
const failed = (kind: "refused" | "unknown" | "partial"): CommitError =>
  new CommitError({ ...committed, kind, status: 409, missing: [], committed: [], message: "no" });

const HEAD: Head = {
  ...{ uuid: "u", schemaId: 2, fields: [{ id: 1, name: "id", type: "long" }], specId: 3, sortOrderId: 0 },
  ...{ dataFolder: "s3://b/data", metadataFolder: "s3://b/metadata", snapshotId: 7n, sequenceNumber: 9 },
  ...{ timestampMs: NOW_MS - 1, manifests: { count: 0, data: Buffer.alloc(0) }, older: [], reading: 1 },
  summary: new Map([["total-records", "5"], ["total-data-files", "2"], ["added-records", "5"]]), // prettier-ignore
};

/** An appender whose commits fail with `errors` in turn; `heads`: what reading a table again gives. */
function appender({ rows = 3, head = HEAD, isTransactional = true } = {}) {
  const commits: (readonly TableChange[])[] = [];
  const errors: unknown[] = [];
  const stored: string[] = [];
  const state = { reads: 0, head: head as Head | undefined };
  const known = new Map<string, Head>();
  const nameOf = ({ name }: TableIdentifier): string => name;
  const heads = {
    async get(table: TableIdentifier) {
      const found = known.get(nameOf(table));
      if (found) return found;
      state.reads++;
      return state.head;
    },
    set: (table: TableIdentifier, next: Head) => void known.set(nameOf(table), next),
    forget: (table: TableIdentifier) => void known.delete(nameOf(table)),
  } as unknown as Heads;
  const connection = {
    runAndReadAll: async (sql: string) => ({ getRows: () => [[sql, BigInt(rows), 100n, 10n, null]] }),
  } as unknown as DuckDBConnection;
  const session = { connected: (work: (one: DuckDBConnection) => unknown) => work(connection) } as unknown as Session;
  const store = { put: async (key: string) => void stored.push(key) } as unknown as BlobStore;
  const made = new Appender({
    ...{ heads, session, isTransactional, buckets: new Buckets(async () => store) },
    clock: { ...systemClock, nowMs: () => NOW_MS },
    async commit(_parts, changes) {
      commits.push(changes);
      const error = errors.shift();
      if (error !== undefined) throw error as Error;
      return committed;
    },
  });
  return { made, commits, errors, stored, state };
}

const rowsFor = (name: string, over: Partial<AppendedRows> = {}): AppendedRows => ({
  part: { table: { namespace: ["lake"], name }, summary: {} },
  select: "SELECT 1 AS id",
  columns: [{ name: "id", type: "BIGINT" }],
  ...over,
});

const updateIn = <A extends TableUpdate["action"]>(change: TableChange, action: A) =>
  change.updates.find((one): one is Extract<TableUpdate, { action: A }> => one.action === action);

test("a commit requires what is known of the table, and adds to its counts", async () => {
  const { made, commits, stored, state } = appender();
  assert.equal(await made.append([rowsFor("t")]), committed);
  const [change] = commits[0]!;
  assert.deepEqual(change!.requirements, [
    { type: "assert-table-uuid", uuid: "u" },
    { type: "assert-current-schema-id", "current-schema-id": 2 },
    { type: "assert-default-spec-id", "default-spec-id": 3 },
    { type: "assert-default-sort-order-id", "default-sort-order-id": 0 },
    { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": 7n },
  ]);
  const { snapshot } = updateIn(change!, "add-snapshot")!;
  assert.deepEqual(snapshot.summary, {
    ...{ operation: "append", "added-data-files": "1", "added-records": "3", "added-files-size": "100" },
    ...{ "total-records": "8", "total-data-files": "3" },
  });
  assert.equal(snapshot["parent-snapshot-id"], 7n);
  assert.equal(snapshot["sequence-number"], 10);
  assert.equal(snapshot["timestamp-ms"], NOW_MS);
  assert.equal(stored.length, 2, "a manifest and a list");
  await made.append([rowsFor("t")]);
  const next = updateIn(commits[1]![0]!, "add-snapshot")!.snapshot;
  assert.equal(next["parent-snapshot-id"], snapshot["snapshot-id"]);
  assert.equal(next.summary["total-records"], "11");
  assert.equal(state.reads, 1, "it knows what it has written");
});

test("a refused commit is made again once, on the table as it is then", async () => {
  const { made, commits, errors, state } = appender();
  errors.push(failed("refused"));
  state.head = HEAD;
  assert.equal(await made.append([rowsFor("t")]), committed);
  assert.equal(commits.length, 2);
  assert.equal(state.reads, 2);
  await made.append([rowsFor("t")]);
  assert.equal(state.reads, 3, "somebody else writes it, too");
  const based = rowsFor("t", { part: { ...rowsFor("t").part, base: { snapshotId: "7" } } });
  await made.append([based]);
  assert.equal(state.reads, 3, "a base is checked anyway");
  errors.push(failed("refused"), failed("refused"));
  await assert.rejects(made.append([rowsFor("t")]), CommitError);
  assert.equal(commits.length, 6);
});

test("nothing is made again if its table has changed, or nobody knows what was applied", async () => {
  for (const kind of ["unknown", "partial"] as const) {
    const { made, commits, errors } = appender();
    errors.push(failed(kind));
    await assert.rejects(made.append([rowsFor("t")]), CommitError);
    assert.equal(commits.length, 1, kind);
  }
  const { made, commits, errors, state } = appender();
  await made.append([rowsFor("t")]);
  state.head = undefined;
  errors.push(failed("refused"));
  await assert.rejects(made.append([rowsFor("t")]), CommitError);
  assert.equal(commits.length, 2);
});

test("rows that the table may have are not appended, nor after a refusal", async () => {
  const { made, commits, errors } = appender();
  const heads: Head[] = [];
  const absent = [true, false, true, false];
  const rows = rowsFor("t", {
    isAbsent: async (head) => {
      heads.push(head);
      return absent.shift()!;
    },
  });
  assert.equal(await made.append([rows]), committed);
  assert.equal(await made.append([rows]), undefined);
  errors.push(failed("refused"));
  await assert.rejects(made.append([rows]), CommitError);
  assert.equal(commits.length, 2);
  assert.deepEqual(heads.map(({ reading }) => reading), [1, 1, 1, 1]); // prettier-ignore
  assert.notEqual(heads[1]!.snapshotId, 7n, "on what the first append has made of it");
});

test("what cannot be appended is left to DuckDB's writer", async () => {
  const none = appender({ rows: 0 });
  assert.equal(await none.made.append([rowsFor("t")]), undefined, "no row");
  const single = appender({ isTransactional: false });
  assert.equal(await single.made.append([rowsFor("t"), rowsFor("u")]), undefined, "two commits");
  const unfit = appender();
  unfit.state.head = undefined;
  assert.equal(await unfit.made.append([rowsFor("t")]), undefined, "partitions, for example");
  for (const { commits } of [none, single, unfit]) assert.deepEqual(commits, []);
  const { made, commits } = appender();
  await assert.rejects(made.append([rowsFor("t")], { signal: AbortSignal.abort() }), /interrupted/);
  assert.deepEqual(commits, []);
});

test("a table that nobody reads as it was loses its old snapshots, a hundred or more at a time", async () => {
  const older = (count: number, minutes: number) =>
    Array.from({ length: count }, (_, n) => ({ id: BigInt(n), timestampMs: NOW_MS - minutes * MINUTE_MS }));
  const expired = async (head: Head, forgetsHistory: boolean): Promise<number[]> => {
    const { made, commits } = appender({ head });
    for (let n = 0; n < 2; n++) await made.append([rowsFor("t", { forgetsHistory })]);
    return commits.map(([change]) => updateIn(change!, "remove-snapshots")?.["snapshot-ids"].length ?? 0);
  };
  const some = [...older(120, 6), ...older(40, 4)];
  assert.deepEqual(await expired({ ...HEAD, older: some }, true), [120, 0]);
  assert.deepEqual(await expired({ ...HEAD, older: some }, false), [0, 0]);
  assert.deepEqual(await expired({ ...HEAD, older: older(99, 6) }, true), [0, 0]);
  assert.deepEqual(await expired({ ...HEAD, older: older(200, 4) }, true), [0, 0]);
});

test("a snapshot is younger than the table's last change, whatever the clock says", async () => {
  const { made, commits } = appender({ head: { ...HEAD, timestampMs: NOW_MS + MINUTE_MS } });
  await made.append([rowsFor("t")]);
  assert.equal(updateIn(commits[0]![0]!, "add-snapshot")!.snapshot["timestamp-ms"], NOW_MS + MINUTE_MS + 1);
});
