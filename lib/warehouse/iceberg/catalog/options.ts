import { TributaryError } from "../../../errors.ts";
import type { LoginOptions } from "./login.ts";
import type { RestCatalogOptions } from "./rest-catalog.ts";

/** How a user names a catalog: settings and flags, all texts. */
export interface GivenCatalog {
  uri?: string | undefined;
  warehouse?: string | undefined;
  prefix?: string | undefined;
  /** OAuth2 client credentials, `id:secret`. */
  credential?: string | undefined;
  oauth2ServerUri?: string | undefined;
  oauth2Scope?: string | undefined;
  token?: string | undefined;
  /** Sign requests for this service of AWS: `glue` or `s3tables`. */
  sigv4Service?: string | undefined;
  /** For signatures. */
  s3: { region: string; accessKey?: string | undefined; secretKey?: string | undefined };
}

/** @throws CONFIG_INVALID if the URI is missing, or if the login is ambiguous or incomplete */
export function catalogOptionsOf(given: GivenCatalog): RestCatalogOptions {
  const { uri, warehouse, prefix, credential, token, sigv4Service } = given;
  if (uri === undefined) throw invalid("no URI: set TRIBUTARY_REST_CATALOG_URI");
  const logins = [
    ["TRIBUTARY_REST_CATALOG_CREDENTIAL", credential],
    ["TRIBUTARY_REST_CATALOG_TOKEN", token],
    ["TRIBUTARY_REST_CATALOG_SIGV4_SERVICE", sigv4Service],
  ].filter(([, value]) => value !== undefined);
  if (logins.length > 1) throw invalid(`two logins: set only one of ${logins.map(([name]) => name).join(", ")}`);
  return { uri, warehouse, prefix, login: loginOf(given) };
}

function loginOf({ credential, oauth2ServerUri, oauth2Scope, token, sigv4Service, s3 }: GivenCatalog): LoginOptions {
  if (credential !== undefined) {
    if (oauth2ServerUri !== undefined && !URL.canParse(oauth2ServerUri)) {
      throw invalid(`'${oauth2ServerUri}' is no URI of an OAuth2 server`);
    }
    return { kind: "oauth2", credential, serverUri: oauth2ServerUri, scope: oauth2Scope };
  }
  if (token !== undefined) return { kind: "token", token };
  if (sigv4Service === undefined) return { kind: "none" };
  const { region, accessKey, secretKey } = s3;
  if (!accessKey || !secretKey) {
    throw invalid("signed requests need TRIBUTARY_S3_ACCESS_KEY and TRIBUTARY_S3_SECRET_KEY");
  }
  return { kind: "sigv4", service: sigv4Service, region, accessKey, secretKey };
}

const invalid = (fault: string): TributaryError => new TributaryError("CONFIG_INVALID", `REST catalog: ${fault}`);
