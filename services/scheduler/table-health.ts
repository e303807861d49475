import { COMMITS_KEPT, type TableState } from "../../lib/maintenance/needs.ts";
import type { Command, CommandKind, CommandResult, CommitEvent, TableFiles } from "../../lib/messages/generated.ts";
import { INTERNAL_TABLES } from "../../lib/warehouse/internal-tables.ts";
import type { TableHealth as MeasuredHealth } from "../../lib/warehouse/warehouse.ts";

export { COMMITS_KEPT };

/** Ids of cron commands kept per table. */
const SLOT_IDS_KEPT = 100;

export interface LastRun {
  commandId: string;
  startedAtMs: number;
  /** How long it blocked the table's commits. */
  heldMs: number;
  status: string;
}

/**
 * The scheduler's state of a table. "Latest" refers to the order of the log, because clocks can be set back.
 */
export interface ScheduledTable {
  firstCommitAtMs: number | undefined;
  /** Times of the latest commits that changed the table, oldest first, at most COMMITS_KEPT. */
  commitsAtMs: number[];
  /**
   * Includes commits without changes: such a commit can be the repetition of one whose event was never
   * published.
   */
  lastCommit: { commitId: string; atMs: number } | undefined;
  /** The table's files after its latest commit, if the warehouse reports them. */
  files: { atMs: number; files: TableFiles } | undefined;
  /** The health measured after the latest maintenance. */
  measured: { atMs: number; health: MeasuredHealth } | undefined;
  /** The latest finished command of each kind. */
  runs: Map<string, LastRun>;
  /** The latest command of each kind. */
  asked: Map<CommandKind, { commandId: string; requestedAtMs: number }>;
  /** Ids of the latest cron commands, requested or finished. */
  slotIds: Set<string>;
}

/** Every table's health, by name. */
export type Health = Map<string, ScheduledTable>;

/**
 * The initial state. It contains Tributary's own tables, which also grow by small commits but have no commit
 * events.
 */
export function emptyHealth(): Health {
  const health: Health = new Map();
  for (const table of Object.keys(INTERNAL_TABLES)) tableIn(health, table);
  return health;
}

/**
 * Applies a commit event. The commit also wrote to the ledger, and to the rejects table if rows were
 * rejected.
 */
export function foldHealthCommit(health: Health, event: CommitEvent): void {
  const table = tableIn(health, event.table);
  const { committedAtMs: atMs, commitId, tableFiles } = event;
  const changed = event.rowsInserted + event.rowsUpdated + event.rowsDeleted > 0;
  addCommit(table, atMs, commitId, changed);
  if (tableFiles) table.files = { atMs, files: tableFiles };
  addCommit(tableIn(health, "_ingest_files"), atMs, commitId);
  if (event.files.some(({ rowsRejected }) => rowsRejected > 0)) {
    addCommit(tableIn(health, "_rejected_rows"), atMs, commitId);
  }
}

/** Applies a command, whoever requested it. */
export function foldCommand(health: Health, { table, kind, commandId, requestedAtMs }: Command): void {
  const { asked, slotIds } = tableIn(health, table);
  asked.set(kind, { commandId, requestedAtMs });
  remember(slotIds, commandId);
}

/** Applies a command result. The command also wrote to a log table. */
export function foldResult(health: Health, result: CommandResult): void {
  const { table: name, kind, commandId, startedAtMs, finishedAtMs, status } = result;
  const heldMs = result.heldMs ?? finishedAtMs - startedAtMs;
  const table = tableIn(health, name);
  table.runs.set(kind, { commandId, startedAtMs, heldMs, status });
  remember(table.slotIds, commandId);
  if (kind !== "checks") {
    const { health: measured } = JSON.parse(result.resultJson) as { health?: MeasuredHealth };
    if (measured) table.measured = { atMs: finishedAtMs, health: measured };
  }
  const logTable = kind === "checks" ? "_quality_results" : "_maintenance_log";
  addCommit(tableIn(health, logTable), startedAtMs, commandId);
}

