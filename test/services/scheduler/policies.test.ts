import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { contractSchema } from "../../../lib/contract/contract.ts";
import { limitsOf } from "../../../lib/maintenance/needs.ts";
import type { CommandKind, CommitEvent, FileOutcome } from "../../../lib/messages/generated.ts";
import type { TableHealth } from "../../../lib/warehouse/warehouse.ts";
import { isCron, latestSlot } from "../../../services/scheduler/cron.ts";
import { maintenanceDue, type MaintenanceSettings } from "../../../services/scheduler/maintenance-policy.ts";
import { checksDue } from "../../../services/scheduler/quality-policy.ts";
import {
  COMMITS_KEPT,
  emptyHealth,
  foldCommand,
  foldHealthCommit,
  foldResult,
  tableStateOf,
  type Health,
} from "../../../services/scheduler/table-health.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SLOT = Date.UTC(2024, 0, 15, 3);
const SETTINGS: MaintenanceSettings = {
  optimizeFiles: 3,
  optimizeDeletes: 0.3,
  snapshotsMax: 100,
  retentionMs: 7 * DAY,
  healthGapMs: HOUR,
  commandTimeoutMs: DAY,
};

const iso = (ms: number): string => new Date(ms).toISOString();

const commit = (committedAtMs: number, over: Partial<CommitEvent> = {}): CommitEvent => ({
  commitId: `commit-${committedAtMs}`,
  table: "t",
  snapshotId: null,
  committedAtMs,
  commitMs: 1,
  limit: "idle",
  strategy: "fake",
  rowsInserted: 1,
  rowsUpdated: 0,
  rowsDeleted: 0,
  files: [],
  tableFiles: null,
  ...over,
});

/** A command result; `over.health` is the health measured afterwards. */
function answer(
  health: Health,
  kind: CommandKind,
  startedAtMs: number,
  over: { table?: string; commandId?: string; health?: Partial<TableHealth>; tookMs?: number; heldMs?: number } = {},
): void {
  const { table = "t", commandId = `${kind} at ${startedAtMs}`, tookMs = 0, heldMs = null } = over;
  const measured = over.health && { dataFiles: 1, deleteFiles: 0, mergeableFiles: 0, snapshots: 1, ...over.health };
  const resultJson = JSON.stringify({ health: measured });
  const times = { startedAtMs, finishedAtMs: startedAtMs + tookMs, heldMs };
  foldResult(health, { commandId, table, kind, status: "completed", resultJson, ...times });
}

/** The due commands of t, as `kind: cause`. */
function due(health: Health, nowMs: number, sinceMs = nowMs, slotMs = SLOT, settings = SETTINGS): string[] {
  const moment = { nowMs, sinceMs, slotMs };
  return maintenanceDue("t", health.get("t")!, moment, settings).map(({ kind, cause }) => `${kind}: ${cause}`);
}

describe("cron", () => {
  test("the latest slot is at or before now, in UTC", () => {
    assert.equal(latestSlot("0 3 * * *", SLOT), SLOT);
    assert.equal(latestSlot("0 3 * * *", SLOT - 1_000), SLOT - DAY);
    assert.equal(latestSlot("0 3 * * *", SLOT + DAY - 1_000), SLOT);
  });
  test("isCron accepts only cron patterns", () => {
    assert.deepEqual(["0 3 * * *", "*/5 * * * *", "daily", "0 25 * * *"].map(isCron), [true, true, false, false]);
  });
});

