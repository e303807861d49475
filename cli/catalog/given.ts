import { readConfig, restCatalogConfig, restCatalogOf } from "../../lib/process/config.ts";
import type { GivenCatalog } from "../../lib/warehouse/iceberg/catalog/options.ts";
import type { CatalogFlags } from "./flags.ts";

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
