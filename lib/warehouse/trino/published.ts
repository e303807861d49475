import { trino } from "./dialect.ts";
import { column, identifier, withAuditColumns } from "../sql/sql.ts";
import type { TrinoClient } from "./client/client.ts";
import { isMissing } from "./client/errors.ts";
import { physicalName, tableSql } from "./names.ts";
import { currentSnapshot } from "./commit/snapshot.ts";
import type { TrinoTables } from "./tables.ts";
import { messageOf } from "../../errors.ts";
import { nameTaken, publishedComment, publishedIn, publishedName } from "../published-view.ts";
import type { Published } from "../warehouse.ts";

/**
 * On Iceberg, `<table>_trusted` is a view over one snapshot of the table. A publish costs nothing: it moves
 * the view to another snapshot. The view shows the rows and columns of its snapshot, whatever happens to the
 * table later. (Trino 476 can create neither branches nor tags.) While the view reads a snapshot,
 * expire_snapshots keeps that snapshot: see `expiryAge`.
 */
export interface PublishContext {
  client: TrinoClient;
  tables: TrinoTables;
}

/** Implements Warehouse.published. */
export async function publishedOf(client: TrinoClient, table: string): Promise<Published | undefined> {
  return (await ownView(client, table))?.shown;
}

/** Implements Warehouse.publish. */
export async function publish(
  { client, tables }: PublishContext,
  table: string,
  snapshot: string,
  shown: Published,
): Promise<boolean> {
  if ((await currentSnapshot(client, table)) !== snapshot) return false;
  await ownView(client, table);
  await replaceView(client, table, await selectAt({ client, tables }, table, snapshot), shown);
  return true;
}

/** A column as a SELECT shows it; `type` in Trino's words. */
interface ShownColumn {
  name: string;
  type: string;
}

/** A SELECT of the table at a snapshot, with the table's present columns. */
export async function selectAt({ client, tables }: PublishContext, table: string, snapshot: string): Promise<string> {
  const version = versionOf(table, snapshot);
  const [description, had] = await Promise.all([tables.inspect(table), columnsOf(client, version)]);
  const columns = withAuditColumns(description?.columns ?? []);
  return selectOf(
    version,
    columns.map(({ name, type }) => ({ name, type: trino.typeName(type) })),
    had,
  );
}

const versionOf = (table: string, snapshot: string): string => `${tableSql(table)} FOR VERSION AS OF ${snapshot}`;

const columnsOf = async (client: TrinoClient, relation: string): Promise<readonly ShownColumn[]> =>
  (await client.run(`SELECT * FROM ${relation} LIMIT 0`)).columns;

/** `had`: the columns of the version. */
function selectOf(version: string, columns: readonly ShownColumn[], had: readonly ShownColumn[]): string {
  // The snapshot may lack a column, or have another type: the writer adds and widens columns.
  const types = new Map(had.map(({ name, type }) => [name, type.toLowerCase()]));
  const list = columns.map(({ name, type }) => {
    if (types.get(name) === type.toLowerCase()) return column(name);
    return `CAST(${types.has(name) ? column(name) : "NULL"} AS ${type}) AS ${identifier(name)}`;
  });
  return `SELECT ${list.join(", ")} FROM ${version}`;
}

/** Implements Warehouse.hold. */
export async function hold({ client, tables }: PublishContext, table: string, sinceMs: number | null): Promise<void> {
  const before = (await ownView(client, table))?.shown;
  const after: Published = { asOfMs: before?.asOfMs ?? null, heldBackSinceMs: before?.heldBackSinceMs ?? sinceMs };
  if (after.asOfMs === null) {
    // Before the first publish, the view has the table's current columns and reads no snapshot.
    const columns = withAuditColumns((await tables.inspect(table))?.columns ?? []);
    const list = columns.map(({ name, type }) => `CAST(NULL AS ${trino.typeName(type)}) AS ${identifier(name)}`);
    await replaceView(client, table, `SELECT ${list.join(", ")} WHERE FALSE`, after);
  } else if (before?.heldBackSinceMs !== after.heldBackSinceMs) {
    await client.run(`COMMENT ON VIEW ${viewId(table)} IS ${trino.stringLiteral(publishedComment(after))}`);
  }
}

/** Removes the view, if there is one. */
export async function dropPublished(client: TrinoClient, table: string): Promise<void> {
  if (await viewOf(client, table)) await client.run(`DROP VIEW IF EXISTS ${viewId(table)}`);
}

/**
 * Runs `optimize`, which makes a snapshot with the same rows. If the view reads the newest snapshot before
 * the call, it reads the new snapshot after the call. Readers of the view then get the merged files, and
 * maintenance can remove the old files. The view keeps its columns: the table may have got others since.
 */
export async function followingOptimize<T>(client: TrinoClient, table: string, optimize: () => Promise<T>): Promise<T> {
  const view = await viewOf(client, table);
  if (view?.snapshot === undefined || (await currentSnapshot(client, table)) !== view.snapshot) return optimize();
  const result = await optimize();
  const { rows } = await client.run(
    `SELECT snapshot_id FROM ${tableSql(table, "$snapshots")} WHERE parent_id = ${view.snapshot} AND operation = 'replace'`,
  );
  const merged = rows[0] && String(rows[0][0]);
  if (merged === undefined || (await currentSnapshot(client, table)) !== merged) return result;
  const version = versionOf(table, merged);
  const [columns, had] = await Promise.all([columnsOf(client, viewId(table)), columnsOf(client, version)]);
  await replaceView(client, table, selectOf(version, columns, had), view.shown);
  return result;
}

/** Implements Warehouse.withdraw. */
export async function withdraw(client: TrinoClient, table: string): Promise<void> {
  if (await viewOf(client, table)) await client.run(`DROP VIEW ${viewId(table)}`);
}

interface View {
  shown: Published;
  /** The snapshot that it reads; undefined if it reads none. */
  snapshot: string | undefined;
}

/** The view of that table; undefined if there is none, or if its name belongs to something else. */
export async function viewOf(client: TrinoClient, table: string): Promise<View | undefined> {
  const found = await lookUp(client, table);
  return typeof found === "string" ? undefined : found;
}

/** As viewOf. @throws TRUSTED_NAME_TAKEN */
async function ownView(client: TrinoClient, table: string): Promise<View | undefined> {
  const found = await lookUp(client, table);
  if (typeof found === "string") throw nameTaken(table, found);
  return found;
}

/** The view, or what else has its name. */
async function lookUp(client: TrinoClient, table: string): Promise<View | "table" | "view" | undefined> {
  try {
    const { rows } = await client.run(`SHOW CREATE VIEW ${viewId(table)}`);
    const text = String(rows[0]?.[0]);
    const shown = publishedIn(/^CREATE VIEW \S+ COMMENT '([^']*)'/.exec(text)?.[1] ?? "");
    return shown ? { shown, snapshot: /FOR VERSION AS OF (\d+)\s*$/.exec(text)?.[1] } : "view";
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    if (/ is a (?:table|materialized view), not a view/.test(messageOf(thrown))) return "table";
    throw thrown;
  }
}

/** A REST catalog refuses even to look for a name that starts with an underscore. */
const viewId = (table: string): string => identifier(publishedName(physicalName(table)));

async function replaceView(client: TrinoClient, table: string, select: string, shown: Published): Promise<void> {
  const comment = trino.stringLiteral(publishedComment(shown));
  await client.run(`CREATE OR REPLACE VIEW ${viewId(table)} COMMENT ${comment} AS ${select}`);
}
