import { z } from "zod";
import { TributaryError } from "../../lib/errors.ts";
import { duration, platformSettings, port, portUrls } from "../../lib/process/config.ts";
import type { SupersetAccess } from "./superset-api.ts";

const text = (value: string) => value;
const httpUrl = z.url({ protocol: /^https?$/, error: "is no URL: write http://host:port" });

/** The registrar's settings in a process's environment. */
export const registrarConfig = z.object({
  ...platformSettings,
  TRIBUTARY_REGISTRAR_HOST: z.string().default("127.0.0.1").describe("where /healthz, /readyz and /metrics listen"),
  TRIBUTARY_REGISTRAR_PORT: port.default(8086),
  TRIBUTARY_SUPERSET_URL: httpUrl.describe("where Superset is, e.g. http://127.0.0.1:8088"),
  TRIBUTARY_SUPERSET_USER: z.string().default("admin").describe("may write databases, datasets, charts, dashboards"),
  TRIBUTARY_SUPERSET_PASSWORD: z.string().describe("the password of that user"),
  TRIBUTARY_SUPERSET_TRINO_URL: z
    .url({ protocol: /^trino$/, error: "is no URL: write trino://user@host:port/catalog/schema" })
    .optional()
    .describe("how Superset reaches Trino (default: TRIBUTARY_WAREHOUSE_URL, as the user `superset`)"),
  TRIBUTARY_SUPERSET_RESYNC: duration
    .prefault(text("10m"))
    .describe("how often datasets are compared with tables without a reason to"),
});

export type RegistrarConfig = z.infer<typeof registrarConfig>;

export interface RegistrarSettings {
  superset: SupersetAccess;
  /** trino://user[:password]@host:port/catalog/schema, for Superset. */
  trinoUrl: string;
  schema: string;
  /** Everything is compared with Superset at least so often. */
  resyncMs: number;
  /** How often the service looks whether something is to be done. */
  tickMs: number;
  /** Pauses after failures grow from the one to the other. */
  backoffMsMin: number;
  backoffMsMax: number;
}

const TICK_MS = 1_000;
const BACKOFF_MS_MIN = 1_000;
const BACKOFF_MS_MAX = 60_000;

/** @throws CONFIG_INVALID where Superset could not reach the tables */
export function registrarSettings(config: RegistrarConfig): RegistrarSettings {
  const trino = new URL(portUrls(config).warehouse);
  const [catalog, schema] = trino.pathname.split("/").filter(Boolean);
  const given = config.TRIBUTARY_SUPERSET_TRINO_URL;
  if (!/^trino/.test(trino.protocol) || !catalog || !schema) {
    throw new TributaryError(
      "CONFIG_INVALID",
      "Superset reads tables from Trino: TRIBUTARY_WAREHOUSE_URL must be trino://…",
    );
  }
  if (given === undefined && trino.protocol !== "trino:") {
    throw new TributaryError(
      "CONFIG_INVALID",
      "TRIBUTARY_SUPERSET_TRINO_URL is needed, since Trino is not open to Superset without further settings",
    );
  }
  return {
    superset: {
      url: config.TRIBUTARY_SUPERSET_URL.replace(/\/+$/, ""),
      user: config.TRIBUTARY_SUPERSET_USER,
      password: config.TRIBUTARY_SUPERSET_PASSWORD,
    },
    trinoUrl: given ?? `trino://superset@${trino.host}/${catalog}/${schema}`,
    schema,
    resyncMs: config.TRIBUTARY_SUPERSET_RESYNC,
    tickMs: TICK_MS,
    backoffMsMin: BACKOFF_MS_MIN,
    backoffMsMax: BACKOFF_MS_MAX,
  };
}
