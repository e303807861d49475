import { duckdb } from "../../duckdb-engine/dialect.ts";
import type { TableMetadata } from "../catalog/schemas.ts";
import { TRANSACTION_PROPERTY } from "../gate/transactions.ts";
import type { IcebergLedger } from "../ledger.ts";
import { stateOf, type BaseState } from "./bases.ts";
import type { IcebergContext } from "./context.ts";

/**
 * Recovery of transactions that write a table's rows and their records together. A catalog may apply a
 * transaction table by table, and stop in between. Rows without records are no harm: the files are committed
 * again, which changes nothing. Records without rows would hide that the rows are missing, so they are
 * removed before anybody relies on them. Each such record names its transaction, and so does the summary of
 * the snapshot with its rows.
 */

/** What is on record of a table. */
export interface LedgerState {
  /** No file with a higher source offset has a record or a rejected row; -1: there is none. */
  recorded: number;
  /** The newest transaction that wrote records together with their rows. */
  transactionId: string | undefined;
}

/**
 * Reads the ledger at the catalog's current snapshots: where the clock is behind, DuckDB does not see
 * what others have just recorded.
 */
export async function ledgerState(context: IcebergContext, table: string): Promise<LedgerState> {
  const { session } = context;
  const [ledger, rejects] = [await own(context, "_ingest_files", table), await own(context, "_rejected_rows", table)];
  const newest = "arg_max(transaction_id, source_offset) FILTER (transaction_id IS NOT NULL)";
  const [row = []] = ledger === undefined ? [] : await session.rows(`SELECT max(source_offset), ${newest} ${ledger}`);
  const [other = []] = rejects === undefined ? [] : await session.rows(`SELECT max(source_offset) ${rejects}`);
  return {
    recorded: Math.max(Number(row[0] ?? -1), Number(other[0] ?? -1)),
    transactionId: (row[1] as string | null | undefined) ?? undefined,
  };
}

/**
 * Removes the records of the table's newest transaction if the table lacks its rows, or `_rejected_rows` its
 * rejected rows. Older transactions are whole: each writer of the table does this before its first commit.
 * Returns what is on record now. `confirmOwner` is called before anything is removed.
 */
export async function withoutTorn(
  context: IcebergContext,
  ledger: IcebergLedger,
  table: string,
  confirmOwner: () => Promise<void>,
): Promise<LedgerState> {
  const state = await ledgerState(context, table);
  if (state.transactionId === undefined) return state;
  // Read after the ledger: a transaction that is applied in between must not look torn.
  const metadata = await context.tables.load(table);
  if (metadata && standsIn(metadata, state.transactionId)) {
    const records = await recordsOf(context, table, state.transactionId);
    if (records.rejects === 0 || (await hasRejects(context, records))) return state;
    await removeRecords(ledger, table, records, confirmOwner);
    return ledgerState(context, table);
  }
  const records = await recordsOf(context, table, state.transactionId);
  if (!metadata || (await hasRows(context, table, metadata, records))) return state;
  await removeRecords(ledger, table, records, confirmOwner);
  return ledgerState(context, table);
}

/**
 * Completes what a writer remembers of a table after it has read its state again, and owns it. Records whose
 * rows the table lacks are removed first.
 */
export async function learn(
  context: IcebergContext,
  ledger: IcebergLedger,
  table: string,
  base: BaseState,
): Promise<BaseState> {
  const { bases, heads, session, tables } = context;
  if (bases.recorded(table) === undefined) {
    const reading = heads.lastReading;
    const { recorded } = await withoutTorn(context, ledger, table, async () => undefined);
    bases.setRecorded(table, recorded, reading);
  }
  if (base.watermark !== undefined || base.snapshotId === undefined) return base;
  const rows = `${tables.sqlOf(table)} AT (VERSION => ${base.snapshotId})`;
  const [row] = await session.rows(`SELECT max("_source_offset") FROM ${rows}`);
  const known = { ...base, watermark: Number(row?.[0] ?? -1) };
  bases.set(table, known);
  return known;
}