describe("maintenance", () => {
  const ALL = ["optimize: cron", "expire_snapshots: cron", "remove_orphan_files: cron"];

  test("at the cron time everything is due once", () => {
    const health = emptyHealth();
    foldHealthCommit(health, commit(SLOT - 5 * DAY));
    assert.deepEqual(due(health, SLOT + 1), ALL);
    for (const kind of ["optimize", "expire_snapshots"] as const) answer(health, kind, SLOT + 2);
    assert.deepEqual(due(health, SLOT + 3), ["remove_orphan_files: cron"]);
    answer(health, "remove_orphan_files", SLOT + 3);
    assert.deepEqual(due(health, SLOT + DAY - 1), []);
  });

  test("a missed run is made up for once, not once per missed day", () => {
    const health = emptyHealth();
    foldHealthCommit(health, commit(SLOT - 9 * DAY));
    answer(health, "optimize", SLOT - 5 * DAY);
    answer(health, "expire_snapshots", SLOT + 1);
    answer(health, "remove_orphan_files", SLOT + 1);
    const moment = { nowMs: SLOT + 6 * HOUR, sinceMs: SLOT + 6 * HOUR, slotMs: SLOT };
    const [one, ...more] = maintenanceDue("t", health.get("t")!, moment, SETTINGS);
    assert.equal(one?.commandId, "cron:optimize:t:2024-01-15T03:00:00.000Z");
    assert.deepEqual(more, []);
  });

  test("a table created after the slot missed nothing; nor did internal tables on the first day", () => {
    const health = emptyHealth();
    foldHealthCommit(health, commit(SLOT + HOUR));
    assert.deepEqual(due(health, SLOT + 2 * HOUR), []);
    const own = health.get("_ingest_files")!;
    const moment = { nowMs: SLOT + 2 * HOUR, sinceMs: SLOT + HOUR, slotMs: SLOT };
    assert.deepEqual(maintenanceDue("_ingest_files", own, moment, SETTINGS), []);
    const tomorrow = { ...moment, nowMs: SLOT + DAY, slotMs: SLOT + DAY };
    assert.equal(maintenanceDue("_ingest_files", own, tomorrow, SETTINGS).length, 3);
  });

  const KINDS = ["optimize", "expire_snapshots", "remove_orphan_files"] as const;

  test("a scheduler clock that jumps forward and back makes nothing due twice", () => {
    const health = emptyHealth();
    foldHealthCommit(health, commit(SLOT - 9 * DAY));
    for (const kind of KINDS) answer(health, kind, SLOT + 1, { commandId: `cron:${kind}:t:${iso(SLOT)}` });
    assert.deepEqual(due(health, SLOT + 5 * DAY, SLOT, SLOT + 5 * DAY), ALL);
    // The committer's clock is correct: it runs them now.
    for (const kind of KINDS) answer(health, kind, SLOT + 2, { commandId: `cron:${kind}:t:${iso(SLOT + 5 * DAY)}` });
    assert.deepEqual(due(health, SLOT + 3), []);
    assert.deepEqual(due(health, SLOT + DAY, SLOT, SLOT + DAY), ALL);
    for (const kind of KINDS) answer(health, kind, SLOT + DAY, { commandId: `cron:${kind}:t:${iso(SLOT + DAY)}` });
    assert.deepEqual(due(health, SLOT + 5 * DAY, SLOT, SLOT + 5 * DAY), [], "that slot has been used");
  });

  test("runs recorded by a clock that was ahead do not suppress the days until then", () => {
    const health = emptyHealth();
    foldHealthCommit(health, commit(SLOT - 9 * DAY));
    for (const kind of KINDS) answer(health, kind, SLOT + 100 * DAY);
    assert.deepEqual(due(health, SLOT + 1), ALL);
    for (const kind of KINDS) answer(health, kind, SLOT + 1, { commandId: `cron:${kind}:t:${iso(SLOT)}` });
    assert.deepEqual(due(health, SLOT + 2), []);
    assert.deepEqual(due(health, SLOT + DAY, SLOT, SLOT + DAY), ALL);
  });

  test("small files trigger it between cron times, at most once per gap", () => {
    const health = emptyHealth();
    const now = SLOT + 12 * HOUR;
    for (let n = 0; n < 2; n++) foldHealthCommit(health, commit(now - 10 + n));
    assert.deepEqual(due(health, now), []);
    foldHealthCommit(health, commit(now - 7));
    assert.deepEqual(due(health, now), ["optimize: health"]);
    answer(health, "optimize", now, { health: {} });
    for (let n = 1; n < 3; n++) foldHealthCommit(health, commit(now + n));
    assert.deepEqual(due(health, now + HOUR), []);
    foldHealthCommit(health, commit(now + 3));
    assert.deepEqual(due(health, now + HOUR - 1), []);
    assert.deepEqual(due(health, now + HOUR), ["optimize: health"]);
  });

  test("if commits report file counts, files count, not commits", () => {
    const health = emptyHealth();
    const now = SLOT + 12 * HOUR;
    const files = (dataFiles: number, deleteFiles = 0) => ({ tableFiles: { dataFiles, deleteFiles } });
    answer(health, "optimize", now - 2 * HOUR, { health: { dataFiles: 50 } });
    foldHealthCommit(health, commit(now - 3, files(52)));
    assert.deepEqual(due(health, now), []);
    foldHealthCommit(health, commit(now - 2, files(53)));
    assert.deepEqual(due(health, now), ["optimize: health"]);
    answer(health, "optimize", now - HOUR, { health: { dataFiles: 50 } });
    foldHealthCommit(health, commit(now - 1, files(50, 14)));
    assert.deepEqual(due(health, now), []);
    foldHealthCommit(health, commit(now, files(50, 15)));
    assert.deepEqual(due(health, now), ["optimize: health"]);
  });

  test("a warehouse whose commits leave no files is not optimized again, however many commits follow", () => {
    const health = emptyHealth();
    const now = SLOT + 12 * HOUR;
    for (const table of ["t", "_ingest_files"]) {
      answer(health, "optimize", now, { table, health: { snapshots: 0, keepsFiles: false } });
    }
    for (let n = 1; n <= 200; n++) foldHealthCommit(health, commit(now + n));
    assert.deepEqual(due(health, now + 9 * DAY, now + 9 * DAY), []);
    const moment = { nowMs: now + HOUR, sinceMs: now + HOUR, slotMs: SLOT };
    assert.deepEqual(maintenanceDue("_ingest_files", health.get("_ingest_files")!, moment, SETTINGS), []);
    assert.deepEqual(due(health, SLOT + 10 * DAY, SLOT, SLOT + 10 * DAY), ALL, "the daily run stays");
  });

  test("a few delete files trigger nothing, whatever their share", () => {
    const health = emptyHealth();
    foldHealthCommit(health, commit(SLOT + HOUR, { tableFiles: { dataFiles: 1, deleteFiles: 4 } }));
    assert.deepEqual(due(health, SLOT + HOUR), []);
    foldHealthCommit(health, commit(SLOT + HOUR, { tableFiles: { dataFiles: 1, deleteFiles: 5 } }));
    assert.deepEqual(due(health, SLOT + HOUR), ["optimize: health"]);
  });

  test("internal tables may have ten times as many small files and snapshots", () => {
    const limits = { ...SETTINGS, optimizeFiles: 20, snapshotsMax: 100 };
    assert.deepEqual(limitsOf(true, limits), { ...limits, optimizeFiles: 200, snapshotsMax: 1_000 });
    assert.equal(limitsOf(false, limits), limits);
    const few = emptyHealth();
    answer(few, "optimize", SLOT - DAY, { health: { mergeableFiles: 99 } });
    const of = (table: string): string[] =>
      maintenanceDue(table, few.get("t")!, { nowMs: SLOT + HOUR, sinceMs: SLOT + HOUR, slotMs: undefined }, limits).map(
        ({ kind }) => kind,
      );
    assert.deepEqual([of("_ingest_files"), of("t")], [[], ["optimize"]]);
  });

  test("too many snapshots trigger an expiry, with no immediate repeat if it removed few", () => {
    const health = emptyHealth();
    const now = SLOT + 12 * HOUR;
    const dueNow = (nowMs: number): string[] => due(health, nowMs, nowMs, SLOT, { ...SETTINGS, snapshotsMax: 4 });
    answer(health, "optimize", now - HOUR, { health: { snapshots: 3 } });
    foldHealthCommit(health, commit(now - 2));
    assert.deepEqual(dueNow(now), []);
    foldHealthCommit(health, commit(now - 1));
    assert.deepEqual(dueNow(now), ["expire_snapshots: health"]);
    answer(health, "expire_snapshots", now, { health: { snapshots: 5 } });
    foldHealthCommit(health, commit(now + 1));
    assert.deepEqual(dueNow(now + HOUR), []);
    foldHealthCommit(health, commit(now + 2));
    assert.deepEqual(dueNow(now + HOUR), ["expire_snapshots: health"]);
  });

  test("orphan-file removal is due after the retention, independent of cron", () => {
    const health = emptyHealth();
    foldHealthCommit(health, commit(SLOT));
    answer(health, "optimize", SLOT, { health: {} });
    assert.deepEqual(due(health, SLOT + 7 * DAY, SLOT, SLOT - DAY), []);
    assert.deepEqual(due(health, SLOT + 7 * DAY + 1, SLOT, SLOT - DAY), ["remove_orphan_files: health"]);
    answer(health, "remove_orphan_files", SLOT + 7 * DAY + 1);
    assert.deepEqual(due(health, SLOT + 8 * DAY, SLOT, SLOT - DAY), []);
  });

  test("after long maintenance a table rests five times as long; commits between steps do not count", () => {
    for (const held of [{ tookMs: HOUR }, { tookMs: 4 * HOUR, heldMs: HOUR }]) {
      const health = emptyHealth();
      const now = SLOT + 2 * HOUR;
      answer(health, "optimize", now, { health: {}, ...held });
      for (let n = 1; n < 5; n++) foldHealthCommit(health, commit(now + held.tookMs + n));
      assert.deepEqual(due(health, now + 5 * HOUR - 1), []);
      assert.deepEqual(due(health, now + 5 * HOUR), ["optimize: health"]);
    }
  });

  test("a pending command is not requested again; a lost one expires", () => {
    const health = emptyHealth();
    foldHealthCommit(health, commit(SLOT - DAY));
    const asked = { commandId: "by hand", table: "t", kind: "optimize" as const, reason: "", argumentsJson: "{}" };
    foldCommand(health, { ...asked, requestedAtMs: SLOT });
    assert.deepEqual(due(health, SLOT + 1), ALL.slice(1));
    assert.deepEqual(due(health, SLOT + DAY + 1), ALL);
  });

  test("the health of internal tables follows from the writes to them", () => {
    const health = emptyHealth();
    foldHealthCommit(health, commit(1, { files: [{ rowsRejected: 2 } as FileOutcome] }));
    foldHealthCommit(health, commit(2));
    answer(health, "checks", 3);
    answer(health, "optimize", 4);
    assert.equal(tableStateOf(health.get("_ingest_files")!).mergeableFiles, 2);
    const counts = ["_ingest_files", "_rejected_rows", "_quality_results", "_maintenance_log"].map(
      (table) => health.get(table)?.commitsAtMs.length,
    );
    assert.deepEqual(counts, [2, 1, 1, 1]);
  });

  test("the state kept per table is bounded", () => {
    const health = emptyHealth();
    for (let n = 0; n < COMMITS_KEPT + 10; n++) foldHealthCommit(health, commit(n));
    assert.equal(health.get("t")?.commitsAtMs.length, COMMITS_KEPT);
    assert.equal(health.get("t")?.firstCommitAtMs, 0);
  });
});

