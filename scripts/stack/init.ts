import { renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { messageOf } from "../../lib/errors.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { platformSettings, portUrls, readConfig } from "../../lib/process/config.ts";
import { kafkaAccessOf, s3AccessOf } from "../../lib/process/settings/access.ts";
import { createBuckets, createSchema, createTableBucket, createTopics, topicsIn } from "./prepare.ts";

/**
 * The init job of compose and of the Helm chart: `node init.js [topics.yml [keys.yml]]` creates the topics,
 * buckets and schema that the services need, if they do not exist. Without a file, the topics are those of
 * this version. With a second file it writes the gateway's keys there. It reads the environment variables of
 * the services, and some of its own.
 */
const settings = z.object({
  ...platformSettings,
  /** The bucket of Trino's JDBC catalog. */
  TRIBUTARY_WAREHOUSE_BUCKET: z.string().optional(),
  /** The table bucket of SeaweedFS's REST catalog. Other catalogs have none. */
  TRIBUTARY_CATALOG_BUCKET: z.string().optional(),
});

const keySettings = z.object({
  API_KEY_SHA256: z.string(),
  NOTIFICATIONS_KEY_SHA256: z.string(),
  /** Further lines of the keys file. */
  MORE_API_KEYS: z.string().default(""),
});

/** Replaces the file as a whole: the gateway reads it again when it changes. */
function writeKeys(path: string): void {
  const env = keySettings.parse(process.env);
  const lines = [
    `- { id: admin, sha256: ${env.API_KEY_SHA256}, scopes: [upload, read, query, admin] }`,
    `- { id: seaweedfs, sha256: ${env.NOTIFICATIONS_KEY_SHA256}, scopes: [upload] }`,
    env.MORE_API_KEYS,
  ];
  writeFileSync(`${path}.new`, `${lines.join("\n")}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

async function main(topicsPath: string | undefined, keysPath: string | undefined): Promise<void> {
  if (keysPath !== undefined) writeKeys(keysPath);
  const env = readConfig(settings, process.env);
  const { log, blob, drops, warehouse } = portUrls(env);
  const s3 = s3AccessOf(env);
  const fileEvents = { ...TOPICS.fileEvents, partitions: env.TRIBUTARY_LOG_PARTITIONS };
  const topics = topicsPath === undefined ? Object.values({ ...TOPICS, fileEvents }) : await topicsIn(topicsPath);
  await createTopics(log, topics, kafkaAccessOf(env));

  const urls = [blob, drops, env.TRIBUTARY_STAGING_URL].filter((url) => url?.startsWith("s3:"));
  const buckets = urls.map((url) => new URL(url!).hostname);
  if (env.TRIBUTARY_WAREHOUSE_BUCKET) buckets.push(env.TRIBUTARY_WAREHOUSE_BUCKET);
  await createBuckets(s3, new Set(buckets));
  if (env.TRIBUTARY_CATALOG_BUCKET) await createTableBucket(s3, env.TRIBUTARY_CATALOG_BUCKET);

  // With TLS, and in a REST catalog, the committer creates the schema with its first table.
  const trino = new URL(warehouse);
  const [catalog, schema] = trino.pathname.split("/").filter(Boolean);
  const makesSchema = trino.protocol === "trino:" && catalog !== undefined && schema !== undefined;
  if (makesSchema) await createSchema(`http://${trino.host}`, catalog, schema);
  const made = [`${topics.length} topics`, ...buckets, ...(makesSchema ? [`${catalog}.${schema}`] : [])];
  process.stderr.write(`exist: ${made.join(", ")}\n`);
}

try {
  await main(process.argv[2], process.argv[3]);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
