import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";
import { ensureBucket, type S3Options } from "../../lib/blob/s3/s3-store.ts";
import { systemClock } from "../../lib/clock.ts";
import { openEventLog } from "../../lib/event-log/open.ts";
import { statement } from "./statement.ts";

/** Makes the buckets; those that exist stay as they are. @throws BLOB_UNAVAILABLE naming the bucket that could not be made. */
export async function createBuckets(s3: S3Options, buckets: readonly string[]): Promise<void> {
  for (const bucket of buckets) await ensureBucket(`s3://${bucket}`, s3);
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

/** Makes the topics that infra/redpanda/topics.yml declares; those that exist stay as they are. */
export async function createTopics(logUrl: string, topicsPath: string): Promise<void> {
  const topics = topicsFile.parse(parse(await readFile(topicsPath, "utf8")));
  const log = await openEventLog(logUrl, { clock: systemClock });
  try {
    await log.createTopics(
      topics.map(({ retentionMs, ...topic }) => (retentionMs ? { ...topic, retentionMs } : topic)),
    );
  } finally {
    await log.close();
  }
}

/** Makes the schema unless it exists. `trino` is http://host:port. @throws Error with Trino's message. */
export async function createSchema(trino: string, catalog: string, schema: string): Promise<void> {
  await statement(trino, `CREATE SCHEMA IF NOT EXISTS ${catalog}.${schema}`);
}

/** @throws Error unless Trino has started and has a node to run queries on, which comes a little later. */
export async function runsQueries(trino: string): Promise<void> {
  const response = await fetch(`${trino}/v1/info`, { signal: AbortSignal.timeout(5_000) });
  if (((await response.json()) as { starting: boolean }).starting) throw new Error(`${trino} is still starting`);
  await statement(trino, "SELECT count(*) FROM (VALUES 1, 2) AS t (x) GROUP BY x");
}