describe("quality", () => {
  const declared = (over: object) =>
    contractSchema.parse({ table: "t", checks: [{ name: "n", type: "row_count_range", min_count: 1 }], ...over });
  const settings = { checksGapMs: 10_000, commandTimeoutMs: DAY };
  const ids = (health: Health, nowMs: number, over: object = {}): string[] =>
    checksDue(declared(over), health.get("t")!, { nowMs, sinceMs: nowMs, slotMs: SLOT }, settings).map(
      ({ commandId }) => commandId,
    );

  test("daily for tables with checks", () => {
    const health = emptyHealth();
    foldHealthCommit(health, commit(SLOT - DAY));
    assert.deepEqual(ids(health, SLOT + 1), ["cron:checks:t:2024-01-15T03:00:00.000Z"]);
    assert.deepEqual(ids(health, SLOT + 1, { checks: [] }), []);
    answer(health, "checks", SLOT + 1);
    assert.deepEqual(ids(health, SLOT + 2), []);
  });

  test("after commits; several commits share a run", () => {
    const health = emptyHealth();
    const now = SLOT + HOUR;
    foldHealthCommit(health, commit(now));
    assert.deepEqual(ids(health, now, { checkAfterCommit: true }), [`commit:checks:t:commit-${now}`]);
    answer(health, "checks", now + 1);
    assert.deepEqual(ids(health, now + 1, { checkAfterCommit: true }), []);
    foldHealthCommit(health, commit(now + 2));
    foldHealthCommit(health, commit(now + 3));
    assert.deepEqual(ids(health, now + 4, { checkAfterCommit: true }), []);
    assert.deepEqual(ids(health, now + 10_001, { checkAfterCommit: true }), [`commit:checks:t:commit-${now + 3}`]);
  });

  test("a gated table is checked after commits by default, because its trusted data would lag a day", () => {
    const health = emptyHealth();
    const now = SLOT + HOUR;
    foldHealthCommit(health, commit(now));
    assert.deepEqual(ids(health, now, { gate: "block" }), [`commit:checks:t:commit-${now}`]);
    assert.deepEqual(ids(health, now, { gate: "block", checkAfterCommit: false }), []);
    assert.deepEqual(ids(health, now), []);
  });

  test("a commit without changes is checked too: it can repeat one whose event was lost", () => {
    const health = emptyHealth();
    const now = SLOT + HOUR;
    answer(health, "checks", now - 20_000);
    foldHealthCommit(health, commit(now, { rowsInserted: 0 }));
    assert.deepEqual(ids(health, now, { checkAfterCommit: true }), [`commit:checks:t:commit-${now}`]);
    assert.equal(health.get("t")?.commitsAtMs.length, 0);
  });

  test("checks recorded by a clock that was ahead do not suppress checks of later commits", () => {
    const health = emptyHealth();
    const now = SLOT + HOUR;
    answer(health, "checks", now + 100 * DAY);
    foldHealthCommit(health, commit(now));
    assert.deepEqual(ids(health, now, { checkAfterCommit: true }), [`commit:checks:t:commit-${now}`]);
    answer(health, "checks", now + 1);
    assert.deepEqual(ids(health, now + DAY / 2, { checkAfterCommit: true }), []);
  });
});
