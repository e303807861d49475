import { statSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { DURATION_PATTERN, parseDuration } from "../durations.ts";
import { TributaryError } from "../errors.ts";
import { TOPICS } from "../messages/topics.ts";
import { hasOwn } from "../own.ts";
import "../schema-faults.ts";
import { LOG_LEVELS } from "./logger.ts";
import { unknownSettingFaults } from "./settings/unknown.ts";

/** A zod schema whose keys are the names of environment variables. */
export type SettingsSchema<Settings> = z.ZodType<Settings>;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads settings from text values (an environment). Blank values count as absent. The result is frozen.
 * @throws CONFIG_INVALID listing every fault, also names that no program of Tributary reads
 */
export function readConfig<Settings>(schema: SettingsSchema<Settings>, env: Environment): Settings {
  checkConfig([schema], env);
  return Object.freeze(schema.parse(givenOf(env)));
}

/**
 * Checks the settings of every service that a process runs, so that one start reports all faults.
 * @throws CONFIG_INVALID listing every fault once
 */
export function checkConfig(schemas: readonly SettingsSchema<unknown>[], env: Environment): void {
  const given = givenOf(env);
  const faults = schemas.flatMap((schema) => {
    const issues = schema.safeParse(given).error?.issues ?? [];
    return issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  });
  const all = [...new Set([...unknownSettingFaults(given), ...missingPartners(given), ...faults])];
  if (all.length > 0) throw new TributaryError("CONFIG_INVALID", `invalid settings:\n  ${all.join("\n  ")}`);
}

/** A setting, and another one without which it has no effect. */
const PARTNERS: readonly (readonly [string, string])[] = [
  ["TRIBUTARY_KAFKA_CERT_FILE", "TRIBUTARY_KAFKA_KEY_FILE"],
  ["TRIBUTARY_KAFKA_KEY_FILE", "TRIBUTARY_KAFKA_CERT_FILE"],
  ["TRIBUTARY_TLS_CERT_FILE", "TRIBUTARY_TLS_KEY_FILE"],
  ["TRIBUTARY_TLS_KEY_FILE", "TRIBUTARY_TLS_CERT_FILE"],
  ["TRIBUTARY_OIDC_ISSUER", "TRIBUTARY_OIDC_AUDIENCE"],
];

const missingPartners = (given: Readonly<Record<string, string>>): string[] =>
  PARTNERS.filter(([name, partner]) => hasOwn(given, name) && !hasOwn(given, partner)).map(
    ([name, partner]) => `${name}: needs ${partner}`,
  );

const givenOf = (env: Environment): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1].trim() !== ""),
  );

/** Settings and HTTP parameters: a number without a unit is milliseconds. */
const millisecondsOf = (text: string) => parseDuration(text, "ms");
const faultOf = (text: string): string => {
  const parsed = millisecondsOf(text);
  return "fault" in parsed ? parsed.fault : "";
};

/** "30s", "5m", "250ms", "2h", "7d" or bare milliseconds → milliseconds. */
export const duration = z
  .string()
  .regex(DURATION_PATTERN, { error: ({ input }) => faultOf(String(input)) })
  .transform((text, context): number => {
    const parsed = millisecondsOf(text);
    if ("ms" in parsed) return parsed.ms;
    context.addIssue(parsed.fault);
    return z.NEVER;
  });

/** "64MB", "512KiB", "2GB" or bare bytes → bytes (K = 1024). */
export const byteSize = z.string().transform((text, context): number => {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (!match) {
    context.addIssue(`invalid size '${text}': use for example 512KB, 64MB or 2GB`);
    return z.NEVER;
  }
  return Math.round(Number(match[1]) * 1024 ** " KMGT".indexOf(match[2]?.toUpperCase() || " "));
});

/** A number as text; for other text the message is "is not `what`". */
export const numberText = (what: string) =>
  z.coerce.number({ error: ({ code }) => (code === "invalid_type" ? `is not ${what}` : undefined) });

