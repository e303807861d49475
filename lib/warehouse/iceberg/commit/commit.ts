import type { DuckDBConnection } from "@duckdb/node-api";
import { duckdb } from "../../duckdb-engine/dialect.ts";
import { anyRow, rowsSelect } from "../../duckdb-engine/statements.ts";
import { StagedRows, type DuckDbStage, type StagedPart } from "../../duckdb-engine/stage.ts";
import { codeOf, isRetryable } from "../../../errors.ts";
import { retry } from "../../../retry.ts";
import { undoOf, type MergeInput } from "../../commit/merge.ts";
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
import { applyRows, type Applied } from "./apply.ts";
import type { BaseState } from "./bases.ts";
import type { IcebergContext } from "./context.ts";
import { cutCondition } from "./cut-texts.ts";
import { withinMemory } from "./memory.ts";
import { checkPartitionTexts } from "./partition-texts.ts";
import { knownOf, learn, stateAfter, summaryOf } from "./known.ts";
import type { SliceSize } from "./slices.ts";
import { changesOf, filesIn } from "./snapshots.ts";

const RETRY = { attemptsMax: 5, backoffMsMin: 50, backoffMsMax: 3_000 };
const NOT_REPEATED: ReadonlySet<string> = new Set(["WAREHOUSE_TIMEOUT", "WAREHOUSE_LIMIT", "WAREHOUSE_REFUSED"]);

/**
 * Repeats an attempt after transient errors, except a timeout or a limit of memory: another attempt takes as
 * long, and the caller has other means.
 */
export function repeated<T>(
  { clock }: Pick<IcebergContext, "clock">,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  const retryable = (thrown: unknown): boolean => isRetryable(thrown) && !NOT_REPEATED.has(codeOf(thrown));
  return retry(clock, { ...RETRY, retryable, ...(signal ? { signal } : {}) }, attempt);
}

/**
 * Implements Warehouse.commit in one transaction on the base snapshot. After any failure the next attempt
 * first reads the table, confirms that this writer still owns it, and reads the ledger.
 */
export async function commitBatch(
  context: IcebergContext,
  batch: MicroBatch,
  options: CommitOptions = {},
): Promise<CommitReceipt> {
  const { table } = batch.layout;
  return repeated(context, options.signal, async () => {
    try {
      return await commitOnce(context, batch, options);
    } catch (thrown) {
      context.bases.forget(table);
      context.tables.forget(table);
      throw thrown;
    }
  });
}

async function commitOnce(
  context: IcebergContext,
  batch: MicroBatch,
  { signal, confirmOwner = async () => undefined }: CommitOptions,
): Promise<CommitReceipt> {
  const { layout } = batch;
  const { table } = layout;
  const bringing = effective(batch);
  if (bringing.length === 0) return NOTHING;
  const description = await context.tables.describe(table);
  const read = await context.bases.current(context.tables, table, confirmOwner);
  if (!description || !read) return missingTable(table, bringing);
  const base = await learn(context, table, read);
  const files = await toApply(context, { layout, files: bringing });
  if (files.length === 0) return NOTHING;
  const shared = new StagedRows(context.session);
  try {
    const parts: StagedPart[] = [];
    for (const { stage } of files) if (stage) parts.push(...(await (stage as DuckDbStage).rows.into(shared)));
    parts.push(...shared.parts());
    const input = inputOf(context, { layout, files }, description, parts);
    await checkPartitionTexts(context.session, description, input.rows);
    let cutsNoText = false;
    const known = knownOf(layout, description, input.files, base);
    const work = async (connection: DuckDBConnection, size: SliceSize): Promise<Applied | undefined> => {
      const applied = await applyRows(connection, input, { known, size });
      cutsNoText = applied?.copiesRows === false && (await areTextsWhole(connection, input, files));
      return applied;
    };
    const next = stateAfter(layout, description, files, base);
    const part = {
      table: context.tables.idOf(table),
      summary: summaryOf(next),
      base: { snapshotId: base.snapshotId?.toString(), uuid: base.uuid },
      cutsNoText: () => cutsNoText,
    };
    const size = { rows: rowsIn(files), rowsMax: context.mergeRowsMax };
    const written = await withinMemory(size, (smaller, alone) =>
      context.session.write([part], (connection) => work(connection, smaller), { signal, alone }),
    );
    return await receiptOf(context, table, { base, next }, written);
  } finally {
    await shared.drop();
  }
}

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
  table: string,
  { base, next }: { base: BaseState; next: Pick<BaseState, "watermark" | "uniqueKey"> },
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
  bases.set(table, { uuid: base.uuid, snapshotId: BigInt(last.id), ...next });
  return {
    snapshotId: last.id,
    strategy: "iceberg",
    ...changesOf(chain, written.value.rowsDeleted),
    ...filesIn(last),
  };
}