/** The records of one transaction in one table. */
export interface SharedRecords {
  transactionId: string;
  fileIds: readonly string[];
  /** The highest source offset. */
  sourceOffset: number;
  /** When they were written, by the clock of their writer. */
  recordedAtMs: number;
  /** How many rows were rejected. */
  rejects: number;
}

async function recordsOf(context: IcebergContext, table: string, transactionId: string): Promise<SharedRecords> {
  const from = await own(context, "_ingest_files", table);
  const rows = await context.session.rows(
    `SELECT file_id, source_offset, epoch_ms(ingested_at), rows_rejected ${from}
     AND transaction_id = ${duckdb.stringLiteral(transactionId)}`,
  );
  return {
    transactionId,
    fileIds: rows.map(([fileId]) => String(fileId)),
    sourceOffset: Math.max(-1, ...rows.map((row) => Number(row[1]))),
    recordedAtMs: Math.max(-1, ...rows.map((row) => Number(row[2]))),
    rejects: rows.reduce((sum, row) => sum + Number(row[3]), 0),
  };
}

const standsIn = ({ snapshots }: Pick<TableMetadata, "snapshots">, transactionId: string): boolean =>
  snapshots.some(({ summary }) => summary.get(TRANSACTION_PROPERTY) === transactionId);

/** Whether the table has the rows of these records, whose snapshot it does not list: it may have expired. */
async function hasRows(
  context: IcebergContext,
  table: string,
  metadata: TableMetadata,
  records: SharedRecords,
): Promise<boolean> {
  if (metadata.currentSnapshotId === undefined) {
    // The transaction was the first of the table, unless somebody has made the table again by hand.
    const from = await own(context, "_ingest_files", table);
    const [row = []] = await context.session.rows(
      `SELECT count(*) ${from} AND rows_committed > 0
       AND transaction_id IS DISTINCT FROM ${duckdb.stringLiteral(records.transactionId)}`,
    );
    return Number(row[0] ?? 0) > 0;
  }
  const { watermark } = stateOf(metadata);
  return watermark === undefined ? !lacks(metadata, records) : watermark >= records.sourceOffset;
}

async function hasRejects({ tables }: IcebergContext, records: SharedRecords): Promise<boolean> {
  const metadata = await tables.load("_rejected_rows");
  return !metadata || standsIn(metadata, records.transactionId) || !lacks(metadata, records);
}

/**
 * True if a snapshot of the time of these records would still be listed. Only the branch's history counts.
 */
export function lacks(
  { currentSnapshotId, snapshots }: Pick<TableMetadata, "currentSnapshotId" | "snapshots">,
  { recordedAtMs }: Pick<SharedRecords, "recordedAtMs">,
): boolean {
  const byId = new Map(snapshots.map((one) => [one.id, one]));
  let at = currentSnapshotId === undefined ? undefined : byId.get(currentSnapshotId);
  if (!at) return currentSnapshotId === undefined;
  // A damaged table could name its snapshots in a circle.
  for (let steps = 0; at && at.timestampMs > recordedAtMs && steps < snapshots.length; steps++)
    at = at.parentId === undefined ? undefined : byId.get(at.parentId);
  return at !== undefined && at.timestampMs <= recordedAtMs;
}

async function removeRecords(
  ledger: IcebergLedger,
  table: string,
  { fileIds }: SharedRecords,
  confirmOwner: () => Promise<void>,
): Promise<void> {
  await confirmOwner();
  await ledger.remove(table, fileIds);
}

/** FROM and WHERE of an internal table's rows about a table; undefined: there are none. */
async function own(
  { tables }: IcebergContext,
  internal: "_ingest_files" | "_rejected_rows",
  table: string,
): Promise<string | undefined> {
  const at = (await tables.load(internal))?.currentSnapshotId;
  if (at === undefined) return undefined;
  return `FROM ${tables.sqlOf(internal)} AT (VERSION => ${at}) WHERE table_name = ${duckdb.stringLiteral(table)}`;
}
