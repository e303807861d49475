import type { Command } from "commander";

/** The flags that name an Iceberg REST catalog and the login to it. */
export interface CatalogFlags {
  uri?: string;
  warehouse?: string;
  prefix?: string;
  credential?: string;
  oauth2ServerUri?: string;
  oauth2Scope?: string;
  token?: string;
  sigv4?: string;
}

export const withCatalogFlags = (command: Command): Command =>
  command
    .option("--uri <uri>", "the catalog, without /v1 (TRIBUTARY_REST_CATALOG_URI)")
    .option("--warehouse <name>", "the warehouse, as the catalog knows it (TRIBUTARY_REST_CATALOG_WAREHOUSE)")
    .option("--prefix <path>", "prefix of the catalog's paths, if it does not name one (…_PREFIX)")
    .option("--credential <id:secret>", "OAuth2 client credentials (…_CREDENTIAL is safer)")
    .option("--oauth2-server-uri <uri>", "where tokens come from (…_OAUTH2_SERVER_URI; default: the catalog)")
    .option("--oauth2-scope <scope>", "scope of the token (…_OAUTH2_SCOPE; default: catalog)")
    .option("--token <token>", "a token instead (…_TOKEN is safer)")
    .option("--sigv4 <service>", "sign requests for glue or s3tables with the S3 keys (…_SIGV4_SERVICE)");
