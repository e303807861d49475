/** Where the console is tested: the embedded profile always, and a stack where one is given. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUCKETS } from "../../../../scripts/stack/settings.ts";
import { startTributary, type TributaryProcess } from "../../../../scripts/tributary-process.ts";

/** A gateway with its services behind it, and how to get in. */
export interface Target {
  url: string;
  /** Absent: it asks for none. */
  key?: string;
  /** A key that may read and nothing else; absent where the gateway is not ours to set up. */
  readerKey?: string;
  /** Goes away and comes back; absent where it is not ours. */
  restart?(whileAway: () => Promise<void>): Promise<void>;
  stop(): Promise<unknown>;
}

export interface Profile {
  name: string;
  /** Why it is not tested; false if it is. */
  skip: string | false;
  /** How long the slowest thing on the page may take. */
  waitMs: number;
  /** `folder` is for what it needs on disk. */
  start(folder: string): Promise<Target>;
}

const KEYS = { key: "secret", readerKey: "only-read" };
const sha256 = (key: string): string => createHash("sha256").update(key).digest("hex");

/** All services in one process, on the engines that `env` names; with API keys. */
async function own(folder: string, env: Record<string, string>): Promise<Target> {
  const keys = [
    { id: "console", sha256: sha256(KEYS.key), scopes: ["admin"] },
    { id: "reader", sha256: sha256(KEYS.readerKey), scopes: ["read"] },
  ];
  const path = join(folder, "keys.json");
  writeFileSync(path, JSON.stringify(keys));
  const start = (more: Record<string, string>): Promise<TributaryProcess> =>
    startTributary(join(folder, "data"), { ...env, ...more, TRIBUTARY_API_KEYS_FILE: path });
  let tributary = await start({});
  const { url } = tributary;
  return {
    ...{ url, ...KEYS },
    async restart(whileAway) {
      await tributary.stop();
      await whileAway();
      tributary = await start({ TRIBUTARY_PORT: new URL(url).port });
    },
    stop: () => tributary.stop(),
  };
}

const embedded: Profile = { name: "embedded", skip: false, waitMs: 20_000, start: (folder) => own(folder, {}) };

/**
 * A stack: TRIBUTARY_TEST_GATEWAY names a gateway that runs (TRIBUTARY_TEST_GATEWAY_KEY: an admin's key, if it asks for one); else the
 * engines of TRIBUTARY_TEST_KAFKA, _S3, _TRINO and _STAGING get services of their own.
 */
function stack(env: NodeJS.ProcessEnv): Profile {
  const { TRIBUTARY_TEST_GATEWAY: url, TRIBUTARY_TEST_GATEWAY_KEY: key } = env;
  const profile = { name: "stack", skip: false, waitMs: 180_000 } as const;
  if (url) return { ...profile, start: async () => ({ url, ...(key ? { key } : {}), stop: async () => undefined }) };
  const { TRIBUTARY_TEST_KAFKA: kafka, TRIBUTARY_TEST_S3: s3, TRIBUTARY_TEST_TRINO: trino } = env;
  const staging = env["TRIBUTARY_TEST_STAGING"];
  if (!kafka || !s3 || !trino || !staging) {
    const skip = "neither TRIBUTARY_TEST_GATEWAY nor a stack's engines are named: the console is not tested on a stack";
    return { ...profile, skip, start: () => Promise.reject(new Error(skip)) };
  }
  const { endpoint, region, accessKey, secretKey } = JSON.parse(s3) as Record<string, string>;
  const engines = {
    TRIBUTARY_LOG_URL: `kafka://${kafka.replace(/^kafka:\/\//, "")}`,
    TRIBUTARY_BLOB_URL: `s3://${BUCKETS.raw}`,
    TRIBUTARY_DROPS_URL: `s3://${BUCKETS.drops}`,
    TRIBUTARY_STAGING_URL: staging,
    TRIBUTARY_WAREHOUSE_URL: trino,
    TRIBUTARY_S3_ENDPOINT: endpoint!,
    TRIBUTARY_S3_REGION: region!,
    TRIBUTARY_S3_ACCESS_KEY: accessKey!,
    TRIBUTARY_S3_SECRET_KEY: secretKey!,
  };
  return { ...profile, start: (folder) => own(folder, engines) };
}

/** Skips are loud, and failures with REQUIRE_STACK=1. */
export function profiles(env: NodeJS.ProcessEnv, browserMissing: string | false): Profile[] {
  const all = [embedded, stack(env)].map((profile) => ({ ...profile, skip: browserMissing || profile.skip }));
  for (const { skip } of all) {
    if (!skip) continue;
    if (env["REQUIRE_STACK"] === "1") throw new Error(skip);
    process.stderr.write(`SKIPPED: ${skip}\n`);
  }
  return all;
}
