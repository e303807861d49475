import { columnTypeOf } from "../../columns.ts";
import { systemClock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import { identifier, type SqlColumn } from "../sql/sql.ts";
import { trino } from "./dialect.ts";
import { TrinoClient } from "./client/client.ts";
import { isMissing } from "./client/errors.ts";
import { snapshotIn } from "./commit/snapshot.ts";
import { targetOf } from "./target.ts";

/** The tables of one of Trino's Iceberg catalogs, which move to a catalog that Trino knows as `to`. */
export function trinoTables(
  url: string,
  to: { catalog: string; namespace: string },
  options: { password?: string | undefined; ca?: readonly string[] | undefined } = {},
) {
  const { password, ca } = options;
  const target = { ...targetOf(url, password), ...(ca ? { ca } : {}) };
  const client = new TrinoClient(target, systemClock);
  const table = (name: string, suffix = ""): string => identifier(name + suffix);
  const moved = (name: string): string => [to.catalog, to.namespace, name].map(identifier).join(".");
  const rows = async (sql: string): Promise<unknown[][]> => (await client.run(sql)).rows;
  const count = async (name: string): Promise<number> => Number((await rows(`SELECT count(*) FROM ${name}`))[0]?.[0]);
  return {
    schema: target.schema,
    close: () => client.close(),
    async names(): Promise<string[]> {
      const found = await rows(
        `SELECT table_name FROM information_schema.tables
         WHERE table_schema = ${trino.stringLiteral(target.schema)} AND table_type = 'BASE TABLE'`,
      );
      return found.map(([name]) => String(name));
    },
    async read(name: string) {
      const [metadata, snapshots, refs, columns, counted] = await Promise.all([
        rows(`SELECT file, to_unixtime(timestamp) FROM ${table(name, "$metadata_log_entries")}`),
        rows(`SELECT snapshot_id, manifest_list FROM ${table(name, "$snapshots")}`),
        rows(`SELECT snapshot_id FROM ${table(name, "$refs")} WHERE name = 'main'`),
        rows(`SHOW COLUMNS FROM ${table(name)}`),
        count(table(name)),
      ]);
      return {
        metadataLocation: newestOf(name, metadata),
        snapshots: snapshots.map(([id, list]) => ({ id: String(id), manifestList: String(list) })),
        currentSnapshotId: snapshotIn(refs[0]?.[0]) ?? undefined,
        columns: columns.map(
          ([column, type]) => ({ name: String(column), type: columnTypeOf(String(type)) ?? String(type) }) as SqlColumn,
        ),
        rows: counted,
      };
    },
    async countMoved(name: string): Promise<number | undefined> {
      try {
        return await count(moved(name));
      } catch (thrown) {
        if (isMissing(thrown) || /CATALOG_NOT_FOUND/.test(String(thrown))) return undefined;
        throw thrown;
      }
    },
    async copy(name: string): Promise<void> {
      const [[definition] = []] = await rows(`SHOW CREATE TABLE ${table(name)}`);
      await client.run(`CREATE TABLE ${moved(name)} ${withoutLocation(String(definition))}`);
      await client.run(`INSERT INTO ${moved(name)} SELECT * FROM ${table(name)}`, { timeoutMs: COPY_MS_MAX });
    },
  };
}

const COPY_MS_MAX = 6 * 60 * 60 * 1000;

/** The newest metadata file. Two may have one time; their names begin with a number that grows. */
function newestOf(name: string, entries: readonly unknown[][]): string {
  const numberOf = (file: unknown): number => Number(/\/0*(\d+)-[^/]+$/.exec(String(file))?.[1] ?? 0);
  const [newest] = entries.toSorted((a, b) => Number(b[1]) - Number(a[1]) || numberOf(b[0]) - numberOf(a[0]));
  if (!newest) throw new TributaryError("WAREHOUSE_FAILED", `table '${name}' names no metadata file`);
  return String(newest[0]);
}

/** The columns and properties of a CREATE TABLE, without the place of its files, and in format version 2. */
const withoutLocation = (definition: string): string =>
  definition
    .slice(definition.indexOf("(\n"))
    .replace(/,\n\s+location = '(?:[^']|'')*'/, "")
    .replace(/(?<name>\n\s+format_version = )1\b/, "$<name>2");
