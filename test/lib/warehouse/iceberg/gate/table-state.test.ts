import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ancestry,
  reachesBackTo,
  readTable,
  type TableState,
} from "../../../../../lib/warehouse/iceberg/gate/table-state.ts";

/** A table with these snapshots, each the next one's parent. `from`: those before have expired. */
function table(ids: readonly number[], from = 0): TableState {
  const snapshots = ids.map((id, index) => ({
    "snapshot-id": id,
    ...(index === 0 ? {} : { "parent-snapshot-id": ids[index - 1]! }),
    "timestamp-ms": id,
  }));
  const current = { "current-snapshot-id": ids.at(-1) ?? -1 };
  return readTable(JSON.stringify({ metadata: { "table-uuid": "u", ...current, snapshots: snapshots.slice(from) } }))!;
}

test("a history reaches back to each of its snapshots, and to its beginning", () => {
  const whole = table([1, 2, 3]);
  for (const id of ["1", "2", "3", undefined]) assert.equal(reachesBackTo(whole, "main", id), true, id);
  assert.equal(reachesBackTo(table([]), "main", "1"), true, "no snapshot");
  assert.equal(reachesBackTo(table([4, 5]), "main", "1"), true, "replaced: it begins with a snapshot of its own");
});

test("a history with expired snapshots reaches back to the parent of its oldest snapshot only", () => {
  const cut = table([1, 2, 3, 4], 2);
  assert.equal(reachesBackTo(cut, "main", "2"), true);
  assert.equal(reachesBackTo(cut, "main", "1"), false);
  assert.equal(reachesBackTo(cut, "main", undefined), false);
});

test("a history that goes in a circle ends", () => {
  const circle = table([1, 2]);
  const snapshots = new Map(circle.snapshots);
  snapshots.set("1", { ...snapshots.get("1")!, parentId: "2" });
  assert.equal([...ancestry({ ...circle, snapshots }, "main")].length, 3);
  assert.equal(reachesBackTo({ ...circle, snapshots }, "main", undefined), false);
});
