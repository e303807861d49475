import { areKeysUnique, changed, countOf } from "../../duckdb-engine/statements.ts";
import type { MergeInput } from "../../commit/merge.ts";
import { upsertedSelect } from "../../commit/upserted.ts";
import { NOTHING } from "../../commit/versions.ts";
import { columnList, withAuditColumns } from "../../sql/sql.ts";
import type { CommitReceipt } from "../../warehouse.ts";
import { concurrentWrite } from "../errors.ts";
import { rewriteFiles, snapshotIn } from "../maintenance/rewrite-files.ts";
import type { WriteOptions } from "../session.ts";
import type { BaseState } from "./bases.ts";
import type { IcebergContext } from "./context.ts";
import { summaryOf, type Known } from "./known.ts";
import { sliceFilters, type SliceSize } from "./slices.ts";

/** The table's rows for each row of the batch up to which that costs less than position deletes. */
const TABLE_RATIO_MAX = 2;

/** What a commit knows of its table. */
export interface RewriteOf {
  known: Known;
  base: BaseState;
  /** The state after the commit. */
  next: Pick<BaseState, "watermark" | "uniqueKey">;
}

/**
 * Whether an upsert writes all rows of its table anew. A MERGE keeps every position delete of its transaction
 * in memory, beside DuckDB's limit, and every later scan reads them.
 */
export async function isRewriteDue(
  { tables, rewriteRowsMin }: IcebergContext,
  { layout, undo }: MergeInput,
  { known, base }: RewriteOf,
  rows: number,
): Promise<boolean> {
  if (layout.mode !== "upsert" || layout.deleteMissing || undo || known.tableIsEmpty) return false;
  if (rows < rewriteRowsMin || !known.keysAreUnique || !known.versionsAreNew) return false;
  const metadata = await tables.load(layout.table);
  const current = metadata && snapshotIn(metadata);
  if (current?.id !== base.snapshotId) return false;
  const count = (name: string): number => Number(current?.summary.get(name) ?? 0);
  return count("total-records") - count("total-position-deletes") <= rows * TABLE_RATIO_MAX;
}

/** Applies such an upsert. undefined: the table's files cannot be replaced, so that it must be merged. */
export async function rewriteTable(
  context: IcebergContext,
  input: MergeInput,
  { base, next }: RewriteOf,
  { size, ...writing }: WriteOptions & { size: SliceSize },
): Promise<CommitReceipt | undefined> {
  const { tables, session, bases } = context;
  const { table } = input.layout;
  const metadata = await tables.load(table);
  const current = metadata && snapshotIn(metadata);
  if (!current || metadata.uuid !== base.uuid || current.id !== base.snapshotId) throw concurrentWrite(table);
  const held = `SELECT * FROM ${tables.sqlOf(table)} AT (VERSION => ${current.id})`;
  const names = columnList(withAuditColumns(input.columns).map(({ name }) => name));
  const offsets = input.files.map(({ sourceOffset, rowsOffset = sourceOffset }) => rowsOffset);
  let taken = 0;
  const rewritten = await rewriteFiles(context, {
    ...{ table, base: metadata, current, operation: "overwrite", summary: summaryOf(next), writing },
    async write(connection, into) {
      for (const of of sliceFilters(input, size)) {
        const slice = { ...input, rows: of(input.rows) };
        const keysUnique = await areKeysUnique(connection, slice);
        const rows = upsertedSelect({ ...slice, keysUnique }, of(held));
        await changed(connection, `INSERT INTO ${into} (${names}) SELECT ${names} FROM (${rows})`);
      }
    },
    async check(into) {
      const ofBatch = `SELECT count(*) FROM ${into} WHERE "_source_offset" IN (${offsets.join(", ")})`;
      taken = await session.connected((connection) => countOf(connection, ofBatch));
      return taken > 0;
    },
  });
  if (!rewritten) return undefined;
  if (rewritten === "unchanged") return NOTHING;
  bases.set(table, { uuid: base.uuid, snapshotId: rewritten.snapshotId, ...next });
  const before = await session.connected((connection) => countOf(connection, `SELECT count(*) FROM (${held})`));
  const rowsInserted = rewritten.rows - before;
  return {
    snapshotId: String(rewritten.snapshotId),
    strategy: "iceberg rewrite",
    ...{ rowsInserted, rowsUpdated: taken - rowsInserted, rowsDeleted: 0 },
    files: { dataFiles: rewritten.dataFiles, deleteFiles: 0 },
  };
}
