import type { Command } from "commander";
import { readConfig, restCatalogConfig, restCatalogOf } from "../../lib/process/config.ts";
import type { GivenCatalog } from "../../lib/warehouse/iceberg/catalog/options.ts";

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

/** A flag counts before a setting. */
export function givenOf(flags: CatalogFlags): GivenCatalog {
  const settings = readConfig(restCatalogConfig, process.env);
  const set = restCatalogOf(settings);
  const hasLogin = Boolean(flags.credential ?? flags.token ?? flags.sigv4);
  const { credential, token, sigv4: sigv4Service } = flags;
  return {
    uri: flags.uri ?? set.uri,
    warehouse: flags.warehouse ?? set.warehouse,
    prefix: flags.prefix ?? set.prefix,
    oauth2ServerUri: flags.oauth2ServerUri ?? set.oauth2ServerUri,
    oauth2Scope: flags.oauth2Scope ?? set.oauth2Scope,
    ...(hasLogin
      ? { credential, token, sigv4Service }
      : { credential: set.credential, token: set.token, sigv4Service: set.sigv4Service }),
    s3: {
      region: settings.TRIBUTARY_S3_REGION,
      accessKey: settings.TRIBUTARY_S3_ACCESS_KEY,
      secretKey: settings.TRIBUTARY_S3_SECRET_KEY,
    },
  };
}
