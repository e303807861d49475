import { columnList } from "../../sql/sql.ts";
import type { MaintenanceResult } from "../../warehouse.ts";
import type { IcebergContext } from "../commit/context.ts";
import { checkWritable } from "../tables/guards.ts";
import { orderBy } from "../tables/key-order.ts";
import { filesOf } from "./files.ts";
import { SMALL_BYTES } from "./health.ts";
import { keyOf, rewriteFiles, snapshotIn } from "./rewrite-files.ts";

/** Implements `optimize`: rewrites the table's rows into few files without position deletes. */
export async function compactTable(
  context: IcebergContext,
  table: string,
  signal?: AbortSignal,
): Promise<MaintenanceResult> {
  const { tables, session, bases } = context;
  const base = await tables.load(table);
  const current = base && snapshotIn(base);
  if (!base || !current) return { status: "completed", details: "the table is empty" };
  checkWritable(table, base);
  const files = await filesOf(session, [current]);
  const small = files.filter(({ isData, bytes }) => isData && bytes < SMALL_BYTES);
  const partitions = new Set(small.map(({ partition }) => partition));
  const deleteFiles = files.filter(({ isData }) => !isData).length;
  if (deleteFiles === 0 && small.length <= partitions.size) return { status: "completed", details: "nothing to merge" };
  const names = columnList(base.fields.map(({ name }) => name));
  const order = orderBy(keyOf(base));
  const from = `${tables.sqlOf(table)} AT (VERSION => ${current.id})`;
  const rewritten = await rewriteFiles(context, {
    ...{ table, base, current, operation: "replace", writing: { signal } },
    write: (connection, into) => connection.run(`INSERT INTO ${into} (${names}) SELECT ${names} FROM ${from}${order}`),
  });
  if (rewritten === undefined || rewritten === "unchanged") {
    const details =
      "the catalog gives columns or partitions other ids, so that no rows can be rewritten: optimize with Trino";
    return { status: "not_applicable", details };
  }
  // The base of this writer's next commit, unless somebody else may have written what was compacted.
  const known = bases.get(table);
  const isKnown = known?.uuid === base.uuid && known.snapshotId === current.id;
  if (isKnown) bases.set(table, { ...known, snapshotId: rewritten.snapshotId });
  else bases.forget(table);
  return { status: "completed", details: `${files.length} files rewritten` };
}
