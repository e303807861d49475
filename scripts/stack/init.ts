import { z } from "zod";
import { messageOf } from "../../lib/errors.ts";
import { createBuckets, createSchema, createTableBucket, createTopics } from "./prepare.ts";

/**
 * The init job of compose: `node init.js topics.yml` creates the topics, buckets and schema that the services
 * need, if they do not exist. It reads the environment variables of the services.
 */
const settings = z.object({
  TRIBUTARY_LOG_URL: z.string(),
  TRIBUTARY_BLOB_URL: z.string(),
  TRIBUTARY_DROPS_URL: z.string(),
  TRIBUTARY_STAGING_URL: z.string(),
  TRIBUTARY_WAREHOUSE_BUCKET: z.string(),
  TRIBUTARY_CATALOG_BUCKET: z.string(),
  TRIBUTARY_WAREHOUSE_URL: z.string(),
  TRIBUTARY_S3_ENDPOINT: z.string(),
  TRIBUTARY_S3_REGION: z.string(),
  TRIBUTARY_S3_ACCESS_KEY: z.string(),
  TRIBUTARY_S3_SECRET_KEY: z.string(),
});

async function main(topicsPath: string): Promise<void> {
  const env = settings.parse(process.env);
  await createTopics(env.TRIBUTARY_LOG_URL, topicsPath);
  const urls = [env.TRIBUTARY_BLOB_URL, env.TRIBUTARY_DROPS_URL, env.TRIBUTARY_STAGING_URL];
  const s3 = {
    endpoint: env.TRIBUTARY_S3_ENDPOINT,
    region: env.TRIBUTARY_S3_REGION,
    accessKey: env.TRIBUTARY_S3_ACCESS_KEY,
    secretKey: env.TRIBUTARY_S3_SECRET_KEY,
  };
  await createBuckets(s3, [...urls.map((url) => new URL(url).hostname), env.TRIBUTARY_WAREHOUSE_BUCKET]);
  await createTableBucket(s3, env.TRIBUTARY_CATALOG_BUCKET);
  const trino = new URL(env.TRIBUTARY_WAREHOUSE_URL);
  const [catalog, schema] = trino.pathname.split("/").filter(Boolean);
  await createSchema(`http://${trino.host}`, catalog!, schema!);
  process.stderr.write(`the topics, the buckets and ${catalog}.${schema} exist\n`);
}

try {
  await main(process.argv[2] ?? "infra/redpanda/topics.yml");
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
