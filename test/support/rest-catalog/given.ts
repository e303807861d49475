import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import { openBlobStore } from "../../../lib/blob/open.ts";
import type { S3Options } from "../../../lib/blob/s3/s3-store.ts";
import { openRestCatalog, type RestCatalogOptions } from "../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import type { IcebergOptions } from "../../../lib/warehouse/iceberg/iceberg-warehouse.ts";
import { attachOptions, openIcebergDuckdb, type IcebergDuckdb } from "../iceberg-duckdb.ts";

const {
  TRIBUTARY_TEST_REST_CATALOG: catalog,
  TRIBUTARY_TEST_S3: s3,
  TRIBUTARY_TEST_DUCKDB_EXTENSIONS: extensions,
  REQUIRE_STACK,
} = process.env;

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
    skipped(name, "TRIBUTARY_TEST_REST_CATALOG and TRIBUTARY_TEST_S3 are not set: start the stack");
    return undefined;
  }
  const { uri, warehouse, credential, oauth2ServerUri } = JSON.parse(catalog) as Given;
  const { region, accessKey, secretKey } = JSON.parse(s3) as { region: string; accessKey: string; secretKey: string };
  return {
    oauth2: { uri, warehouse, login: { kind: "oauth2", credential, serverUri: oauth2ServerUri } },
    signed: { uri, warehouse, login: { kind: "sigv4", region, accessKey, secretKey, service: "s3tables" } },
  };
}

/** A namespace of the real REST catalog for this test, as a warehouse. `drop` removes it with its tables. */
export interface TestIceberg {
  readonly url: string;
  readonly namespace: string;
  /** Of the catalog. */
  readonly uri: string;
  /** The URL of the same warehouse, at another address of the catalog. */
  urlAt(uri?: string): string;
  readonly options: IcebergOptions;
  /** Another DuckDB with the same catalog, past Tributary's code. `attaching`: further options of ATTACH. */
  otherDuckdb(...attaching: string[]): Promise<IcebergDuckdb>;
  drop(): Promise<void>;
}

/** As `restCatalogGiven`; also needs the folder of DuckDB's extension files. */
export function icebergGiven(name: string): TestIceberg | undefined {
  if (catalog !== undefined && s3 !== undefined && extensions === undefined) {
    skipped(name, "TRIBUTARY_TEST_DUCKDB_EXTENSIONS is not set: `npm run duckdb-extensions` prints the folder");
    return undefined;
  }
  const given = restCatalogGiven(name);
  if (!given) return undefined;
  const { uri, warehouse, credential, oauth2ServerUri } = JSON.parse(catalog!) as Given;
  const namespace = `test_${randomBytes(5).toString("hex")}`;
  const s3Options = JSON.parse(s3!) as S3Options;
  const buckets: BlobStore[] = [];
  const openBucket = async (url: string): Promise<BlobStore> => {
    const bucket = await openBlobStore(url, { s3: s3Options });
    buckets.push(bucket);
    return bucket;
  };
  const urlAt = (address = uri): string => `iceberg:${address}?warehouse=${warehouse}&namespace=${namespace}`;
  return {
    namespace,
    uri,
    url: urlAt(),
    urlAt,
    options: {
      catalog: { uri, warehouse, credential, oauth2ServerUri },
      s3: s3Options,
      extensionsFolder: extensions!,
      openBucket,
    },
    otherDuckdb: (...attaching) =>
      openIcebergDuckdb(warehouse, [attachOptions({ uri, credential, oauth2ServerUri }), ...attaching].join(", ")),
    async drop() {
      for (const bucket of buckets) await bucket.close();
      const client = await openRestCatalog(given.oauth2);
      for (const one of await client.listViews([namespace])) await client.dropView(one);
      for (const one of await client.listTables([namespace])) await client.dropTable(one, { purge: true });
      await client.dropNamespace([namespace]);
      client.close();
    },
  };
}

/** Registers a skipped test, which fails with REQUIRE_STACK=1. */
function skipped(name: string, missing: string): void {
  test(name, { skip: REQUIRE_STACK !== "1" && missing }, () => {
    throw new Error(`REQUIRE_STACK=1, but ${missing}`);
  });
}
