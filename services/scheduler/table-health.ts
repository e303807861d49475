import { COMMITS_KEPT, type TableState } from "../../lib/maintenance/needs.ts";
import type { Command, CommandKind, CommandResult, CommitEvent, TableFiles } from "../../lib/messages/generated.ts";
import { INTERNAL_TABLES } from "../../lib/warehouse/sql/sql.ts";
import type { TableHealth as MeasuredHealth } from "../../lib/warehouse/warehouse.ts";

export { COMMITS_KEPT };

/** Ids of cron commands remembered of a table. */
const SLOT_IDS_KEPT = 100;

export interface LastRun {
  commandId: string;
  startedAtMs: number;
  /** How long it kept the table from commits. */
  heldMs: number;
  status: string;
}

/** What the scheduler knows of a table. "Latest" is the log's order, not the clocks': those may be put back. */
export interface ScheduledTable {
  firstCommitAtMs: number | undefined;
  /** When the latest commits were made that changed the table, oldest first, at most COMMITS_KEPT. */
  commitsAtMs: number[];
  /** Whether it changed anything or not: one that found its rows there already may be the repetition of one that was not told of. */
  lastCommit: { commitId: string; atMs: number } | undefined;
  /** What the table consisted of after its latest commit, where commits say so. */
  files: { atMs: number; files: TableFiles } | undefined;
  /** As measured after its latest maintenance. */
  measured: { atMs: number; health: MeasuredHealth } | undefined;
  /** The latest finished command of each kind. */
  runs: Map<string, LastRun>;
  /** The latest command of each kind. */
  asked: Map<CommandKind, { commandId: string; requestedAtMs: number }>;
  /** Ids of the latest cron commands, asked for or finished. */
  slotIds: Set<string>;
}

/** Every table's health, by name. */
export type Health = Map<string, ScheduledTable>;

/** Nothing is known yet. Our own tables are there in any case: they grow by small commits too, and nobody else announces them. */
export function emptyHealth(): Health {
  const health: Health = new Map();
  for (const table of Object.keys(INTERNAL_TABLES)) of(health, table);
  return health;
}

/** Folds a commit. It also wrote to the ledger, and to the rejects if there were any. */
export function foldHealthCommit(health: Health, event: CommitEvent): void {
  const table = of(health, event.table);
  const { committedAtMs: atMs, commitId, tableFiles } = event;
  const changed = event.rowsInserted + event.rowsUpdated + event.rowsDeleted > 0;
  committed(table, atMs, commitId, changed);
  if (tableFiles) table.files = { atMs, files: tableFiles };
  committed(of(health, "_ingest_files"), atMs, commitId);
  if (event.files.some(({ rowsRejected }) => rowsRejected > 0)) {
    committed(of(health, "_rejected_rows"), atMs, commitId);
  }
}

/** Folds a command, asked by whomever. */
export function foldCommand(health: Health, { table, kind, commandId, requestedAtMs }: Command): void {
  const { asked, slotIds } = of(health, table);
  asked.set(kind, { commandId, requestedAtMs });
  remember(slotIds, commandId);
}

/** Folds a command's end. It also wrote to a log table. */
export function foldResult(health: Health, result: CommandResult): void {
  const { table: name, kind, commandId, startedAtMs, finishedAtMs, status } = result;
  const heldMs = result.heldMs ?? finishedAtMs - startedAtMs;
  const table = of(health, name);
  table.runs.set(kind, { commandId, startedAtMs, heldMs, status });
  remember(table.slotIds, commandId);
  if (kind !== "checks") {
    const { health: measured } = JSON.parse(result.resultJson) as { health?: MeasuredHealth };
    if (measured) table.measured = { atMs: finishedAtMs, health: measured };
  }
  committed(of(health, kind === "checks" ? "_quality_results" : "_maintenance_log"), startedAtMs, commandId);
}

/** Is a command of this kind under way, and asked for less than `patienceMs` ago? Later it counts as lost. */
export function isCommandPending(table: ScheduledTable, kind: CommandKind, nowMs: number, patienceMs: number): boolean {
  const asked = table.asked.get(kind);
  if (!asked || nowMs - asked.requestedAtMs > patienceMs) return false;
  const run = table.runs.get(kind);
  return !run || (run.commandId !== asked.commandId && run.startedAtMs < asked.requestedAtMs);
}

/** Has exactly this command been asked for or carried out, as far as is known? */
export function isKnown(table: ScheduledTable, kind: CommandKind, commandId: string): boolean {
  if (table.slotIds.has(commandId)) return true;
  return table.asked.get(kind)?.commandId === commandId || table.runs.get(kind)?.commandId === commandId;
}

/** Has anything been committed since checks last began? A run that began in the future was told by a clock that has been put back since. */
export function committedSinceChecks({ lastCommit, runs }: ScheduledTable, nowMs: number): boolean {
  const startedAtMs = runs.get("checks")?.startedAtMs ?? -Infinity;
  return lastCommit !== undefined && (lastCommit.atMs > startedAtMs || startedAtMs > nowMs);
}

/**
 * What the table consists of by now, as far as can be told without asking the warehouse: what was measured after its latest maintenance,
 * and what came since. Where commits do not say how many files there are, each counts as one more.
 */
export function tableStateOf(table: ScheduledTable): TableState {
  const { measured, files } = table;
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

/** Commits that changed the table after a moment; at most COMMITS_KEPT. */
const commitsAfter = ({ commitsAtMs }: ScheduledTable, atMs: number): number =>
  commitsAtMs.reduce((count, committedAtMs) => count + (committedAtMs > atMs ? 1 : 0), 0);

function of(health: Health, table: string): ScheduledTable {
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

function committed(table: ScheduledTable, atMs: number, commitId: string, changed = true): void {
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