export const port = numberText("a port: use a whole number from 0 to 65535").int().min(0).max(65535);
export const count = numberText("a whole number of at least 1").int().min(1);
export const share = numberText("a number from 0 to 1").min(0).max(1);
export const flag = z.enum(["true", "false", "1", "0"]).transform((text) => text === "true" || text === "1");

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** A URL that can appear in messages and so must not contain a password. */
const place = z.string().refine((url) => !/^[a-z0-9+.-]+:\/\/[^/?#]*:[^/?#]*@/i.test(url), {
  message: "contains a password: use the separate setting (…_PASSWORD, …_SECRET_KEY)",
});

/** An Iceberg REST catalog and the login to it. */
const restCatalogSettings = {
  TRIBUTARY_REST_CATALOG_URI: place
    .optional()
    .describe("Iceberg REST catalog of the warehouse iceberg:, without /v1: https://host/api/catalog"),
  TRIBUTARY_REST_CATALOG_WAREHOUSE: z
    .string()
    .optional()
    .describe("the catalog's name for the warehouse: a name, ARN or URL"),
  TRIBUTARY_REST_CATALOG_PREFIX: z
    .string()
    .optional()
    .describe("prefix of the catalog's paths; default: what the catalog says"),
  TRIBUTARY_REST_CATALOG_CREDENTIAL: z.string().optional().describe("OAuth2 client credentials, `id:secret`"),
  TRIBUTARY_REST_CATALOG_OAUTH2_SERVER_URI: place
    .optional()
    .describe("where tokens come from; default: /v1/oauth/tokens of the catalog"),
  TRIBUTARY_REST_CATALOG_OAUTH2_SCOPE: z.string().optional().describe("scope of the token; default: `catalog`"),
  TRIBUTARY_REST_CATALOG_TOKEN: z.string().optional().describe("a token, instead of a credential"),
  TRIBUTARY_REST_CATALOG_SIGV4_SERVICE: z
    .enum(["glue", "s3tables"])
    .optional()
    .describe("sign requests for this service of AWS with the S3 keys, instead of a credential"),
  TRIBUTARY_REST_CATALOG_TRINO_NAME: z
    .string()
    .default("rest")
    .describe("Trino's name of this catalog: views of trusted rows name it, so that Trino finds their tables"),
} as const;

/**
 * The settings of every service: URLs and credentials of the ports. Secrets are read only from the
 * environment.
 */
