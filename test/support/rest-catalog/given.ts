import { test } from "node:test";
import type { RestCatalogOptions } from "../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";

const { TRIBUTARY_TEST_REST_CATALOG: catalog, TRIBUTARY_TEST_S3: s3, REQUIRE_STACK } = process.env;

/** `restCatalog` of stack.json. */
interface Given {
  uri: string;
  warehouse: string;
  credential: string;
  oauth2ServerUri: string;
}

/**
 * The real REST catalog that the environment names, with both its logins. Otherwise registers a skipped test,
 * which fails with REQUIRE_STACK=1.
 */
export function restCatalogGiven(name: string): Record<"oauth2" | "signed", RestCatalogOptions> | undefined {
  if (catalog === undefined || s3 === undefined) {
    const missing = "TRIBUTARY_TEST_REST_CATALOG and TRIBUTARY_TEST_S3 are not set: start the stack";
    test(name, { skip: REQUIRE_STACK !== "1" && missing }, () => {
      throw new Error(`REQUIRE_STACK=1, but ${missing}`);
    });
    return undefined;
  }
  const { uri, warehouse, credential, oauth2ServerUri } = JSON.parse(catalog) as Given;
  const { region, accessKey, secretKey } = JSON.parse(s3) as { region: string; accessKey: string; secretKey: string };
  return {
    oauth2: { uri, warehouse, login: { kind: "oauth2", credential, serverUri: oauth2ServerUri } },
    signed: { uri, warehouse, login: { kind: "sigv4", region, accessKey, secretKey, service: "s3tables" } },
  };
}
