import { existsSync } from "node:fs";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import type { S3Options } from "../../lib/blob/s3/s3-store.ts";

const { TRIBUTARY_TEST_DUCKDB_EXTENSIONS: folder, TRIBUTARY_TEST_S3: s3 } = process.env;

/** In the order in which they need each other. */
const EXTENSIONS = ["avro", "httpfs", "iceberg"];

/** Why DuckDB's Iceberg extension cannot be used here; undefined: it can. */
export function icebergMissing(): string | undefined {
  if (folder === undefined)
    return "TRIBUTARY_TEST_DUCKDB_EXTENSIONS is not set: the folder of DuckDB's extension files";
  const missing = EXTENSIONS.filter((name) => !existsSync(`${folder}/${name}.duckdb_extension`));
  return missing.length > 0 ? `${folder} has no ${missing.join(", ")}.duckdb_extension` : undefined;
}

export interface IcebergDuckdb {
  run(sql: string): Promise<unknown>;
  rows(sql: string): Promise<unknown[][]>;
  close(): void;
}

/** What DuckDB reads tables with: the folder of its extension files, and the keys of their bucket. */
export interface IcebergDuckdbFiles {
  extensions: string;
  s3: S3Options & { endpoint: string };
}

const given = (): IcebergDuckdbFiles => ({
  extensions: folder!,
  s3: JSON.parse(s3!) as IcebergDuckdbFiles["s3"],
});

/** Options of ATTACH for a catalog with a login by OAuth2. `credential`: `user:password`. */
export function attachOptions(catalog: { uri: string; credential: string; oauth2ServerUri: string }): string {
  const [user, password] = catalog.credential.split(":");
  return (
    `ENDPOINT '${catalog.uri}', CLIENT_ID '${user}', CLIENT_SECRET '${password}', OAUTH2_SCOPE 'catalog', ` +
    `OAUTH2_SERVER_URI '${catalog.oauth2ServerUri}', ACCESS_DELEGATION_MODE 'none'`
  );
}

/** A DuckDB with the catalog `ice` attached. `options`: of ATTACH, with the endpoint. */
export async function openIcebergDuckdb(
  warehouse: string,
  options: string,
  files: IcebergDuckdbFiles = given(),
): Promise<IcebergDuckdb> {
  const { endpoint, region, accessKey, secretKey } = files.s3;
  const { host, protocol } = new URL(endpoint);
  const database = await DuckDBInstance.create(":memory:");
  const connection: DuckDBConnection = await database.connect();
  for (const name of EXTENSIONS) await connection.run(`LOAD '${files.extensions}/${name}.duckdb_extension'`);
  await connection.run(
    `CREATE SECRET (TYPE s3, KEY_ID '${accessKey}', SECRET '${secretKey}', ENDPOINT '${host}', URL_STYLE 'path', ` +
      `USE_SSL ${protocol === "https:"}, REGION '${region}')`,
  );
  await connection.run(`ATTACH '${warehouse}' AS ice (TYPE iceberg, ${options})`);
  return {
    run: (sql) => connection.run(sql),
    rows: async (sql) => (await connection.runAndReadAll(sql)).getRowsJson(),
    close: () => {
      connection.closeSync();
      database.closeSync();
    },
  };
}
