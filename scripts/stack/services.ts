import { join } from "node:path";
import { ROOT } from "./paths.ts";
import { choosePorts, HOST } from "./ports.ts";
import { httpAnswers, startProcess, waitUntilReady } from "./processes.ts";
import { CATALOG, SCHEMA, type StackSettings } from "./settings.ts";
import { allOrFirstFailure, type StackContext } from "./stack.ts";

/** Where everything is: what each service reads from its environment (lib/service/config.ts). */
export function platformEnvironment({ ports, s3, buckets }: StackSettings): Record<string, string> {
  return {
    TRIBUTARY_LOG_URL: `kafka://${HOST}:${ports.kafka}`,
    TRIBUTARY_BLOB_URL: `s3://${buckets.raw}`,
    TRIBUTARY_DROPS_URL: `s3://${buckets.drops}`,
    TRIBUTARY_STAGING_URL: `s3://${buckets.staging}`,
    TRIBUTARY_WAREHOUSE_URL: `trino://tributary@${HOST}:${ports.trino}/${CATALOG}/${SCHEMA}`,
    TRIBUTARY_S3_ENDPOINT: s3.endpoint,
    TRIBUTARY_S3_REGION: s3.region,
    TRIBUTARY_S3_ACCESS_KEY: s3.accessKey,
    TRIBUTARY_S3_SECRET_KEY: s3.secretKey,
  };
}

/** What tests of real servers read. */
export function testEnvironment(settings: StackSettings): Record<string, string> {
  const { endpoint, region, accessKey, secretKey } = settings.s3;
  const platform = platformEnvironment(settings);
  return {
    TRIBUTARY_TEST_KAFKA: `${HOST}:${settings.ports.kafka}`,
    TRIBUTARY_TEST_S3: JSON.stringify({ endpoint, region, accessKey, secretKey }),
    TRIBUTARY_TEST_TRINO: platform.TRIBUTARY_WAREHOUSE_URL!,
    TRIBUTARY_TEST_STAGING: platform.TRIBUTARY_STAGING_URL!,
  };
}

/** Starts the four services, each as its own process, as many of each as wished, and waits until the gateway is ready. */
export async function startServices(
  context: StackContext,
  wanted: { parsers: number; committers: number; env: Readonly<Record<string, string | undefined>> },
): Promise<void> {
  const { settings } = context;
  const failure = new AbortController();
  const signal = AbortSignal.any([context.signal, failure.signal]);
  const gateway = `http://${HOST}:${settings.ports.gateway}`;
  const copies = [
    { service: "gateway", count: 1 },
    { service: "parser", count: wanted.parsers },
    { service: "committer", count: wanted.committers },
    { service: "scheduler", count: 1 },
  ];
  const starting = copies.flatMap(({ service, count }) =>
    Array.from({ length: count }, async (_, index) => {
      const name = count === 1 ? service : `${service}-${index + 1}`;
      const port = service === "gateway" ? settings.ports.gateway : (await choosePorts(["health"], {})).health;
      const started = context.started(
        startProcess({
          name,
          command: process.execPath,
          args: ["--import", "tsx", join(ROOT, "services", service, "main.ts")],
          env: {
            ...wanted.env,
            ...platformEnvironment(settings),
            TRIBUTARY_HOST: HOST,
            TRIBUTARY_PORT: String(port),
          },
          cwd: ROOT,
          log: context.log(name),
        }),
      );
      await waitUntilReady(started, () => httpAnswers(`http://${HOST}:${port}/readyz`), { withinMs: 60_000, signal });
    }),
  );
  await allOrFirstFailure(starting, failure);
  context.say(`gateway    ${gateway}`);
}