export const platformSettings = {
  TRIBUTARY_DATA_DIR: z.string().default(".tributary").describe("data folder of the embedded adapters"),
  TRIBUTARY_DISK_FREE_MIN: byteSize
    .prefault("1GB")
    .describe(
      "uploads that would leave less free space on the volume of the blob store or the embedded event log are " +
        "refused; rows stop in the embedded log at half of it",
    ),
  TRIBUTARY_LOG_URL: place
    .optional()
    .describe("embedded:<folder> (default: in the data folder) or kafka://host:port[,host:port]"),
  TRIBUTARY_LOG_PARTITIONS: count
    .max(1_024, "use at most 1024")
    .default(TOPICS.fileEvents.partitions)
    .describe(
      "partitions of file events in a new event log: tables of one partition are parsed in order, those of others " +
        "side by side. An existing log keeps its number",
    ),
  TRIBUTARY_BLOB_URL: place.optional().describe("file:<folder> (default: in the data folder) or s3://bucket/prefix"),
  TRIBUTARY_DROPS_URL: place
    .optional()
    .describe("watched for <table>/<file>.csv: file:<folder> (default: in the data folder) or s3://bucket"),
  TRIBUTARY_WAREHOUSE_URL: place
    .optional()
    .describe(
      "duckdb:<file> (default: in the data folder), trino://user@host:port/catalog/schema (trino+https://… for TLS), " +
        "or iceberg:https://host?warehouse=name&namespace=name; iceberg: alone is the catalog of TRIBUTARY_REST_CATALOG_…",
    ),
  TRIBUTARY_COMMIT_ENGINE: z
    .enum(["auto", "iceberg", "trino"])
    .default("auto")
    .describe(
      "what commits to Iceberg tables: iceberg (DuckDB's writer, needs TRIBUTARY_REST_CATALOG_URI), trino, or auto: " +
        "iceberg where a REST catalog is set, with the trino:// of TRIBUTARY_WAREHOUSE_URL for what it cannot write",
    ),
  TRIBUTARY_STAGING_URL: place.optional().describe("location of rows staged for Trino: s3://bucket/prefix"),
  TRIBUTARY_CONTRACTS_DIR: z
    .string()
    .refine(isFolder, { error: ({ input }) => `${resolve(String(input))} is not a folder` })
    .optional()
    .describe("folder of the table contracts, *.yml, reread when one changes; default: contracts, if it exists"),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("OTLP/HTTP endpoint for traces of files, e.g. http://localhost:4318; default: no tracing"),
  TRIBUTARY_TRACES_SHARE: share.default(1).describe("share of files traced, 0 to 1"),
  TRIBUTARY_START_WAIT_MAX: duration
    .prefault("0s")
    .describe(
      "how long the start of a service waits for the event log, the blob store and the warehouse; " +
        "0: it ends at the first failure",
    ),
  TRIBUTARY_LOG_LEVEL: z.enum(LOG_LEVELS).default("info"),
  TRIBUTARY_METRICS_PUBLIC: flag
    .prefault("false")
    .describe("serve /metrics without a key; use it only in a trusted network"),
  TRIBUTARY_CA_FILE: z
    .string()
    .optional()
    .describe("PEM certificates to trust besides Node's own: for Kafka, S3, Trino, the token issuer"),
  TRIBUTARY_S3_ENDPOINT: place.optional(),
  TRIBUTARY_S3_REGION: z.string().default("us-east-1"),
  TRIBUTARY_S3_ACCESS_KEY: z.string().optional(),
  TRIBUTARY_S3_SECRET_KEY: z.string().optional(),
  TRIBUTARY_KAFKA_TLS: flag.prefault("false").describe("use TLS for Kafka; same as ?tls=true in its URL"),
  TRIBUTARY_KAFKA_CERT_FILE: z.string().optional().describe("PEM client certificate for Kafka; implies TLS"),
  TRIBUTARY_KAFKA_KEY_FILE: z.string().optional().describe("PEM private key of TRIBUTARY_KAFKA_CERT_FILE"),
  TRIBUTARY_KAFKA_SASL: z
    .enum(["plain", "scram-sha-256", "scram-sha-512"])
    .optional()
    .describe("SASL mechanism for Kafka; default: no SASL"),
  TRIBUTARY_KAFKA_USERNAME: z.string().optional(),
  TRIBUTARY_KAFKA_PASSWORD: z.string().optional(),
  TRIBUTARY_TRINO_PASSWORD: z.string().optional().describe("password for TRIBUTARY_WAREHOUSE_URL; needs TLS"),
  TRIBUTARY_TRINO_QUERY_MEMORY_MAX: byteSize
    .prefault("512MB")
    .describe("memory of one user's query on Trino, on each node and in total"),
  TRIBUTARY_TRINO_QUERY_SCAN_MAX: byteSize.prefault("16GB").describe("bytes that one user's query on Trino may scan"),
  TRIBUTARY_TRINO_QUERY_CPU_MAX: duration
    .prefault("4m")
    .describe("CPU time of one user's query on Trino, over all nodes and threads"),
  TRIBUTARY_COMMIT_MEMORY_MAX: byteSize
    .prefault("896MB")
    .describe("memory of DuckDB's Iceberg writer in one process; what is larger spills or is divided"),
  TRIBUTARY_DUCKDB_EXTENSIONS_DIR: z
    .string()
    .refine(isFolder, { error: ({ input }) => `${resolve(String(input))} is not a folder` })
    .optional()
    .describe("folder of DuckDB's extension files, for the warehouse iceberg:; `npm run duckdb-extensions` prints it"),
  ...restCatalogSettings,
} as const;

/** A default as it would be written in the environment. */
const text = (value: string) => value;

/** How much of a table's history is kept. The table's writer applies these settings. */
export const retentionSettings = {
  TRIBUTARY_RETENTION: duration.prefault(text("7d")).describe("age up to which snapshots and orphan files are kept"),
  TRIBUTARY_SNAPSHOTS_MAX: count
    .default(100)
    .describe(
      "snapshots kept per table; of older ones only the last of each hour (Trino's warehouse: all of the last hour)",
    ),
} as const;

