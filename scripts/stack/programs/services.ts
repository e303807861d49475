import { join } from "node:path";
import { isCompiled } from "../../../bin/compiled.mjs";
import { ROOT } from "../paths.ts";
import { choosePorts, HOST } from "../ports.ts";
import { httpAnswers, startProcess, waitUntilReady } from "../processes.ts";
import { CATALOG, REST_CATALOG, restCatalogOf, SCHEMA, type StackSettings } from "../settings.ts";
import { allOrFirstFailure, type StackContext } from "../context.ts";
import { supersetEnvironment } from "./superset.ts";

/** The environment that every service reads (lib/process/config.ts): URLs and S3 credentials. */
export function platformEnvironment(settings: StackSettings): Record<string, string> {
  const { ports, s3, buckets } = settings;
  return {
    TRIBUTARY_LOG_URL: `kafka://${HOST}:${ports.kafka}`,
    TRIBUTARY_BLOB_URL: `s3://${buckets.raw}`,
    TRIBUTARY_DROPS_URL: `s3://${buckets.drops}`,
    TRIBUTARY_STAGING_URL: `s3://${buckets.staging}`,
    TRIBUTARY_WAREHOUSE_URL: warehouseUrl(settings, CATALOG),
    TRIBUTARY_S3_ENDPOINT: s3.endpoint,
    TRIBUTARY_S3_REGION: s3.region,
    TRIBUTARY_S3_ACCESS_KEY: s3.accessKey,
    TRIBUTARY_S3_SECRET_KEY: s3.secretKey,
  };
}

/** What differs in the services' environment if DuckDB writes the tables of the REST catalog. */
export function icebergEnvironment(
  settings: StackSettings,
  {
    extensions,
    withTrino,
    restCatalogAt,
  }: { extensions: string; withTrino: boolean; restCatalogAt?: string | undefined },
): Record<string, string> {
  const { uri, warehouse, credential, oauth2ServerUri } = restCatalogOf(settings);
  return {
    TRIBUTARY_WAREHOUSE_URL: withTrino ? warehouseUrl(settings, REST_CATALOG) : "iceberg:",
    TRIBUTARY_REST_CATALOG_URI: restCatalogAt ?? uri,
    TRIBUTARY_REST_CATALOG_WAREHOUSE: warehouse,
    TRIBUTARY_REST_CATALOG_CREDENTIAL: credential,
    TRIBUTARY_REST_CATALOG_OAUTH2_SERVER_URI: oauth2ServerUri,
    TRIBUTARY_DUCKDB_EXTENSIONS_DIR: extensions,
  };
}

const warehouseUrl = ({ ports }: StackSettings, catalog: string): string =>
  `trino://tributary@${HOST}:${ports.trino}/${catalog}/${SCHEMA}`;

/** The environment of tests that use real servers. `duckdbExtensions`: the folder of extension files. */
export function testEnvironment(
  settings: StackSettings,
  { duckdbExtensions, hasTrino }: { duckdbExtensions: string; hasTrino: boolean },
): Record<string, string> {
  const { endpoint, region, accessKey, secretKey } = settings.s3;
  const platform = platformEnvironment(settings);
  return {
    TRIBUTARY_TEST_KAFKA: `${HOST}:${settings.ports.kafka}`,
    TRIBUTARY_TEST_S3: JSON.stringify({ endpoint, region, accessKey, secretKey }),
    TRIBUTARY_TEST_DUCKDB_EXTENSIONS: duckdbExtensions,
    TRIBUTARY_TEST_REST_CATALOG: JSON.stringify(restCatalogOf(settings)),
    TRIBUTARY_TEST_STAGING: platform.TRIBUTARY_STAGING_URL!,
    ...(hasTrino ? { TRIBUTARY_TEST_TRINO: platform.TRIBUTARY_WAREHOUSE_URL! } : {}),
  };
}

/**
 * A service: number of processes, and the variables of its host and port. Only the gateway's port is kept.
 */
interface ServiceSpec {
  name: string;
  copies: number;
  host: string;
  port: string;
  /** Variables in addition to those of all services. */
  env?: Record<string, string>;
}

export interface WantedServices {
  parsers: number;
  committers: number;
  superset?: boolean;
  env: Readonly<Record<string, string | undefined>>;
  /** Takes the place of variables of `platformEnvironment`. */
  warehouse?: Readonly<Record<string, string>>;
}

const servicesOf = ({ parsers, committers, superset }: WantedServices, settings: StackSettings): ServiceSpec[] => [
  { name: "gateway", copies: 1, host: "TRIBUTARY_HOST", port: "TRIBUTARY_PORT" },
  { name: "parser", copies: parsers, host: "TRIBUTARY_PARSER_HOST", port: "TRIBUTARY_PARSER_PORT" },
  { name: "committer", copies: committers, host: "TRIBUTARY_COMMITTER_HOST", port: "TRIBUTARY_COMMITTER_PORT" },
  { name: "scheduler", copies: 1, host: "TRIBUTARY_SCHEDULER_HOST", port: "TRIBUTARY_SCHEDULER_PORT" },
  ...(superset ? [registrarOf(settings)] : []),
];

const registrarOf = (settings: StackSettings): ServiceSpec => ({
  name: "registrar",
  copies: 1,
  host: "TRIBUTARY_REGISTRAR_HOST",
  port: "TRIBUTARY_REGISTRAR_PORT",
  env: supersetEnvironment(settings),
});

/**
 * Starts the wanted number of processes of each service and waits until all are ready. Returns their URLs by
 * name.
 */
export async function startServices(context: StackContext, wanted: WantedServices): Promise<Record<string, string>> {
  const failure = new AbortController();
  const signal = AbortSignal.any([context.signal, failure.signal]);
  const copies = servicesOf(wanted, context.settings).flatMap((spec) =>
    Array.from({ length: spec.copies }, (_, copy) => ({
      spec,
      name: spec.copies === 1 ? spec.name : `${spec.name}-${copy + 1}`,
    })),
  );
  const { gateway, ...others } = context.settings.ports;
  const names = copies.map(({ name }) => name);
  const ports = await choosePorts(names, { gateway }, Object.values(others));
  const urls = Object.fromEntries(names.map((name) => [name, `http://${HOST}:${ports[name]}`]));
  const starting = copies.map(({ spec, name }) =>
    startService({ ...context, signal }, spec, { name, port: ports[name]!, wanted }),
  );
  await allOrFirstFailure(starting, failure);
  context.say(`gateway    ${urls.gateway}`);
  return urls;
}

/** As the images do, if `dist` is up to date; otherwise from the sources. */
const programOf = (service: string): string[] =>
  isCompiled(ROOT)
    ? [join(ROOT, "dist", "services", service, "main.js")]
    : ["--import", "tsx", join(ROOT, "services", service, "main.ts")];

async function startService(
  context: StackContext,
  spec: ServiceSpec,
  { name, port, wanted }: { name: string; port: number; wanted: WantedServices },
): Promise<void> {
  const started = context.started(
    startProcess({
      name,
      command: process.execPath,
      args: programOf(spec.name),
      env: {
        ...wanted.env,
        ...platformEnvironment(context.settings),
        ...wanted.warehouse,
        ...spec.env,
        [spec.host]: HOST,
        [spec.port]: String(port),
      },
      cwd: ROOT,
      log: context.log(name),
    }),
  );
  const ready = (): Promise<void> => httpAnswers(`http://${HOST}:${port}/readyz`);
  await waitUntilReady(started, ready, { withinMs: 180_000, signal: context.signal });
}
