import { SQL_TOKEN } from "../sql/tokenizer.ts";
import type { AttachedCatalog } from "../duckdb-engine/queries/protocol.ts";
import type { QueryTables } from "../duckdb-engine/queries/query-runner.ts";
import { tableId, tableOfPublished } from "../../tables.ts";
import { attachStatement, loadStatements, WITHOUT_JOIN_FILTERS, type Attachment } from "./attach.ts";
import type { IcebergContext } from "./commit/context.ts";
import { catalogCall } from "./errors.ts";
import { ATTACH_OPTIONS } from "./gate/writer-settings.ts";
import { logicalName } from "./names.ts";
import { lookUp, viewSelect } from "./published.ts";

/** Words of statements that list tables: such a statement may name any. */
const LISTS = /^(?:show|describe|desc|summarize|information_schema|duckdb_\w+|pg_\w+|sqlite_\w+)$/;

/**
 * A table that changed since the transaction began is read with its latest schema. Otherwise DuckDB 1.5.5
 * requests the table's older metadata, and fails with an internal error if there are none of that time.
 */
const LATEST_SCHEMA = "SET GLOBAL iceberg_use_metadata_log = false";

/**
 * The tables for query processes. A process attaches the catalog read-only, and reads tables through views
 * of their names in the port. They are made for the names that occur in the SQL, since each costs requests.
 */
export function queryTables(context: IcebergContext, attachment: Attachment, folder: string): QueryTables {
  const attach = attachStatement(attachment, `${ATTACH_OPTIONS}, READ_ONLY`);
  const open = [...loadStatements(attachment), WITHOUT_JOIN_FILTERS, LATEST_SCHEMA, attach];
  return {
    folder,
    sourceOf: async (sql): Promise<AttachedCatalog> => {
      const relations = await relationsIn(context, sql);
      return { kind: "catalog", open, folders: context.tables.folders(), relations };
    },
    whileCopying: (copy) => copy(),
    checkpoint: async () => undefined,
  };
}

async function relationsIn(context: IcebergContext, sql: string): Promise<AttachedCatalog["relations"]> {
  const words = new Set((sql.match(SQL_TOKEN) ?? []).map(wordOf));
  const listsAll = [...words].some((word) => LISTS.test(word));
  const isNamed = (name: string): boolean => listsAll || words.has(name.toLowerCase());
  const { tables, catalog, namespace } = context;
  const [names, views] = await Promise.all([tables.names(), viewNames()]);
  const relations: { name: string; select: string }[] = [];
  for (const name of names.filter(isNamed)) {
    // Its files may be in a folder of its own.
    const known = await tables.described(name);
    if (known) relations.push({ name, select: `SELECT * FROM ${tables.sqlOf(name)}` });
  }
  for (const name of views.filter(isNamed)) {
    const of = tableOfPublished(tableId(name));
    const view = of && (await lookUp(context, of.name));
    if (typeof view === "object") relations.push({ name, select: await viewSelect(tables, of!.name, view) });
  }
  return relations;

  async function viewNames(): Promise<string[]> {
    if (!catalog.has("listViews")) return [];
    const found = await catalogCall(() => catalog.listViews(namespace));
    return found.flatMap(({ name }) => logicalName(name) ?? []);
  }
}

/** The word or the quoted name, in lower case. */
const wordOf = (token: string): string =>
  (token.startsWith('"') ? token.slice(1, -1).replaceAll('""', '"') : token).toLowerCase();
