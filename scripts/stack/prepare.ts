import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";
import { ensureBucket } from "../../lib/blob/s3/s3-store.ts";
import { systemClock } from "../../lib/clock.ts";
import { openEventLog } from "../../lib/event-log/open.ts";
import type { TopicSpec } from "../../lib/messages/topics.ts";
import type { KafkaAccess, S3Access } from "../../lib/process/settings/access.ts";
import { signer } from "../../lib/warehouse/iceberg/catalog/sigv4.ts";
import { statement } from "./statement.ts";

/** Creates the buckets that do not exist. @throws BLOB_UNAVAILABLE that names the bucket that failed. */
export async function createBuckets(s3: S3Access, buckets: Iterable<string>): Promise<void> {
  for (const bucket of buckets) await ensureBucket(`s3://${bucket}`, s3);
}

/**
 * Creates the bucket for tables of SeaweedFS's REST catalog if it does not exist, by the API of S3 Tables.
 * @throws Error with SeaweedFS's message
 */
export async function createTableBucket(s3: S3Access, name: string): Promise<void> {
  const { endpoint, region = "us-east-1", accessKey, secretKey } = s3;
  if (!endpoint || !accessKey || !secretKey) throw new Error(`the table bucket ${name} needs S3's endpoint and keys`);
  const url = new URL("/buckets", endpoint);
  const request = {
    method: "PUT",
    url,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name }),
  };
  const headers = await signer({ accessKey, secretKey, region, service: "s3tables" })(request, new Date());
  const response = await fetch(url, { ...request, headers, signal: AbortSignal.timeout(30_000) });
  const text = await response.text();
  // Another start may have created it.
  if (response.ok || response.status === 409) return;
  throw new Error(`cannot create the table bucket ${name} at ${endpoint}: ${response.status}: ${text.slice(0, 300)}`);
}

/** The shape of infra/redpanda/topics.yml. */
const topicsFile = z.array(
  z.strictObject({
    name: z.string(),
    partitions: z.number().int().min(1),
    cleanup: z.enum(["delete", "compact"]),
    retentionMs: z.number().optional(),
  }),
);

/** The topics of a file such as infra/redpanda/topics.yml. */
export async function topicsIn(path: string): Promise<TopicSpec[]> {
  const topics = topicsFile.parse(parse(await readFile(path, "utf8")));
  return topics.map(({ retentionMs, ...topic }) => (retentionMs ? { ...topic, retentionMs } : topic));
}

/** Creates the topics that do not exist. @throws LOG_UNAVAILABLE, CONFIG_INVALID */
export async function createTopics(
  logUrl: string,
  topics: readonly TopicSpec[],
  access: KafkaAccess = {},
): Promise<void> {
  const log = await openEventLog(logUrl, { clock: systemClock, ...access });
  try {
    await log.createTopics(topics);
  } finally {
    await log.close();
  }
}

/**
 * Creates the schema if it does not exist. `trino` is http://host:port.
 * @throws Error with Trino's message.
 */
export async function createSchema(trino: string, catalog: string, schema: string): Promise<void> {
  await statement(trino, `CREATE SCHEMA IF NOT EXISTS ${catalog}.${schema}`);
}

/**
 * @throws Error unless Trino has started and can run a query; its node registers some time after the start.
 */
export async function runsQueries(trino: string): Promise<void> {
  const response = await fetch(`${trino}/v1/info`, { signal: AbortSignal.timeout(5_000) });
  if (((await response.json()) as { starting: boolean }).starting) throw new Error(`${trino} is still starting`);
  await statement(trino, "SELECT count(*) FROM (VALUES 1, 2) AS t (x) GROUP BY x");
}
