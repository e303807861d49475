import { nameTaken, publishedComment, publishedIn, publishedName } from "../published-view.ts";
import { trino } from "../trino/dialect.ts";
import { column, identifier, withAuditColumns, type SqlColumn } from "../sql/sql.ts";
import type { Published } from "../warehouse.ts";
import type { NewView } from "./catalog/commit.ts";
import type { LoadedView, TableIdentifier, TableMetadata } from "./catalog/schemas.ts";
import type { IcebergContext } from "./commit/context.ts";
import { catalogCall, isMissing } from "./errors.ts";
import { physicalName } from "./names.ts";
import { columnTypeIn, descriptionOf, newColumn } from "./tables/types.ts";

/**
 * `<table>_trusted` is a view in the catalog over one snapshot of the table: a publish costs nothing but a
 * request. The view is in Trino's SQL. Trino looks for the table in the view's default catalog, which is
 * Trino's name of this catalog. DuckDB reads no views of a catalog, so queries here read the snapshot that
 * the statement names, also if Trino has replaced the view. Maintenance keeps the snapshot while the view
 * reads it.
 */
const DIALECT = "trino";
/** Trino changes the case and the white space of a statement. */
const SNAPSHOT_READ = /FOR VERSION AS OF (\d+)\s*$/i;
const NOTHING_READ = /WHERE FALSE\s*$/i;
const COMMENT_PROPERTY = "comment";

type Context = Pick<IcebergContext, "catalog" | "tables" | "clock" | "namespace" | "trinoCatalog">;

/** The view of a table, of ours. */
export interface OwnView {
  loaded: LoadedView;
  shown: Published;
  /** undefined: it reads none, and is empty. */
  snapshotId: bigint | undefined;
}

export async function publishedOf(context: Context, table: string): Promise<Published | undefined> {
  return (await ownView(context, table))?.shown;
}

/** Implements Warehouse.publish. */
export async function publish(context: Context, table: string, version: string, atMs: number): Promise<boolean> {
  const before = await ownView(context, table);
  const metadata = await context.tables.load(table);
  if (!metadata || versionOf(metadata) !== version) return false;
  const shown = { asOfMs: atMs, heldBackSinceMs: null };
  await show(context, { table, metadata }, { shown, snapshotId: metadata.currentSnapshotId }, before);
  return true;
}

/** Implements Warehouse.version. */
export const versionOf = ({ uuid, currentSnapshotId }: TableMetadata): string =>
  `${uuid} ${currentSnapshotId ?? "empty"}`;

/** Implements Warehouse.hold. */
export async function hold(context: Context, table: string, sinceMs: number | null): Promise<void> {
  const before = await ownView(context, table);
  const after: Published = {
    asOfMs: before?.shown.asOfMs ?? null,
    heldBackSinceMs: before?.shown.heldBackSinceMs ?? sinceMs,
  };
  if (before && after.asOfMs !== null) {
    if (before.shown.heldBackSinceMs === after.heldBackSinceMs) return;
    const shape = { table, columns: columnsOf(before.loaded), had: [] };
    const view = viewOf(context, shape, { shown: after, snapshotId: before.snapshotId });
    await catalogCall(() =>
      context.catalog.replaceView(context.namespace, { ...view, ...statementOf(before.loaded) }, before.loaded),
    );
    return;
  }
  // Until checks pass for the first time, the view follows the table's columns.
  const metadata = await context.tables.load(table);
  if (metadata) await show(context, { table, metadata }, { shown: after, snapshotId: undefined }, before);
}

/** Implements Warehouse.withdraw. What is not ours stays. */
export async function withdraw(context: Context, table: string): Promise<void> {
  const found = await lookUp(context, table);
  if (found === undefined || typeof found === "string") return;
  await catalogCall(() => context.catalog.dropView(viewId(context, table)));
}

/** What queries read in the view's place: a SELECT of the table at its snapshot. */
export async function viewSelect(
  tables: Context["tables"],
  table: string,
  { loaded, snapshotId }: OwnView,
): Promise<string> {
  const metadata = snapshotId === undefined ? undefined : await tables.load(table);
  const had = metadata && snapshotId !== undefined ? columnsAt(metadata, snapshotId) : [];
  const source = snapshotId === undefined ? undefined : `${tables.sqlOf(table)} AT (VERSION => ${snapshotId})`;
  return selectOf(columnsOf(loaded), had, source, (type) => type);
}

