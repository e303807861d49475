import type { DuckDBConnection } from "@duckdb/node-api";
import { TributaryError } from "../../errors.ts";
import { withAuditColumns, identifier, columnList } from "../sql/sql.ts";
import { duckdb } from "../duckdb-engine/dialect.ts";
import type { CommitOptions, TableDescription, TableLayout } from "../warehouse.ts";
import { repeated } from "./commit/repeated.ts";
import type { IcebergContext } from "./commit/context.ts";
import { catalogCall, concurrentWrite, isMissing } from "./errors.ts";

/**
 * Implements Warehouse.replaceWith in one transaction of the table: its columns go, those of the shadow come
 * under new ids, its rows go, and those of the shadow are copied. So its old snapshots stay, and
 * `<table>_trusted` goes on reading the one it reads. (A rename would take the place of the table with its
 * snapshots, in two steps.) Headers and partitions follow, which DuckDB does not write. Without a table the
 * shadow is renamed.
 */
export async function replaceTable(
  context: IcebergContext,
  layout: TableLayout,
  shadow: string,
  { signal, confirmOwner = async () => undefined }: CommitOptions = {},
): Promise<void> {
  const { tables, bases } = context;
  const { table } = layout;
  try {
    await repeated(context, signal, () => replaceOnce(context, layout, shadow, { signal, confirmOwner }));
  } finally {
    for (const name of [table, shadow]) {
      tables.forget(name);
      bases.forget(name);
    }
  }
}

async function replaceOnce(
  context: IcebergContext,
  layout: TableLayout,
  shadow: string,
  { signal, confirmOwner }: { signal: AbortSignal | undefined; confirmOwner: () => Promise<void> },
): Promise<void> {
  const { tables, bases, catalog, session } = context;
  const { table } = layout;
  tables.forget(shadow);
  const source = await tables.describe(shadow);
  if (!source) {
    throw new TributaryError("WAREHOUSE_CONFLICT", `table '${shadow}' does not exist: somebody else removed it`);
  }
  // The shadow must be what this writer's last commit left: a successor may have begun it again.
  const committed = bases.get(shadow) ?? (await bases.refresh(tables, shadow, confirmOwner));
  const shadowNow = await tables.load(shadow);
  if (!committed || !shadowNow || shadowNow.currentSnapshotId !== committed.snapshotId) throw concurrentWrite(shadow);
  const base = await bases.refresh(tables, table, confirmOwner);
  if (!base) {
    await catalogCall(() => catalog.renameTable(tables.idOf(shadow), tables.idOf(table)));
    return;
  }
  const before = await tables.describe(table);
  if (!before) throw concurrentWrite(table);
  await tables.unpartition({ ...layout, partitioning: before.partitioning });
  const part = { table: tables.idOf(table), summary: {}, base: { snapshotId: base.snapshotId?.toString() } };
  const target = tables.sqlOf(table);
  const rows =
    committed.snapshotId === undefined ? undefined : `${tables.sqlOf(shadow)} AT (VERSION => ${committed.snapshotId})`;
  await session.write([part], (c) => rewrite(c, { target, rows, before, after: source }), { signal, wide: true });
  await tables.complete(layout, source.columns);
  await catalogCall(() => catalog.dropTable(tables.idOf(shadow), { purge: true })).catch((thrown: unknown) => {
    if (!isMissing((thrown as Error).cause)) throw thrown;
  });
}

interface Rewrite {
  target: string;
  /** The relation that the rows come from; undefined: there are none. */
  rows: string | undefined;
  before: TableDescription;
  after: TableDescription;
}

async function rewrite(connection: DuckDBConnection, { target, rows, before, after }: Rewrite): Promise<object> {
  const old = withAuditColumns(before.columns);
  const next = withAuditColumns(after.columns);
  await connection.run(`DELETE FROM ${target}`);
  // A table has a column at every moment, and no two of one name: the last one is replaced last.
  const [last] = old.slice(-1);
  for (const { name } of old.slice(0, -1))
    await connection.run(`ALTER TABLE ${target} DROP COLUMN ${identifier(name)}`);
  for (const one of next.slice(0, -1)) await add(connection, target, one);
  await connection.run(`ALTER TABLE ${target} DROP COLUMN ${identifier(last!.name)}`);
  for (const one of next.slice(-1)) await add(connection, target, one);
  const names = columnList(next.map(({ name }) => name));
  if (rows !== undefined) await connection.run(`INSERT INTO ${target} (${names}) SELECT ${names} FROM ${rows}`);
  return {};
}

const add = (
  connection: DuckDBConnection,
  target: string,
  column: Parameters<typeof duckdb.columnDefinitions>[0][number],
) => connection.run(`ALTER TABLE ${target} ADD COLUMN ${duckdb.columnDefinitions([column])}`);
