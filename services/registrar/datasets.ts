import { TributaryError } from "../../lib/errors.ts";
import { nameUuid } from "./name-uuid.ts";
import type { SupersetApi } from "./superset-api.ts";
import { ANY_COLUMNS } from "./tables.ts";

/** The name of the connection to Trino in Superset. */
export const DATABASE = "Trino Lakehouse";

/** A schema of Trino, identified by Superset's database id. */
export interface Lakehouse {
  databaseId: number;
  schema: string;
}

export interface Dataset {
  id: number;
  /** The columns (columnsKey) of its last registration or refresh; ANY_COLUMNS if Tributary did neither. */
  columns: string;
  /** True for a table or view; false for a saved query with the same name. */
  physical: boolean;
}

interface DatasetRow {
  id: number;
  table_name: string;
  kind: string;
  extra: string | null;
}

/** Tributary's part of a dataset's `extra`, JSON that Superset stores for other programs. */
interface Extra {
  tributary?: { columns?: string };
}

/**
 * Returns the connection's id. Creates a missing connection; with `realign`, corrects one that has another
 * URL. Superset tests a connection before it saves it, so Trino must be up. A password can be set but not
 * read, so it is always set.
 */
export async function ensureDatabase(api: SupersetApi, trinoUrl: string, realign: boolean): Promise<number> {
  const filters = [{ col: "database_name", opr: "eq", value: DATABASE }];
  const [found] = await api.list<{ id: number }>("database", { filters, columns: ["id"], orderBy: "database_name" });
  const connection = { database_name: DATABASE, sqlalchemy_uri: trinoUrl };
  if (!found) {
    const made = { ...connection, expose_in_sqllab: true, uuid: nameUuid("database") };
    return (await api.post<{ id: number }>("database/", made)).id;
  }
  if (realign) {
    const { result } = await api.get<{ result: { sqlalchemy_uri: string } }>(`database/${found.id}/connection`);
    const wanted = new URL(trinoUrl);
    const same = withoutPassword(result.sqlalchemy_uri) === withoutPassword(trinoUrl);
    if (!same || wanted.password !== "") await api.put(`database/${found.id}`, connection);
  }
  return found.id;
}

function withoutPassword(url: string): string {
  const parsed = new URL(url);
  parsed.password = "";
  return parsed.href;
}

/** The names of the tables and views of the schema in Trino. */
export async function tablesInTrino(api: SupersetApi, { databaseId, schema }: Lakehouse): Promise<Set<string>> {
  const query = { schema_name: schema, force: true };
  const { result } = await api.get<{ result: { value: string }[] }>(`database/${databaseId}/tables/`, query);
  return new Set(result.map(({ value }) => value));
}

/** The schema's datasets by name. */
export async function datasetsOf(api: SupersetApi, { databaseId, schema }: Lakehouse): Promise<Map<string, Dataset>> {
  const filters = [
    { col: "database", opr: "rel_o_m", value: databaseId },
    { col: "schema", opr: "eq", value: schema },
  ];
  const wanted = { filters, columns: ["id", "table_name", "kind", "extra"], orderBy: "table_name" };
  const found = new Map<string, Dataset>();
  for (const { id, table_name: name, kind, extra } of await api.list<DatasetRow>("dataset", wanted)) {
    const columns = extraOf(extra).tributary?.columns ?? ANY_COLUMNS;
    if (!found.has(name)) found.set(name, { id, columns, physical: kind === "physical" });
  }
  return found;
}

function extraOf(text: string | null): Extra {
  try {
    return (JSON.parse(text ?? "{}") ?? {}) as Extra;
  } catch {
    return {};
  }
}

/** @throws SUPERSET_FAILED, also if another registrar created the dataset at the same time */
export async function makeDataset(
  api: SupersetApi,
  { databaseId, schema }: Lakehouse,
  table: string,
  columns: string,
): Promise<Dataset> {
  const uuid = nameUuid("dataset", schema, table);
  const { id } = await api.post<{ id: number }>("dataset/", { database: databaseId, schema, table_name: table, uuid });
  await saveColumns(api, id, columns);
  return { id, columns, physical: true };
}

/**
 * Makes Superset read the columns again. It adds new ones, removes missing ones and keeps edits of the
 * others.
 */
export async function refreshDataset(api: SupersetApi, id: number, columns: string): Promise<void> {
  await api.put(`dataset/${id}/refresh`);
  await saveColumns(api, id, columns);
}

/** Writes the columns to `extra` and keeps the entries of other programs. */
async function saveColumns(api: SupersetApi, id: number, columns: string): Promise<void> {
  if (columns === ANY_COLUMNS) return;
  const dataset = await api.find<{ result: { extra: string | null } }>(`dataset/${id}`);
  if (!dataset) throw new TributaryError("SUPERSET_FAILED", `dataset ${id} does not exist any more`);
  const extra = { ...extraOf(dataset.result.extra), tributary: { columns } };
  await api.put(`dataset/${id}`, { extra: JSON.stringify(extra) });
}
