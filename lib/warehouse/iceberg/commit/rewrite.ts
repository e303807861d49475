import { areKeysUnique, changed, countOf } from "../../duckdb-engine/statements.ts";
import type { MergeInput } from "../../commit/merge.ts";
import { upsertedSelect } from "../../commit/upserted.ts";
import { NOTHING } from "../../commit/versions.ts";
import { columnList, withAuditColumns } from "../../sql/sql.ts";
import type { CommitReceipt } from "../../warehouse.ts";
import type { Snapshot, TableMetadata } from "../catalog/schemas.ts";
import { newestRows, rewriteFiles, snapshotIn } from "../maintenance/rewrite-files.ts";
import type { WriteOptions } from "../session.ts";
import { orderBy } from "../tables/key-order.ts";
import type { BaseState } from "./bases.ts";
import type { IcebergContext } from "./context.ts";
import { summaryOf, type Known } from "./known.ts";
import { sliceFilters, type SliceSize } from "./slices.ts";

/** The table's rows for each row of the batch up to which that costs less than position deletes. */
const TABLE_RATIO_MAX = 2;

/** The table as it is before it is rewritten: on the base of the commit. */
export interface Rewritable {
  metadata: TableMetadata;
  current: Snapshot;
  /** SQL of its rows. */
  rows: string;
}

/**
 * The table, if an upsert rewrites all its rows. A MERGE keeps every position delete of its transaction in
 * memory, beside DuckDB's limit, and every later scan reads them. undefined: the upsert is merged.
 */
export async function rewriteDue(
  context: IcebergContext,
  { layout, undo }: MergeInput,
  { known, base }: { known: Known; base: BaseState },
  sent: number,
): Promise<Rewritable | undefined> {
  const { tables, rewriteRowsMin } = context;
  if (layout.mode !== "upsert" || layout.deleteMissing || undo || known.tableIsEmpty) return undefined;
  if (sent < rewriteRowsMin || !known.keysAreUnique || !known.versionsAreNew) return undefined;
  const metadata = await tables.load(layout.table);
  const current = metadata && snapshotIn(metadata);
  // Somebody else has changed the table: a merge is refused for it.
  if (!current || metadata.uuid !== base.uuid || current.id !== base.snapshotId) return undefined;
  const count = (name: string): number => Number(current.summary.get(name) ?? 0);
  const held = count("total-records") - count("total-position-deletes");
  const rows = newestRows(context, layout.table, metadata, current);
  return rows !== undefined && held <= sent * TABLE_RATIO_MAX ? { metadata, current, rows } : undefined;
}

/** Options of the commit. */
interface RewriteOptions extends WriteOptions {
  size: SliceSize;
  /** The state after the commit. */
  next: Pick<BaseState, "watermark" | "uniqueKey">;
  confirmOwner: () => Promise<void>;
}

/** Applies such an upsert. undefined: the table's files cannot be replaced, so that it must be merged. */
export async function rewriteTable(
  context: IcebergContext,
  input: MergeInput,
  { metadata, current, rows: held }: Rewritable,
  { size, next, confirmOwner, ...writing }: RewriteOptions,
): Promise<CommitReceipt | undefined> {
  const { session, bases } = context;
  const { table } = input.layout;
  const names = columnList(withAuditColumns(input.columns).map(({ name }) => name));
  const offsets = input.files.map(({ sourceOffset, rowsOffset = sourceOffset }) => rowsOffset);
  let [taken, before] = [0, 0];
  const rewritten = await rewriteFiles(context, {
    ...{ table, base: metadata, current, operation: "overwrite", summary: summaryOf(next), writing },
    async write(connection, into) {
      for (const of of sliceFilters(input, size)) {
        const slice = { ...input, rows: of(input.rows) };
        const keysUnique = await areKeysUnique(connection, slice);
        const rows = upsertedSelect({ ...slice, keysUnique }, of(`SELECT * FROM ${held}`));
        const order = orderBy(input.layout.key);
        await changed(connection, `INSERT INTO ${into} (${names}) SELECT ${names} FROM (${rows})${order}`);
      }
    },
    async check(into) {
      const ofBatch = `SELECT count(*) FROM ${into} WHERE "_source_offset" IN (${offsets.join(", ")})`;
      taken = await session.connected((connection) => countOf(connection, ofBatch), { wide: true });
      if (taken === 0) return false;
      const ofTable = `SELECT count(*) FROM ${held}`;
      before = await session.connected((connection) => countOf(connection, ofTable), { wide: true });
      // What was written took long, and the table may have another owner whose commits left no snapshot.
      await confirmOwner();
      return true;
    },
  });
  if (!rewritten) return undefined;
  if (rewritten === "unchanged") return NOTHING;
  bases.set(table, { uuid: metadata.uuid, snapshotId: rewritten.snapshotId, ...next });
  const rowsInserted = rewritten.rows - before;
  return {
    snapshotId: String(rewritten.snapshotId),
    strategy: "iceberg rewrite",
    ...{ rowsInserted, rowsUpdated: taken - rowsInserted, rowsDeleted: 0 },
    files: { dataFiles: rewritten.dataFiles, deleteFiles: 0 },
  };
}
