import type { DuckDBConnection } from "@duckdb/node-api";
import { duckdb } from "../../duckdb-engine/dialect.ts";
import { anyRow, rowsSelect } from "../../duckdb-engine/statements.ts";
import { StagedRows, type DuckDbStage, type StagedPart } from "../../duckdb-engine/stage.ts";
import { insertSelect, undoOf, type MergeInput } from "../../commit/merge.ts";
import {
  applicable,
  effective,
  missingTable,
  NOTHING,
  recordedOffsets,
  recordedStatement,
} from "../../commit/versions.ts";
import { withAuditColumns } from "../../sql/sql.ts";
import type { CommitOptions, CommitReceipt, FileVersion, MicroBatch, TableDescription } from "../../warehouse.ts";
import { concurrentWrite } from "../errors.ts";
import { tableKey } from "../gate/request.ts";
import type { TransactionResult } from "../gate/transactions.ts";
import type { IcebergLedger } from "../ledger.ts";
import { APPENDED, applyRows, type Applied } from "./apply.ts";
import { recordsIn, type BaseState } from "./bases.ts";
import type { IcebergContext } from "./context.ts";
import { cutCondition } from "./cut-texts.ts";
import { withinMemory } from "./memory.ts";
import { checkPartitionTexts } from "./partition-texts.ts";
import type { SharedRows } from "./ledger-queue.ts";
import { knownOf, stateAfter, summaryOf, type Known } from "./known.ts";
import { repeated } from "./repeated.ts";
import { rewriteDue, rewriteTable } from "./rewrite.ts";
import { changesOf, filesIn } from "./snapshots.ts";
import { learn } from "./torn.ts";

/**
 * Implements Warehouse.commit in one transaction on the base snapshot. After any failure the next attempt
 * first reads the table, confirms that this writer still owns it, and reads the ledger. Only the first
 * attempt takes the records along: a later one may find them.
 */
export async function commitBatch(
  context: IcebergContext,
  ledger: IcebergLedger,
  batch: MicroBatch,
  options: CommitOptions = {},
): Promise<CommitReceipt> {
  const { layout, files } = batch;
  let next: MicroBatch = batch;
  return repeated(context, options.signal, async () => {
    try {
      return await commitOnce(context, ledger, next, options);
    } catch (thrown) {
      next = { layout, files };
      context.bases.forget(layout.table);
      context.tables.forget(layout.table);
      throw thrown;
    }
  });
}

async function commitOnce(
  context: IcebergContext,
  ledger: IcebergLedger,
  batch: MicroBatch,
  { signal, confirmOwner = async () => undefined }: CommitOptions,
): Promise<CommitReceipt> {
  const { layout, records } = batch;
  const { table } = layout;
  const bringing = effective(batch);
  if (bringing.length === 0) return NOTHING;
  const description = await context.tables.describe(table);
  const read = await context.bases.current(context.tables, table, confirmOwner);
  if (!description || !read) return missingTable(table, bringing);
  const base = await learn(context, ledger, table, read);
  const files = await toApply(context, { layout, files: bringing });
  if (files.length === 0) return NOTHING;
  const shared = new StagedRows(context.session);
  try {
    const parts: StagedPart[] = [];
    for (const { stage } of files) if (stage) parts.push(...(await (stage as DuckDbStage).rows.into(shared)));
    parts.push(...shared.parts());
    const input = inputOf(context, { layout, files }, description, parts);
    const many = rowsIn(files) > NARROW_ROWS_MAX;
    await checkPartitionTexts(context.session, description, { rows: input.rows, wide: many });
    const recorded = records?.ended.map(({ outcome }) => outcome) ?? [];
    const next = stateAfter(layout, description, [...input.files, ...recorded], base);
    const known = knownOf(layout, description, input.files, base);
    known.rowsAreNew ||= layout.mode === "replace" && (await holdsNone(context, input, base));
    const rows = rowsOf(context, { layout, files }, input, { base, next, description, known });
    const size = { rows: rows.rowCount, rowsMax: context.mergeRowsMax };
    const rewritable = await rewriteDue(context, input, { known, base }, size.rows);
    if (rewritable) {
      const receipt = await withinMemory(size, (smaller, alone) =>
        rewriteTable(context, input, rewritable, { size: smaller, next, confirmOwner, signal, alone }),
      );
      if (receipt) return receipt;
    }
    const together =
      records && isShared(context, batch, rows) ? await ledger.recordWith(table, records, rows) : undefined;
    if (together) return { ...(await receiptOf(context, input, { base, next }, together)), isRecorded: true };
    const appended = rows.added && (await context.appender.append([{ ...rows, ...rows.added }], { signal }));
    if (appended) return await receiptOf(context, input, { base, next }, { value: APPENDED, result: appended });
    const wide = isWide(context, table, size.rows);
    const written = await withinMemory(size, (smaller, alone) =>
      context.session.write([rows.part], (connection) => rows.work(connection, smaller), { signal, alone, wide }),
    );
    return await receiptOf(context, input, { base, next }, written);
  } finally {
    await shared.drop();
  }
}

/** Whether the table on this base has no row of the source files of the batch. */
async function holdsNone(
  { bases, session }: IcebergContext,
  { layout: { table }, files, target, undo }: MergeInput,
  { snapshotId, rows }: BaseState,
): Promise<boolean> {
  const at = snapshotId === undefined ? "" : ` AT (VERSION => ${snapshotId})`;
  const read = async (namesMax: number): Promise<string[]> => {
    if (rows === 0) return [];
    const select = `SELECT DISTINCT "_source_file" FROM ${target}${at} LIMIT ${namesMax}`;
    const found = await session.rows(select, { wide: (rows ?? 0) > NARROW_ROWS_MAX });
    return found.map(([name]) => String(name));
  };
  return !undo && bases.files.holdsNone(table, namesOf(files), { rows, read });
}

