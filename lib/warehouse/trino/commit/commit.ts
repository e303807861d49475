import { trino } from "../dialect.ts";
import { withAuditColumns } from "../../sql/sql.ts";
import {
  applicable,
  effective,
  missingTable,
  NOTHING,
  recordedOffsets,
  recordedStatement,
} from "../../commit/versions.ts";
import type { CommitOptions, CommitReceipt, FileVersion, MicroBatch, TableLayout } from "../../warehouse.ts";
import type { StatementResult } from "../client/client.ts";
import { isTooManyPartitions } from "../client/errors.ts";
import { repeat } from "../client/repeat.ts";
import { tableSql } from "../names.ts";
import { undoOf } from "../../commit/merge.ts";
import { addFile } from "./add-files.ts";
import { concurrentWrite } from "./base-snapshots.ts";
import type { CommitContext } from "./context.ts";
import { guardedMerge } from "./merge.ts";
import { withRows } from "./row-source.ts";
import { snapshotOf, type CommittedBatch, type SnapshotId } from "./snapshot.ts";
import { TrinoStage } from "./stage.ts";

/**
 * Implements Warehouse.commit. After any failure (a conflict, an outcome that stays unknown) the next
 * attempt first reads the table, confirms that this writer still owns it, and reads the ledger.
 */
export async function commitBatch(
  context: CommitContext,
  batch: MicroBatch,
  options: CommitOptions = {},
): Promise<CommitReceipt> {
  const { table } = batch.layout;
  return repeat(context.clock, options.signal, async () => {
    try {
      const { receipt, made } = await commitOnce(context, batch, options);
      if (made) context.baseSnapshots.note(batch.layout, made, namesOf(batch.files));
      else if (receipt.strategy !== NOTHING.strategy) context.baseSnapshots.forget(table);
      return receipt;
    } catch (thrown) {
      context.baseSnapshots.forget(table);
      throw thrown;
    }
  });
}

const namesOf = (files: readonly FileVersion[]): string[] => files.map(({ sourceFile }) => sourceFile);

async function commitOnce(
  context: CommitContext,
  batch: MicroBatch,
  { signal, confirmOwner = async () => undefined }: CommitOptions,
): Promise<CommittedBatch> {
  const { layout } = batch;
  const { table } = layout;
  const bringing = effective(batch);
  if (bringing.length === 0) return { receipt: NOTHING };
  const description = await context.tables.describe(table);
  if (!description) return { receipt: missingTable(table, bringing) };
  const known = await stillKnown(context, table, bringing);
  const baseSnapshot = known === undefined ? await context.baseSnapshots.refresh(table, confirmOwner) : known;
  // After a refresh the cached ledger offset is stale too, so ignore it.
  const newest = known === undefined ? undefined : context.recordedOffsets.newest(table);
  const files = await toApply(context, { layout, files: bringing }, newest);
  if (files.length === 0) return { receipt: NOTHING };
  const target = withAuditColumns(description.columns);
  const adoption = { layout, partitioning: description.partitioning, target, files, baseSnapshot, confirmOwner };
  const adopted = await addFile(context, adoption);
  if (adopted) return adopted;
  const newFiles = layout.mode !== "upsert" && (await context.baseSnapshots.holdsNone(table, namesOf(files)));
  const hoards = files.flatMap(({ stage }) => (stage instanceof TrinoStage ? [stage.rows] : []));
  return withRows(context, table, target, hoards, async ({ select: rows, strategy, alone }) => {
    const applied = files.map((file) => ({
      ...file,
      rowsOffset: (file.stage as TrinoStage | undefined)?.rowsOffset ?? file.versionOffset,
    }));
    const upsert = layout.mode === "upsert";
    const keysUnique = upsert && (await alone?.areUnique(layout.key)) === true;
    const { columns } = description;
    const undo = undoOf(files);
    const input = { dialect: trino, target: tableSql(table), layout, columns, files: applied, rows };
    const keysRepeated = upsert && !undo && (await context.baseSnapshots.repeatsKey(input));
    const statement = guardedMerge({ ...input, baseSnapshot, newFiles, keysUnique, keysRepeated, undo });
    const { result, strategy: how } = await mergeAnyPartitions(context, layout, statement, strategy, signal);
    if (result.updateCount > 0) return snapshotOf(context.client, table, { ...result, baseSnapshot, strategy: how });
    // Either the table already had all rows, or it was not at the base snapshot.
    if (!(await context.baseSnapshots.isCurrent(table, baseSnapshot))) throw concurrentWrite(table);
    return { receipt: NOTHING };
  });
}

/**
 * Returns the known base snapshot, or undefined if the writer must refresh it. For a large batch it checks
 * the base snapshot before the commit, not after, so that the writer does not stage the batch in vain.
 */
async function stillKnown(
  { baseSnapshots }: CommitContext,
  table: string,
  files: readonly FileVersion[],
): Promise<SnapshotId | undefined> {
  const known = baseSnapshots.get(table);
  const large = files.some(({ stage }) => stage instanceof TrinoStage && stage.rows.spooled.length > 0);
  return known === undefined || !large || (await baseSnapshots.isCurrent(table, known)) ? known : undefined;
}

/**
 * Returns the versions to apply. `newestRecorded` is the newest offset that the ledger has for the table's
 * files, if known. If all versions are newer, the commit does not read the ledger.
 */
async function toApply(
  context: CommitContext,
  { layout, files }: MicroBatch,
  newestRecorded: number | undefined,
): Promise<readonly FileVersion[]> {
  const { table, mode } = layout;
  const known = newestRecorded !== undefined && files.every(({ sourceOffset }) => sourceOffset > newestRecorded);
  if (known || mode === "append") return applicable(layout, files, new Map());
  await context.tables.ensureInternal("_ingest_files");
  const { rows } = await context.client.run(recordedStatement(trino, tableSql("_ingest_files"), table, files));
  return applicable(layout, files, recordedOffsets(rows));
}

/**
 * Runs the MERGE of a batch. Trino rejects a MERGE that touches more partitions than a writer may hold open
 * (iceberg.max-partitions-per-writer, 100 by default). In that case the table takes new rows unpartitioned
 * while the MERGE runs, which is still one atomic change. This function restores the partitioning right
 * after the MERGE. If it fails, the next ensureTable restores it. The rows of such a batch stay
 * unpartitioned until `optimize` moves them.
 */
async function mergeAnyPartitions(
  context: CommitContext,
  layout: TableLayout,
  statement: string,
  strategy: string,
  signal: AbortSignal | undefined,
): Promise<{ result: StatementResult; strategy: string }> {
  const options = signal ? { signal } : {};
  try {
    return { result: await context.client.run(statement, options), strategy };
  } catch (thrown) {
    if (!isTooManyPartitions(thrown)) throw thrown;
  }
  context.tables.forget(layout.table);
  await context.tables.partition({ ...layout, partitioning: [] });
  try {
    return { result: await context.client.run(statement, options), strategy: `${strategy} unpartitioned` };
  } finally {
    await context.tables.partition(layout);
  }
}
