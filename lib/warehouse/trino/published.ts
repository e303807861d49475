import { trino } from "./dialect.ts";
import { column, identifier, withAuditColumns } from "../sql/sql.ts";
import type { TrinoClient } from "./client/client.ts";
import { isMissing } from "./client/errors.ts";
import { tableId } from "./names.ts";
import { currentSnapshot } from "./commit/snapshot.ts";
import type { TrinoTables } from "./tables.ts";
import { publishedComment, publishedIn, publishedName } from "../published-view.ts";
import type { Published } from "../warehouse.ts";

/**
 * On Iceberg `<table>_trusted` is a view over one snapshot of the table: it costs nothing to move, and shows that snapshot's rows with
 * that snapshot's columns whatever comes after. (Trino 476 can make neither branch nor tag.) As long as the view stands on a snapshot,
 * expire_snapshots keeps it: `snapshotsKeptMs`.
 */
export interface PublishContext {
  client: TrinoClient;
  tables: TrinoTables;
}

/** What Warehouse.trusted says. */
export async function publishedOf(client: TrinoClient, table: string): Promise<Published | undefined> {
  return (await viewOf(client, table))?.shown;
}

/** What Warehouse.trust says. */
export async function publish(
  { client, tables }: PublishContext,
  table: string,
  snapshot: string,
  shown: Published,
): Promise<boolean> {
  if ((await currentSnapshot(client, table)) !== snapshot) return false;
  const version = `${tableId(table)} FOR VERSION AS OF ${snapshot}`;
  const [description, { columns: had }] = await Promise.all([
    tables.inspect(table),
    client.run(`SELECT * FROM ${version} LIMIT 0`),
  ]);
  // A column added, or widened, since the snapshot's rows were written is not among the snapshot's columns yet.
  const types = new Map(had.map(({ name, type }) => [name, type.toLowerCase()]));
  const list = withAuditColumns(description?.columns ?? []).map(({ name, type }) => {
    const wanted = trino.typeName(type);
    if (types.get(name) === wanted.toLowerCase()) return column(name);
    return `CAST(${types.has(name) ? column(name) : "NULL"} AS ${wanted}) AS ${identifier(name)}`;
  });
  await replaceView(client, table, `SELECT ${list.join(", ")} FROM ${version}`, shown);
  return true;
}

/** What Warehouse.holdBack says. */
export async function hold({ client, tables }: PublishContext, table: string, sinceMs: number | null): Promise<void> {
  const before = (await viewOf(client, table))?.shown;
  const after: Published = { asOfMs: before?.asOfMs ?? null, heldBackSinceMs: before?.heldBackSinceMs ?? sinceMs };
  if (after.asOfMs === null) {
    // Before the first pass it follows the table's columns, and stands on no snapshot.
    const columns = withAuditColumns((await tables.inspect(table))?.columns ?? []);
    const list = columns.map(({ name, type }) => `CAST(NULL AS ${trino.typeName(type)}) AS ${identifier(name)}`);
    await replaceView(client, table, `SELECT ${list.join(", ")} WHERE FALSE`, after);
  } else if (before?.heldBackSinceMs !== after.heldBackSinceMs) {
    await client.run(`COMMENT ON VIEW ${viewId(table)} IS ${trino.stringLiteral(publishedComment(after))}`);
  }
}

/**
 * Runs `optimize`, which makes a snapshot of the same rows: a view that stood on the newest before stands on that one afterwards, so that
 * its readers have the merged files, and the old ones can go.
 */
export async function followingOptimize<T>(
  context: PublishContext,
  table: string,
  optimize: () => Promise<T>,
): Promise<T> {
  const { client } = context;
  const view = await viewOf(client, table);
  if (view?.snapshot === undefined || (await currentSnapshot(client, table)) !== view.snapshot) return optimize();
  const result = await optimize();
  const { rows } = await client.run(
    `SELECT snapshot_id FROM ${tableId(table, "$snapshots")} WHERE parent_id = ${view.snapshot} AND operation = 'replace'`,
  );
  if (rows[0]) await publish(context, table, String(rows[0][0]), view.shown);
  return result;
}

/** The view and the snapshot it stands on, if there is one and it stands on any. */
export async function viewOf(
  client: TrinoClient,
  table: string,
): Promise<{ shown: Published; snapshot: string | undefined } | undefined> {
  try {
    const { rows } = await client.run(`SHOW CREATE VIEW ${viewId(table)}`);
    const text = String(rows[0]?.[0]);
    const comment = /^CREATE VIEW \S+ COMMENT '([^']*)'/.exec(text)?.[1] ?? "";
    return { shown: publishedIn(comment), snapshot: /FOR VERSION AS OF (\d+)\s*$/.exec(text)?.[1] };
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}

const viewId = (table: string): string => identifier(publishedName(table));

async function replaceView(client: TrinoClient, table: string, select: string, shown: Published): Promise<void> {
  const comment = trino.stringLiteral(publishedComment(shown));
  await client.run(`CREATE OR REPLACE VIEW ${viewId(table)} COMMENT ${comment} AS ${select}`);
}