const namesOf = (files: readonly { sourceFile: string }[]): string[] => files.map(({ sourceFile }) => sourceFile);

/** The changes of a table, and what the snapshot with them says. */
function rowsOf(
  { tables, bases, mergeRowsMax, clock }: IcebergContext,
  { layout, files }: MicroBatch,
  input: MergeInput,
  { base, next, description, known }: { base: BaseState; next: Next; description: TableDescription; known: Known },
): SharedRows {
  const { table } = layout;
  const whole = { rows: rowsIn(files), rowsMax: mergeRowsMax };
  const isSmall = whole.rows > 0 && whole.rows <= NARROW_ROWS_MAX;
  const isOnlyAdded = known.rowsAreNew && !input.undo && isSmall && description.partitioning.length === 0;
  let cutsNoText = false;
  return {
    rowCount: whole.rows,
    added: isOnlyAdded ? { select: insertSelect(input), columns: withAuditColumns(input.columns) } : undefined,
    part: {
      table: tables.idOf(table),
      summary: summaryOf(next),
      base: { snapshotId: base.snapshotId?.toString(), uuid: base.uuid },
      cutsNoText: () => cutsNoText,
    },
    work: async (connection, size = whole) => {
      const startMs = clock.monotonicMs();
      const applied = await applyRows(connection, input, { known, size });
      cutsNoText = applied?.copiesRows === false && (await areTextsWhole(connection, input, files));
      bases.worked(table, clock.monotonicMs() - startMs);
      return applied;
    },
  };
}

type Next = Pick<BaseState, "watermark" | "uniqueKey">;

/** Tables whose changes take longer would hold up the ledger of all others. */
const SHARED_WORK_MS_MAX = 250;

/**
 * Whether the rows may go into one transaction with their records. What replaces records stays outside: a
 * recovery removes the records of a transaction, and cannot bring back those that it has replaced.
 */
function isShared(
  { bases, catalog }: IcebergContext,
  { layout, records, files }: MicroBatch,
  { added }: SharedRows,
): boolean {
  return (
    catalog.has("commitTransaction") &&
    (added !== undefined || bases.workMs(layout.table) <= SHARED_WORK_MS_MAX) &&
    files.every(({ undo }) => !undo) &&
    records!.ended.every(({ decides, readAgain, operation }) => !decides && !readAgain && !operation)
  );
}

/** A commit of more rows uses all threads. */
const NARROW_ROWS_MAX = 20_000;

const isWide = ({ bases }: IcebergContext, table: string, rows: number): boolean =>
  rows > NARROW_ROWS_MAX || bases.workMs(table) > SHARED_WORK_MS_MAX;

/** Rows up to which it costs less to look at their texts than at the manifests. */
const LOOKED_AT_ROWS_MAX = 20_000;

async function areTextsWhole(
  connection: DuckDBConnection,
  { columns, rows }: MergeInput,
  files: readonly FileVersion[],
): Promise<boolean> {
  if (rowsIn(files) > LOOKED_AT_ROWS_MAX) return false;
  const condition = cutCondition(withAuditColumns(columns));
  return condition === undefined || !(await anyRow(connection, `(${rows}) WHERE ${condition}`));
}

const rowsIn = (files: readonly FileVersion[]): number =>
  files.reduce((sum, { stage }) => sum + (stage?.rowCount ?? 0), 0);

function inputOf(
  { tables }: IcebergContext,
  { layout, files }: MicroBatch,
  { columns }: TableDescription,
  parts: readonly StagedPart[],
): MergeInput {
  return {
    dialect: duckdb,
    target: tables.sqlOf(layout.table),
    layout,
    columns,
    files: files.map((file) => ({
      ...file,
      rowsOffset: (file.stage as DuckDbStage | undefined)?.rowsOffset ?? file.versionOffset,
    })),
    rows: rowsSelect(layout.table, parts, withAuditColumns(columns)),
    undo: undoOf(files),
  };
}

async function toApply(
  { session, tables, bases }: IcebergContext,
  { layout, files }: MicroBatch,
): Promise<FileVersion[]> {
  const { table, mode } = layout;
  const recorded = bases.recorded(table) ?? Infinity;
  if (mode === "append" || files.every(({ sourceOffset }) => sourceOffset > recorded))
    return applicable(layout, files, new Map());
  const select = recordedStatement(duckdb, tables.sqlOf("_ingest_files"), table, files);
  return applicable(layout, files, recordedOffsets(await session.rows(select)));
}

async function receiptOf(
  { tables, bases }: IcebergContext,
  { layout: { table }, files }: Pick<MergeInput, "layout" | "files">,
  { base, next }: { base: BaseState; next: Next },
  written: { value: Applied; result: TransactionResult } | undefined,
): Promise<CommitReceipt> {
  if (!written) {
    // The table has all rows, if it is still what was read.
    const metadata = await tables.load(table);
    if (metadata?.uuid !== base.uuid || metadata.currentSnapshotId !== base.snapshotId) throw concurrentWrite(table);
    return NOTHING;
  }
  const chain = written.result.snapshots.get(tableKey(tables.idOf(table))) ?? [];
  const last = chain.at(-1);
  if (!last) throw new Error(`the commit of table '${table}' has no snapshot`);
  bases.set(table, { uuid: base.uuid, snapshotId: BigInt(last.id), ...next, rows: recordsIn(last) });
  bases.files.add(table, namesOf(files));
  return {
    snapshotId: last.id,
    strategy: written.value.isAppended ? "iceberg append" : "iceberg",
    ...changesOf(chain, written.value.rowsDeleted),
    ...filesIn(last),
  };
}
