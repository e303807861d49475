/**
 * The profiles to test the console with: the embedded profile always, a stack if the environment names one.
 */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUCKETS } from "../../../../scripts/stack/settings.ts";
import { startTributary, type TributaryProcess } from "../../../../scripts/tributary-process.ts";

/** A running gateway with its services, and the keys to access it. */
export interface Target {
  url: string;
  /** Absent if the gateway requires no key. */
  key?: string;
  /** A key with the scope `read` only; absent if the test does not control the gateway. */
  readerKey?: string;
  /**
   * Stops the gateway, runs `whileAway`, starts it again; absent if the test does not control the gateway.
   */
  restart?(whileAway: () => Promise<void>): Promise<void>;
  stop(): Promise<unknown>;
}

export interface Profile {
  name: string;
  /** Reason to skip the profile, or false. */
  skip: string | false;
  /** Timeout of the slowest action on the page. */
  waitMs: number;
  /** `folder` holds the files of the profile. */
  start(folder: string): Promise<Target>;
}

const KEYS = { key: "secret", readerKey: "only-read" };
const sha256 = (key: string): string => createHash("sha256").update(key).digest("hex");

/** All services in one process, with API keys, on the backends that `env` configures. */
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
 * A stack. TRIBUTARY_TEST_GATEWAY is the URL of a running gateway (TRIBUTARY_TEST_GATEWAY_KEY: a key with the
 * scope `admin`, if the gateway requires keys). Without it, own services start on the backends of
 * TRIBUTARY_TEST_KAFKA, _S3, _TRINO and _STAGING.
 */
function stack(env: NodeJS.ProcessEnv): Profile {
  const { TRIBUTARY_TEST_GATEWAY: url, TRIBUTARY_TEST_GATEWAY_KEY: key } = env;
  const profile = { name: "stack", skip: false, waitMs: 180_000 } as const;
  if (url) return { ...profile, start: async () => ({ url, ...(key ? { key } : {}), stop: async () => undefined }) };
  const { TRIBUTARY_TEST_KAFKA: kafka, TRIBUTARY_TEST_S3: s3, TRIBUTARY_TEST_TRINO: trino } = env;
  const staging = env["TRIBUTARY_TEST_STAGING"];
  if (!kafka || !s3 || !trino || !staging) {
    const skip =
      "neither TRIBUTARY_TEST_GATEWAY nor TRIBUTARY_TEST_KAFKA, _S3, _TRINO and _STAGING are set: " +
      "the console is not tested on a stack";
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

/**
 * The profiles. Writes the reason of each skip to standard error; with REQUIRE_STACK=1 a skip is an error.
 */
export function profiles(env: NodeJS.ProcessEnv, browserMissing: string | false): Profile[] {
  const all = [embedded, stack(env)].map((profile) => ({ ...profile, skip: browserMissing || profile.skip }));
  for (const { skip } of all) {
    if (!skip) continue;
    if (env["REQUIRE_STACK"] === "1") throw new Error(skip);
    process.stderr.write(`SKIPPED: ${skip}\n`);
  }
  return all;
}
