import assert from "node:assert/strict";
import { test } from "node:test";
import { tornTransactions, watermarkOf } from "../../../../../lib/warehouse/iceberg/gate/recovery.ts";
import { readTable, type TableState } from "../../../../../lib/warehouse/iceberg/gate/table-state.ts";

interface Version {
  id: number;
  batch?: string;
  transaction?: string;
  tables?: string[];
}

/** A table with these snapshots, each the next one's parent. `from`: those before have expired. */
function table(versions: readonly Version[], from = 0): TableState {
  const snapshots = versions.map(({ id, batch, transaction, tables }, index) => ({
    "snapshot-id": id,
    ...(index === 0 ? {} : { "parent-snapshot-id": versions[index - 1]!.id }),
    "timestamp-ms": id,
    summary: {
      operation: "append",
      ...(batch === undefined ? {} : { "tributary.batch": batch }),
      ...(transaction === undefined ? {} : { "tributary.transaction": transaction }),
      ...(tables === undefined ? {} : { "tributary.tables": `[${tables.join(",")}]` }),
    },
  }));
  const metadata = {
    "table-uuid": "u",
    "current-snapshot-id": versions.at(-1)?.id ?? -1,
    snapshots: snapshots.slice(from),
  };
  return readTable(JSON.stringify({ metadata }))!;
}

test("the watermark is that of the newest own commit, also under commits of others", () => {
  const state = table([{ id: 1, batch: "1" }, { id: 2, batch: "2" }, { id: 3 }, { id: 4 }]);
  assert.deepEqual(watermarkOf(state, "tributary.batch")?.snapshotId, "2");
  assert.equal(watermarkOf(state, "tributary.batch")?.summary.get("tributary.batch"), "2");
  assert.equal(watermarkOf(table([{ id: 1 }]), "tributary.batch"), undefined);
  assert.equal(watermarkOf(table([]), "tributary.batch"), undefined);
});

test("a table that was rolled back has the watermark of what it holds", () => {
  const state = table([
    { id: 1, batch: "1" },
    { id: 2, batch: "2" },
  ]);
  const rolledBack: TableState = { ...state, refs: new Map([["main", "1"]]) };
  assert.equal(watermarkOf(rolledBack, "tributary.batch")?.summary.get("tributary.batch"), "1");
});

test("a history that has expired or goes in a circle ends the search", () => {
  assert.equal(watermarkOf(table([{ id: 1, batch: "1" }, { id: 2 }, { id: 3 }], 1), "tributary.batch"), undefined);
  const circle = table([{ id: 1 }, { id: 2 }]);
  const snapshots = new Map(circle.snapshots);
  snapshots.set("1", { ...snapshots.get("1")!, parentId: "2" });
  assert.equal(watermarkOf({ ...circle, snapshots }, "tributary.batch"), undefined);
});

const both = ['["lake","a"]', '["lake","b"]'];
const [A, B] = both as [string, string];

test("a transaction that reached one of its tables is found, with what is missing", () => {
  const tables = new Map([
    [
      A,
      table([
        { id: 1, transaction: "t1", tables: both },
        { id: 3, transaction: "t2", tables: both },
      ]),
    ],
    [B, table([{ id: 2, transaction: "t1", tables: both }])],
  ]);
  assert.deepEqual(tornTransactions(tables), [{ id: "t2", committed: [A], missing: [B] }]);
});

test("whole transactions, others' tables and expired histories are not torn", () => {
  const whole = new Map([
    [A, table([{ id: 1, transaction: "t1", tables: both }])],
    [
      B,
      table([
        { id: 2, transaction: "t1", tables: both },
        { id: 5, transaction: "t9", tables: [B] },
      ]),
    ],
  ]);
  assert.deepEqual(tornTransactions(whole), []);
  assert.deepEqual(tornTransactions(new Map([[A, whole.get(A)!]])), []);
  const expired = new Map([
    [A, whole.get(A)!],
    [B, table([{ id: 2, transaction: "t1", tables: both }, { id: 5 }, { id: 6 }], 1)],
  ]);
  assert.deepEqual(tornTransactions(expired), []);
});
