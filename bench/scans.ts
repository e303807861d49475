import type { BlobStore } from "../lib/blob/blob-store.ts";
import { openBlobStore } from "../lib/blob/open.ts";
import { openWarehouse } from "../lib/warehouse/open.ts";
import type { Warehouse } from "../lib/warehouse/warehouse.ts";
import { duckdbExtensions } from "../scripts/stack/programs/duckdb-extensions.ts";
import { cacheDir } from "../scripts/stack/programs/install.ts";
import { attachOptions, openIcebergDuckdb } from "../test/support/iceberg-duckdb.ts";
import { statement, type Stack } from "./stack.ts";

/** Reads and copies the tables of a stack by SQL, with the engine that its tables are for. */
export interface Scans {
  /** A warehouse over the same tables, beside the committers'. */
  warehouse: Warehouse;
  rows(sql: string): Promise<unknown[][]>;
  /** Writes a table again, partitioned by one column or not at all. */
  copy(from: string, to: string, partitionedBy?: string): Promise<void>;
  drop(table: string): Promise<void>;
  close(): Promise<void>;
}

export const openScans = (stack: Stack): Promise<Scans> =>
  stack.engine === "iceberg" ? openDuckdbScans(stack) : openTrinoScans(stack);

async function openTrinoScans(stack: Stack): Promise<Scans> {
  const staging = await openBlobStore("s3://lakehouse-staging/bench", { s3: stack.s3 });
  const url = `trino://bench@${new URL(stack.trino).host}/${stack.catalog}/${stack.schema}`;
  const warehouse = await openWarehouse(url, { trino: { staging } });
  return {
    warehouse,
    rows: (sql) => statement(stack, sql),
    copy: async (from, to, column) => {
      const partitioning = column === undefined ? "" : `WITH (partitioning = ARRAY['${column}'])`;
      await statement(stack, `CREATE TABLE ${to} ${partitioning} AS SELECT * FROM ${from}`);
    },
    drop: async (table) => {
      await statement(stack, `DROP TABLE IF EXISTS ${table}`);
    },
    close: async () => {
      await warehouse.close();
      await staging.close();
    },
  };
}

async function openDuckdbScans({ s3, restCatalog, schema }: Stack): Promise<Scans> {
  const { uri, warehouse: name, credential, oauth2ServerUri } = restCatalog;
  const extensions = await duckdbExtensions(cacheDir(process.env), () => undefined);
  const buckets: BlobStore[] = [];
  const warehouse = await openWarehouse(`iceberg:${uri}?warehouse=${name}`, {
    iceberg: {
      catalog: { credential, oauth2ServerUri },
      ...{ s3, extensionsFolder: extensions },
      openBucket: async (url) => {
        const bucket = await openBlobStore(url, { s3 });
        buckets.push(bucket);
        return bucket;
      },
    },
  });
  const options = attachOptions({ uri, credential, oauth2ServerUri });
  const duckdb = await openIcebergDuckdb(name, options, { extensions, s3 });
  await duckdb.run(`USE ice.${schema}`);
  // DuckDB refuses the size of row groups that new tables have otherwise.
  await duckdb.run("SET preserve_insertion_order = false");
  return {
    warehouse,
    rows: (sql) => duckdb.rows(sql),
    copy: async (from, to, column) => {
      const partitioning = column === undefined ? [] : [column];
      const table = { table: to, mode: "append", key: [], deleteMissing: false, partitioning } as const;
      const described = await warehouse.describe(from);
      await warehouse.ensureTable(table, described!.columns);
      await duckdb.run(`INSERT INTO ${to} SELECT * FROM ${from}`);
    },
    drop: (table) => warehouse.drop(table),
    close: async () => {
      await warehouse.close();
      duckdb.close();
      for (const bucket of buckets) await bucket.close();
    },
  };
}
