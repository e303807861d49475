import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { openBlobStore } from "../../lib/blob/open.ts";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import type { S3Options } from "../../lib/blob/s3/s3-store.ts";
import { systemClock } from "../../lib/clock.ts";
import { TrinoClient } from "../../lib/warehouse/trino/client/client.ts";
import { targetOf } from "../../lib/warehouse/trino/target.ts";
import { openTrino, type TrinoOptions } from "../../lib/warehouse/trino/trino-warehouse.ts";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";

const {
  TRIBUTARY_TEST_TRINO: url,
  TRIBUTARY_TEST_S3: s3,
  TRIBUTARY_TEST_STAGING: staging,
  REQUIRE_STACK,
} = process.env;

/** A real Trino with a schema for this test, which `close` drops. */
export interface TestTrino {
  readonly url: string;
  readonly client: TrinoClient;
  readonly staging: BlobStore;
  /**
   * Another warehouse over the same schema, through `address` (host:port) if given; `close` does not close
   * it.
   */
  open(options?: TrinoOptions, address?: string): Promise<Warehouse>;
  close(): Promise<void>;
}

/**
 * True if the environment names a server. Otherwise registers a skipped test, which fails with
 * REQUIRE_STACK=1.
 */
export function trinoGiven(name: string): boolean {
  if (url !== undefined && s3 !== undefined && staging !== undefined) return true;
  const missing = "TRIBUTARY_TEST_TRINO, TRIBUTARY_TEST_S3 and TRIBUTARY_TEST_STAGING are not set: start the stack";
  test(name, { skip: REQUIRE_STACK !== "1" && missing }, () => {
    throw new Error(`REQUIRE_STACK=1, but ${missing}`);
  });
  return false;
}

/** Requires `trinoGiven`. */
export async function openTestTrino(): Promise<TestTrino> {
  const blobs = await openBlobStore(staging!, { s3: JSON.parse(s3!) as S3Options });
  const target = { ...targetOf(url!), schema: `test_${randomBytes(5).toString("hex")}` };
  const own = url!.replace(/(:\/\/[^/]+\/[^/?]+)[^?]*/, `$1/${target.schema}`);
  const client = new TrinoClient(target, systemClock);
  return {
    url: own,
    client,
    staging: blobs,
    open: (options = {}, address) => openTrino(through(own, address), { staging: blobs, ...options }),
    close: async () => {
      const { catalog, schema } = target;
      for (const name of [schema, `${schema}_staging`]) {
        await client.run(`DROP SCHEMA IF EXISTS "${catalog}"."${name}" CASCADE`);
      }
      client.close();
      await blobs.close();
    },
  };
}

/** The URL with another host and port. */
const through = (url: string, address?: string): string =>
  address === undefined ? url : url.replace(/(?<=@)[^/]+/, address);