/** `had`: the columns that the snapshot has. The others read NULL. */
function selectOf(
  columns: readonly SqlColumn[],
  had: readonly string[],
  source: string | undefined,
  typeName: (type: SqlColumn["type"]) => string,
): string {
  const names = new Set(had);
  const cells = columns.map(({ name, type }) => {
    const value = source !== undefined && names.has(name) ? column(name) : "NULL";
    return `CAST(${value} AS ${typeName(type)}) AS ${identifier(name)}`;
  });
  return `SELECT ${cells.join(", ")}${source === undefined ? " WHERE FALSE" : ` FROM ${source}`}`;
}

interface State {
  shown: Published;
  snapshotId: bigint | undefined;
}

async function show(
  context: Context,
  { table, metadata }: { table: string; metadata: TableMetadata },
  state: State,
  before: OwnView | undefined,
): Promise<void> {
  const { catalog, namespace } = context;
  const columns = withAuditColumns(descriptionOf(table, metadata).columns);
  const had = state.snapshotId === undefined ? [] : columnsAt(metadata, state.snapshotId);
  const view = viewOf(context, { table, columns, had }, state);
  await catalogCall(() =>
    before ? catalog.replaceView(namespace, view, before.loaded) : catalog.createView(namespace, view),
  );
}

/** The names of the columns of the schema with which the snapshot was written. */
function columnsAt({ snapshots, schemas, fields }: TableMetadata, snapshotId: bigint): string[] {
  const schemaId = snapshots.find(({ id }) => id === snapshotId)?.schemaId;
  const at = schemaId === undefined ? undefined : schemas.get(schemaId);
  return (at ?? fields).map(({ name }) => name);
}

function viewOf(
  { clock, namespace, trinoCatalog }: Context,
  { table, columns, had }: { table: string; columns: readonly SqlColumn[]; had: readonly string[] },
  { shown, snapshotId }: State,
): NewView {
  const name = [...namespace, physicalName(table)].map(identifier).join(".");
  const source = snapshotId === undefined ? undefined : `${name} FOR VERSION AS OF ${snapshotId}`;
  return {
    name: physicalName(publishedName(table)),
    columns: columns.map((one, index) => newColumn(one, index + 1)),
    sql: selectOf(columns, had, source, trino.typeName),
    dialect: DIALECT,
    properties: { [COMMENT_PROPERTY]: publishedComment(shown) },
    defaultNamespace: namespace,
    defaultCatalog: trinoCatalog,
    atMs: clock.nowMs(),
  };
}

/** The statement stays: only properties change. */
function statementOf({ statements }: LoadedView): Pick<NewView, "sql" | "dialect" | "alsoIn"> {
  const [[dialect, sql] = [DIALECT, ""], ...others] = statements;
  return { dialect, sql, alsoIn: new Map(others) };
}

const viewId = ({ namespace }: Pick<Context, "namespace">, table: string): TableIdentifier => ({
  namespace,
  name: physicalName(publishedName(table)),
});

/** @throws TRUSTED_NAME_TAKEN */
async function ownView(context: Context, table: string): Promise<OwnView | undefined> {
  const found = await lookUp(context, table);
  if (typeof found === "string") throw nameTaken(table, found);
  return found;
}

/** The view, or what else has its name. */
export async function lookUp(context: Context, table: string): Promise<OwnView | "table" | "view" | undefined> {
  const id = viewId(context, table);
  try {
    const loaded = await context.catalog.loadView(id);
    const shown = publishedIn(loaded.properties.get(COMMENT_PROPERTY) ?? "");
    const sql = loaded.statements.get(DIALECT) ?? "";
    const snapshot = SNAPSHOT_READ.exec(sql)?.[1];
    if (!shown || (snapshot === undefined && !NOTHING_READ.test(sql))) return "view";
    return { loaded, shown, snapshotId: snapshot === undefined ? undefined : BigInt(snapshot) };
  } catch (thrown) {
    if (!isMissing(thrown)) return catalogCall(() => Promise.reject(thrown as Error));
  }
  return (await context.tables.load(publishedName(table))) ? "table" : undefined;
}

function columnsOf({ columns }: LoadedView): SqlColumn[] {
  return columns.map(({ name, type }) => ({ name, type: columnTypeIn(type) ?? "VARCHAR" }));
}
