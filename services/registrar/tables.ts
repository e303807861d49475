import { createHash } from "node:crypto";
import type { CommitEvent, TableSchemaEvent } from "../../lib/messages/generated.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { newerSchema } from "../../lib/parsing/table-schemas.ts";

/** What the log and Superset have said of one table. */
export interface KnownTable {
  /** Micro-batches that ended. */
  commits: number;
  /** Highest source offset of a file in them; -1: none. */
  committedOffset: number;
  /** What the newest parsed file made of its columns. */
  schema?: { sourceOffset: number; columns: string; publishedAtMs: number };
  /** The columns for which its dataset was made or refreshed last; undefined: it has none as far as known. */
  registered?: string | undefined;
  /** Trino did not have it after so many commits; the next may make it. */
  absentAfter?: number | undefined;
}

/** By name. */
export type KnownTables = Map<string, KnownTable>;

/** Of which columns nothing is known, or nobody of us has noted them. */
export const ANY_COLUMNS = "";

/** Short text that differs when names, types or order of columns do. */
export function columnsKey(columns: readonly { name: string; type: string }[]): string {
  const text = JSON.stringify(columns.map(({ name, type }) => [name, type]));
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** The table's entry, made if it is not there. */
export function knownTableOf(tables: KnownTables, name: string): KnownTable {
  const known = tables.get(name) ?? { commits: 0, committedOffset: -1 };
  tables.set(name, known);
  return known;
}

/** Takes events in any order: the newest file's schema counts. */
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
 * The columns that the table has for certain: those of the newest schema, once the file that led to it has ended. Before, Superset
 * would still find the old ones. A schema older than `commits` reaches back has no commit to show for it, and needs none.
 */
export function columnsOf({ schema, committedOffset }: KnownTable, nowMs: number): string {
  if (!schema) return ANY_COLUMNS;
  const old = nowMs - schema.publishedAtMs > TOPICS.commits.retentionMs;
  return old || committedOffset >= schema.sourceOffset ? schema.columns : ANY_COLUMNS;
}

/** Is there something to do for the table in Superset? */
export function isRegistrationPending(known: KnownTable, nowMs: number): boolean {
  if (known.absentAfter === known.commits) return false;
  const columns = columnsOf(known, nowMs);
  return known.registered === undefined || (columns !== ANY_COLUMNS && columns !== known.registered);
}

/** A look at Superset and, through it, at Trino. */
export interface SupersetState {
  /** How many commits of each table were known before. */
  commitsBefore: ReadonlyMap<string, number>;
  inTrino: ReadonlySet<string>;
  /** By name: the columns that are noted, and whether the dataset is the table's own and not a query of that name. */
  datasets: ReadonlyMap<string, { columns: string; physical: boolean }>;
}

/** Takes over what a look showed. Views of trusted rows join their tables. */
export function foldSupersetState(
  tables: KnownTables,
  { commitsBefore, inTrino, datasets }: SupersetState,
  nowMs: number,
): void {
  for (const name of [...tables.keys()]) if (inTrino.has(trustedView(name))) knownTableOf(tables, trustedView(name));
  for (const [name, known] of tables) {
    const dataset = datasets.get(name);
    // Somebody's query of that name takes its place; Superset would not allow a second.
    known.registered = dataset?.physical === false ? columnsOf(known, nowMs) : dataset?.columns;
    known.absentAfter = inTrino.has(name) ? undefined : (commitsBefore.get(name) ?? 0);
  }
}

const trustedView = (table: string): string => `${table}_trusted`;
