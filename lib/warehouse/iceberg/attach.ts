import { existsSync } from "node:fs";
import { join } from "node:path";
import { TributaryError } from "../../errors.ts";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { identifier } from "../sql/sql.ts";

/**
 * How a DuckDB instance reaches the catalog and its files. It is plain data: it goes to query processes too.
 */
export interface Attachment {
  /** Holds avro, httpfs and iceberg `.duckdb_extension` of exactly this DuckDB's version. */
  extensionsFolder: string;
  /** Of the REST catalog, without `/v1`. Requests to it need no login. */
  endpoint: string;
  warehouse: string;
  s3: {
    endpoint?: string | undefined;
    region?: string | undefined;
    accessKey?: string | undefined;
    secretKey?: string | undefined;
  };
}

/** The name of the attached catalog in SQL. */
export const CATALOG = "ice";

/**
 * DuckDB 1.5.5 fails in joins over a column that was widened: "Can't convert TableFilterType
 * (BLOOM_FILTER)".
 */
export const WITHOUT_JOIN_FILTERS = "SET GLOBAL disabled_optimizers = 'join_filter_pushdown'";

const EXTENSIONS = ["avro", "httpfs", "iceberg"];

/**
 * The folder, if it has all extension files. That DuckDB takes them shows when it loads them.
 * @throws CONFIG_INVALID
 */
export function checkedExtensions(folder: string | undefined): string {
  const remedy = "`npm run duckdb-extensions` installs the files and prints it; set TRIBUTARY_DUCKDB_EXTENSIONS_DIR";
  const lacks = (what: string): TributaryError => new TributaryError("CONFIG_INVALID", `iceberg: ${what}: ${remedy}`);
  if (folder === undefined) throw lacks("needs the folder of DuckDB's extension files");
  const missing = EXTENSIONS.filter((name) => !existsSync(join(folder, fileOf(name)))).map(fileOf);
  if (missing.length > 0) throw lacks(`the folder ${folder} has no ${missing.join(", ")}`);
  return folder;
}

const fileOf = (extension: string): string => `${extension}.duckdb_extension`;

/** Statements that load the extensions and make the secret for the files. */
export function loadStatements({ extensionsFolder, s3 }: Attachment): string[] {
  const load = EXTENSIONS.map((name) => `LOAD ${text(join(extensionsFolder, fileOf(name)))}`);
  const { endpoint, region = "us-east-1", accessKey, secretKey } = s3;
  const url = endpoint === undefined ? undefined : parsed(endpoint);
  const server = url ? [`ENDPOINT ${text(url.host)}`, `URL_STYLE 'path'`, `USE_SSL ${url.protocol === "https:"}`] : [];
  if (!accessKey || !secretKey) {
    const remedy = "set TRIBUTARY_S3_ACCESS_KEY and TRIBUTARY_S3_SECRET_KEY";
    throw new TributaryError("CONFIG_INVALID", `iceberg: needs the keys of the tables' bucket: ${remedy}`);
  }
  const keys = [`KEY_ID ${text(accessKey)}`, `SECRET ${text(secretKey)}`];
  return [...load, `CREATE SECRET files (${["TYPE s3", ...keys, ...server, `REGION ${text(region)}`].join(", ")})`];
}

/** ATTACH with further options, such as READ_ONLY. */
export const attachStatement = ({ warehouse, endpoint }: Attachment, options: string): string =>
  `ATTACH ${text(warehouse)} AS ${identifier(CATALOG)} (TYPE iceberg, ENDPOINT ${text(endpoint)}, ${options})`;

const text = (value: string): string => duckdb.stringLiteral(value);

function parsed(endpoint: string): URL {
  if (!URL.canParse(endpoint)) throw new TributaryError("CONFIG_INVALID", `'${endpoint}' is no URL of an S3 server`);
  return new URL(endpoint);
}
