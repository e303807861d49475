import { AwsClient } from "aws4fetch";
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";
import { systemClock } from "../../lib/clock.ts";
import { openEventLog } from "../../lib/event-log/open.ts";

/** An S3 store and how to sign for it. */
export interface S3Access {
  /** http://host:port */
  endpoint: string;
  region: string;
  accessKey: string;
  secretKey: string;
}

/** Makes the buckets; those that exist stay as they are. @throws Error naming the bucket that could not be made. */
export async function createBuckets(s3: S3Access, buckets: readonly string[]): Promise<void> {
  const client = new AwsClient({
    accessKeyId: s3.accessKey,
    secretAccessKey: s3.secretKey,
    region: s3.region,
    service: "s3",
  });
  for (const bucket of buckets) {
    const response = await client.fetch(`${s3.endpoint}/${bucket}`, { method: "PUT" });
    const text = await response.text();
    // 409 says that it exists.
    if (!response.ok && response.status !== 409) {
      throw new Error(`the bucket ${bucket} could not be made: status ${response.status} ${text.slice(0, 300)}`);
    }
  }
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
  await execute(trino, `CREATE SCHEMA IF NOT EXISTS ${catalog}.${schema}`);
}

/** @throws Error unless Trino has started and has a node to run queries on, which comes a little later. */
export async function runsQueries(trino: string): Promise<void> {
  const response = await fetch(`${trino}/v1/info`, { signal: AbortSignal.timeout(5_000) });
  if (((await response.json()) as { starting: boolean }).starting) throw new Error(`${trino} is still starting`);
  await execute(trino, "SELECT count(*) FROM (VALUES 1, 2) AS t (x) GROUP BY x");
}

interface TrinoAnswer {
  nextUri?: string;
  error?: { message: string; errorName: string };
}

/** Runs one statement to its end, leaving its rows. @throws Error with Trino's message. */
async function execute(trino: string, statement: string): Promise<void> {
  const headers = { "x-trino-user": "tributary" };
  let answer = (await (
    await fetch(`${trino}/v1/statement`, { method: "POST", body: statement, headers })
  ).json()) as TrinoAnswer;
  for (;;) {
    if (answer.error) throw new Error(`${statement}: ${answer.error.errorName}: ${answer.error.message}`);
    if (answer.nextUri === undefined) return;
    answer = (await (await fetch(answer.nextUri, { headers })).json()) as TrinoAnswer;
  }
}
