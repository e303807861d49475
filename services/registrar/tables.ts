import { publishedOf, tableId } from "../../lib/tables.ts";
import { createHash } from "node:crypto";
import type { CommitEvent, TableSchemaEvent } from "../../lib/messages/generated.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { newerSchema } from "../../lib/table-schemas/table-schemas.ts";

/** The state of one table, from the log and from Superset. */
export interface KnownTable {
  /** Number of commits. */
  commits: number;
  /** Highest source offset of a committed file; -1: none. */
  committedOffset: number;
  /** The columns (columnsKey) after the newest parsed file. */
  schema?: { sourceOffset: number; columns: string; publishedAtMs: number };
  /** The columns of the dataset's last registration or refresh; undefined: no known dataset. */
  registered?: string | undefined;
  /** The number of commits after which Trino did not have the table; the next commit may create it. */
  absentAfter?: number | undefined;
}

/** By name. */
export type KnownTables = Map<string, KnownTable>;

/** The key of unknown columns. */
export const ANY_COLUMNS = "";

/** A short hash of the names, types and order of columns. */
export function columnsKey(columns: readonly { name: string; type: string }[]): string {
  const text = JSON.stringify(columns.map(({ name, type }) => [name, type]));
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** The table's entry; creates it if missing. */
export function knownTableOf(tables: KnownTables, name: string): KnownTable {
  const known = tables.get(name) ?? { commits: 0, committedOffset: -1 };
  tables.set(name, known);
  return known;
}

/** Accepts events in any order: the newest file's columns win. */
export function foldSchema(tables: KnownTables, event: TableSchemaEvent, publishedAtMs: number): void {
  const known = knownTableOf(tables, event.table);
  const next = { sourceOffset: event.sourceOffset, columns: columnsKey(event.columns), publishedAtMs };
  known.schema = newerSchema(known.schema, next);
}

export function foldTableCommit(tables: KnownTables, { table, files }: CommitEvent): void {
  const known = knownTableOf(tables, table);
  known.commits++;
  for (const { sourceOffset } of files) known.committedOffset = Math.max(known.committedOffset, sourceOffset);
}

/**
 * The columns that the table certainly has: those of the newest schema, once its file is committed. Before
 * that, Superset would still read the old ones. A schema older than the retention of `commits` needs no
 * commit event.
 */
export function columnsOf({ schema, committedOffset }: KnownTable, nowMs: number): string {
  if (!schema) return ANY_COLUMNS;
  const old = nowMs - schema.publishedAtMs > TOPICS.commits.retentionMs;
  return old || committedOffset >= schema.sourceOffset ? schema.columns : ANY_COLUMNS;
}

/** True if the table's dataset in Superset is missing or has old columns. */
export function isRegistrationPending(known: KnownTable, nowMs: number): boolean {
  if (known.absentAfter === known.commits) return false;
  const columns = columnsOf(known, nowMs);
  return known.registered === undefined || (columns !== ANY_COLUMNS && columns !== known.registered);
}

/** The state of Superset and, read through it, of Trino. */
export interface SupersetState {
  /** The number of commits of each table known before the state was read. */
  commitsBefore: ReadonlyMap<string, number>;
  inTrino: ReadonlySet<string>;
  /** By name: the saved columns, and whether the dataset is a table or view and not a saved query. */
  datasets: ReadonlyMap<string, { columns: string; physical: boolean }>;
}

/** Applies Superset's state, and adds the `_trusted` views of known tables. */
export function foldSupersetState(
  tables: KnownTables,
  { commitsBefore, inTrino, datasets }: SupersetState,
  nowMs: number,
): void {
  for (const name of [...tables.keys()]) if (inTrino.has(trustedView(name))) knownTableOf(tables, trustedView(name));
  for (const [name, known] of tables) {
    const dataset = datasets.get(name);
    // A saved query with this name counts as registered, because Superset does not allow a second dataset.
    known.registered = dataset?.physical === false ? columnsOf(known, nowMs) : dataset?.columns;
    known.absentAfter = inTrino.has(name) ? undefined : (commitsBefore.get(name) ?? 0);
  }
}

const trustedView = (table: string): string => publishedOf(tableId(table)).name;
