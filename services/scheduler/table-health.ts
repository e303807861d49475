import { INTERNAL_TABLES } from "../../lib/warehouse/sql.ts";
import type { Command, CommandKind, CommandResult, CommitEvent } from "../../lib/events/generated.ts";

/** Commits of a table that are remembered one by one; no policy asks for more. */
export const COMMITS_KEPT = 1_000;

export interface LastRun {
  commandId: string;
  startedAtMs: number;
  status: string;
}

/** What the scheduler knows of a table. */
export interface TableHealth {
  firstCommitAtMs: number | undefined;
  /** When the latest commits were made, oldest first, at most COMMITS_KEPT. */
  commitsAtMs: number[];
  lastCommitId: string | undefined;
  /** The latest finished command of each kind. */
  runs: Map<string, LastRun>;
  /** The latest command of each kind. */
  asked: Map<CommandKind, { commandId: string; requestedAtMs: number }>;
}

/** Every table's health, by name. */
export type Health = Map<string, TableHealth>;

/** Nothing is known yet. Our own tables are there in any case: they grow by small commits too, and nobody else announces them. */
export function emptyHealth(): Health {
  const health: Health = new Map();
  for (const table of Object.keys(INTERNAL_TABLES)) of(health, table);
  return health;
}

/** Folds a commit. It also wrote to the ledger, and to the rejects if there were any. */
export function foldCommit(health: Health, event: CommitEvent): void {
  committed(of(health, event.table), event.committedAtMs, event.commitId);
  committed(of(health, "_ingest_files"), event.committedAtMs, event.commitId);
  if (event.files.some(({ rowsRejected }) => rowsRejected > 0)) {
    committed(of(health, "_rejected_rows"), event.committedAtMs, event.commitId);
  }
}

/** Folds a command, asked by whomever. */
export function foldCommand(health: Health, { table, kind, commandId, requestedAtMs }: Command): void {
  const { asked } = of(health, table);
  if (requestedAtMs >= (asked.get(kind)?.requestedAtMs ?? -Infinity)) asked.set(kind, { commandId, requestedAtMs });
}

/** Folds a command's end. It also wrote to a log table. */
export function foldResult(health: Health, { table, kind, commandId, startedAtMs, status }: CommandResult): void {
  const { runs } = of(health, table);
  if (startedAtMs >= (runs.get(kind)?.startedAtMs ?? -Infinity)) runs.set(kind, { commandId, startedAtMs, status });
  committed(of(health, kind === "checks" ? "_quality_results" : "_maintenance_log"), startedAtMs, commandId);
}

/** Is a command of this kind under way, and asked for less than `patienceMs` ago? Later it counts as lost. */
export function isPending(table: TableHealth, kind: CommandKind, nowMs: number, patienceMs: number): boolean {
  const asked = table.asked.get(kind);
  if (!asked || nowMs - asked.requestedAtMs > patienceMs) return false;
  const run = table.runs.get(kind);
  return !run || (run.commandId !== asked.commandId && run.startedAtMs < asked.requestedAtMs);
}

/** Has exactly this command been asked for or carried out, as far as is known? */
export function isKnown(table: TableHealth, kind: CommandKind, commandId: string): boolean {
  return table.asked.get(kind)?.commandId === commandId || table.runs.get(kind)?.commandId === commandId;
}

/** Commits since a command of this kind last began; at most COMMITS_KEPT. */
export function commitsSince({ commitsAtMs, runs }: TableHealth, kind: CommandKind): number {
  const lastAtMs = runs.get(kind)?.startedAtMs ?? -Infinity;
  return commitsAtMs.reduce((count, atMs) => count + (atMs > lastAtMs ? 1 : 0), 0);
}

function of(health: Health, table: string): TableHealth {
  const known = health.get(table);
  if (known) return known;
  const made: TableHealth = {
    firstCommitAtMs: undefined,
    commitsAtMs: [],
    lastCommitId: undefined,
    runs: new Map(),
    asked: new Map(),
  };
  health.set(table, made);
  return made;
}

function committed(table: TableHealth, atMs: number, commitId: string): void {
  table.firstCommitAtMs = Math.min(table.firstCommitAtMs ?? atMs, atMs);
  table.commitsAtMs.push(atMs);
  table.lastCommitId = commitId;
  if (table.commitsAtMs.length > COMMITS_KEPT) table.commitsAtMs.shift();
}
