import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { choosePorts, HOST } from "./ports.ts";

export const PORT_NAMES = [
  "gateway",
  "kafka",
  "kafkaController",
  "s3",
  "s3Grpc",
  "restCatalog",
  "seaweedfsMaster",
  "seaweedfsMasterGrpc",
  "seaweedfsVolume",
  "seaweedfsVolumeGrpc",
  "seaweedfsFiler",
  "seaweedfsFilerGrpc",
  "seaweedfsMetrics",
  "trino",
  "superset",
] as const;
export type PortName = (typeof PORT_NAMES)[number];

/** Trino's names of its JDBC catalog, and of SeaweedFS's REST catalog. */
export const CATALOG = "iceberg";
export const REST_CATALOG = "rest";
export const SCHEMA = "lakehouse";

/** The same in every stack, and in compose unless its .env overrides them. */
export const BUCKETS = {
  /** Raw files. */
  raw: "lakehouse",
  /** Iceberg tables. */
  warehouse: "lakehouse-warehouse",
  /** Watched for <table>/<file>.csv. */
  drops: "csv-uploads",
  /** Staged micro-batches. */
  staging: "lakehouse-staging",
} as const;

/**
 * The bucket of the REST catalog's tables: SeaweedFS keeps tables in buckets of their own kind. Its name is
 * the catalog's warehouse.
 */
export const TABLE_BUCKET = "lakehouse-tables";

/** What a client of the Iceberg REST catalog needs, besides the S3 keys. */
export interface RestCatalogSettings {
  uri: string;
  warehouse: string;
  /** OAuth2 client credentials: `id:secret`. */
  credential: string;
  oauth2ServerUri: string;
}

/** What a stack keeps across stops and starts: ports and keys. */
export interface StackSettings {
  ports: Record<PortName, number>;
  s3: { endpoint: string; region: string; accessKey: string; secretKey: string };
  buckets: typeof BUCKETS;
  /** Superset's administrator, and the key that signs sessions and encrypts stored connections. */
  superset: { user: string; password: string; secretKey: string };
  /** 22 characters of URL-safe base64, Kafka's format. */
  kafkaClusterId: string;
}

/**
 * The settings of the stack in `data`: the stored ones if it has run before, else free ports and new random
 * keys.
 * @throws PORT_IN_USE if one of its ports is in use.
 */
export async function loadSettings(
  data: string,
  fixedPorts: Readonly<Partial<Record<PortName, number>>>,
): Promise<StackSettings> {
  const before = await readSettings(data);
  const ports = await choosePorts(PORT_NAMES, { ...before?.ports, ...fixedPorts });
  const settings: StackSettings = {
    ports,
    s3: {
      region: "us-east-1",
      accessKey: `T${randomBytes(9).toString("hex").toUpperCase()}`,
      secretKey: random(),
      ...before?.s3,
      endpoint: `http://${HOST}:${ports.s3}`,
    },
    buckets: BUCKETS,
    superset: before?.superset ?? { user: "admin", password: random(), secretKey: random() },
    kafkaClusterId: before?.kafkaClusterId ?? randomBytes(16).toString("base64url"),
  };
  await writeFile(settingsPath(data), JSON.stringify(settings, undefined, 2), { mode: 0o600 });
  return settings;
}

export function restCatalogOf({ ports, s3 }: StackSettings): RestCatalogSettings {
  const uri = `http://${HOST}:${ports.restCatalog}`;
  return {
    uri,
    warehouse: TABLE_BUCKET,
    credential: `${s3.accessKey}:${s3.secretKey}`,
    oauth2ServerUri: `${uri}/v1/oauth/tokens`,
  };
}

/** The settings of a stack that has run before. */
export async function readSettings(data: string): Promise<StackSettings | undefined> {
  const path = settingsPath(data);
  return existsSync(path) ? (JSON.parse(await readFile(path, "utf8")) as StackSettings) : undefined;
}

const random = (): string => randomBytes(24).toString("base64url");

const settingsPath = (data: string): string => join(data, "settings.json");