/** Limits above which a table needs maintenance. The scheduler acts on them, the gateway reports them. */
export const maintenanceSettings = {
  ...retentionSettings,
  TRIBUTARY_OPTIMIZE_FILES: count
    .default(10)
    .describe("optimise a table before the cron time when merging small files would save this many files"),
  TRIBUTARY_OPTIMIZE_DELETES: numberText("a number above 0")
    .positive()
    .default(0.3)
    .describe("optimise a table before the cron time when it has this many delete files per data file"),
} as const;

/** Settings of every service that parses whole files. */
export const parsingSettings = {
  TRIBUTARY_PARSER_HEAP_MIB: count.default(512).describe("heap of one worker that parses files, in MiB"),
  TRIBUTARY_EXPANDED_BYTES_MAX: byteSize.prefault(text("64GB")).describe("bytes that a compressed file may expand to"),
  TRIBUTARY_ENCODED_BYTES_MAX: byteSize
    .prefault(text("128GB"))
    .describe("bytes that the rows and rejects of one file may take in the event log"),
  TRIBUTARY_ENCODED_RATIO_MAX: count
    .default(200)
    .describe("the same per stored byte of the file, checked beyond the first 100 MB"),
  TRIBUTARY_COLUMNS_MAX: count.max(5_000).default(2_000).describe("columns of one file"),
  TRIBUTARY_ROW_BYTES_MAX: byteSize.prefault(text("16MB")).describe("one row as it is in its file"),
} as const;

/** What `tributary doctor catalog` reads. */
export const restCatalogConfig = z.object({
  ...restCatalogSettings,
  TRIBUTARY_S3_REGION: platformSettings.TRIBUTARY_S3_REGION,
  TRIBUTARY_S3_ACCESS_KEY: platformSettings.TRIBUTARY_S3_ACCESS_KEY,
  TRIBUTARY_S3_SECRET_KEY: platformSettings.TRIBUTARY_S3_SECRET_KEY,
});

/** What `tributary catalog register` reads, beside the catalog. */
export const moveConfig = z.object({
  TRIBUTARY_WAREHOUSE_URL: platformSettings.TRIBUTARY_WAREHOUSE_URL,
  TRIBUTARY_TRINO_PASSWORD: platformSettings.TRIBUTARY_TRINO_PASSWORD,
  TRIBUTARY_REST_CATALOG_TRINO_NAME: restCatalogSettings.TRIBUTARY_REST_CATALOG_TRINO_NAME,
});

/** The catalog and the login that the settings name. */
export const restCatalogOf = (settings: z.infer<z.ZodObject<typeof restCatalogSettings>>) => ({
  uri: settings.TRIBUTARY_REST_CATALOG_URI,
  warehouse: settings.TRIBUTARY_REST_CATALOG_WAREHOUSE,
  prefix: settings.TRIBUTARY_REST_CATALOG_PREFIX,
  credential: settings.TRIBUTARY_REST_CATALOG_CREDENTIAL,
  oauth2ServerUri: settings.TRIBUTARY_REST_CATALOG_OAUTH2_SERVER_URI,
  oauth2Scope: settings.TRIBUTARY_REST_CATALOG_OAUTH2_SCOPE,
  token: settings.TRIBUTARY_REST_CATALOG_TOKEN,
  sigv4Service: settings.TRIBUTARY_REST_CATALOG_SIGV4_SERVICE,
});

export type PlatformSettings = z.infer<z.ZodObject<typeof platformSettings>>;

/** The port URLs, with the defaults of the embedded adapters. */
export function portUrls(settings: PlatformSettings): { log: string; blob: string; drops: string; warehouse: string } {
  const folder = settings.TRIBUTARY_DATA_DIR;
  return {
    log: settings.TRIBUTARY_LOG_URL ?? `embedded:${folder}/log`,
    blob: settings.TRIBUTARY_BLOB_URL ?? `file:${folder}/blobs`,
    drops: settings.TRIBUTARY_DROPS_URL ?? `file:${folder}/drops`,
    warehouse: settings.TRIBUTARY_WAREHOUSE_URL ?? `duckdb:${folder}/lakehouse.duckdb`,
  };
}