/** True while a command of this kind has no result; after `commandTimeoutMs` it counts as lost. */
export function isCommandPending(
  table: ScheduledTable,
  kind: CommandKind,
  nowMs: number,
  commandTimeoutMs: number,
): boolean {
  const asked = table.asked.get(kind);
  if (!asked || nowMs - asked.requestedAtMs > commandTimeoutMs) return false;
  const run = table.runs.get(kind);
  return !run || (run.commandId !== asked.commandId && run.startedAtMs < asked.requestedAtMs);
}

/** True if this command is known to be requested or finished. */
export function isKnown(table: ScheduledTable, kind: CommandKind, commandId: string): boolean {
  if (table.slotIds.has(commandId)) return true;
  return table.asked.get(kind)?.commandId === commandId || table.runs.get(kind)?.commandId === commandId;
}

/**
 * True if anything was committed after the last checks started. A start time in the future means that the
 * clock was set back, so that run does not count.
 */
export function committedSinceChecks({ lastCommit, runs }: ScheduledTable, nowMs: number): boolean {
  const startedAtMs = runs.get("checks")?.startedAtMs ?? -Infinity;
  return lastCommit !== undefined && (lastCommit.atMs > startedAtMs || startedAtMs > nowMs);
}

/** A table whose commits leave no files: no maintenance is due by its health. */
const NO_FILES: TableState = {
  dataFiles: 0,
  deleteFiles: 0,
  mergeableFiles: 0,
  snapshots: 0,
  snapshotsSinceExpiry: 0,
  orphansSinceMs: null,
};

/**
 * Estimates the table's state without asking the warehouse: the measurement after its latest maintenance plus
 * the later commits. If commit events have no file counts, each commit counts as one more file.
 */
export function tableStateOf(table: ScheduledTable): TableState {
  const { measured, files } = table;
  if (measured?.health.keepsFiles === false) return { ...NO_FILES, dataFiles: measured.health.dataFiles };
  const since = commitsAfter(table, measured?.atMs ?? -Infinity);
  const before = measured?.health ?? { dataFiles: 0, deleteFiles: 0, mergeableFiles: 0, snapshots: 0 };
  const newer = files && files.atMs > (measured?.atMs ?? -Infinity) ? files.files : undefined;
  const { dataFiles, deleteFiles } = newer ?? { ...before, dataFiles: before.dataFiles + since };
  return {
    dataFiles,
    deleteFiles,
    mergeableFiles: before.mergeableFiles + Math.max(0, dataFiles - before.dataFiles),
    snapshots: before.snapshots + since,
    snapshotsSinceExpiry: commitsAfter(table, table.runs.get("expire_snapshots")?.startedAtMs ?? -Infinity),
    orphansSinceMs: table.runs.get("remove_orphan_files")?.startedAtMs ?? table.firstCommitAtMs ?? null,
  };
}

/** The number of commits after a time that changed the table; at most COMMITS_KEPT. */
const commitsAfter = ({ commitsAtMs }: ScheduledTable, atMs: number): number =>
  commitsAtMs.reduce((count, committedAtMs) => count + (committedAtMs > atMs ? 1 : 0), 0);

function tableIn(health: Health, table: string): ScheduledTable {
  const known = health.get(table);
  if (known) return known;
  const made: ScheduledTable = {
    firstCommitAtMs: undefined,
    commitsAtMs: [],
    lastCommit: undefined,
    files: undefined,
    measured: undefined,
    runs: new Map(),
    asked: new Map(),
    slotIds: new Set(),
  };
  health.set(table, made);
  return made;
}

function addCommit(table: ScheduledTable, atMs: number, commitId: string, changed = true): void {
  table.firstCommitAtMs = Math.min(table.firstCommitAtMs ?? atMs, atMs);
  table.lastCommit = { commitId, atMs };
  if (!changed) return;
  table.commitsAtMs.push(atMs);
  if (table.commitsAtMs.length > COMMITS_KEPT) table.commitsAtMs.shift();
}

function remember(slotIds: Set<string>, commandId: string): void {
  if (!commandId.startsWith("cron:")) return;
  slotIds.add(commandId);
  if (slotIds.size > SLOT_IDS_KEPT) slotIds.delete(slotIds.values().next().value!);
}
