import { z } from "zod";
import { TributaryError } from "../../lib/errors.ts";
import { duration, platformSettings, port, portUrls } from "../../lib/process/config.ts";
import type { SupersetAccess } from "./superset-api.ts";

const text = (value: string) => value;
const httpUrl = z.url({ protocol: /^https?$/, error: "is not a valid URL: use http://host:port" });

/** The registrar's settings in the environment. */
export const registrarConfig = z.object({
  ...platformSettings,
  TRIBUTARY_REGISTRAR_HOST: z.string().default("127.0.0.1").describe("address of /healthz, /readyz and /metrics"),
  TRIBUTARY_REGISTRAR_PORT: port.default(8086),
  TRIBUTARY_SUPERSET_URL: httpUrl.describe("Superset's URL, e.g. http://127.0.0.1:8088"),
  TRIBUTARY_SUPERSET_USER: z.string().default("admin").describe("may write databases, datasets, charts, dashboards"),
  TRIBUTARY_SUPERSET_PASSWORD: z.string().describe("the password of that user"),
  TRIBUTARY_SUPERSET_TRINO_URL: z
    .url({ protocol: /^trino$/, error: "is not a valid URL: use trino://user@host:port/catalog/schema" })
    .optional()
    .describe("Superset's URL of Trino (default: TRIBUTARY_WAREHOUSE_URL, as the user `superset`)"),
  TRIBUTARY_SUPERSET_RESYNC: duration
    .prefault(text("10m"))
    .describe("interval of the full comparison of datasets with tables"),
});

export type RegistrarConfig = z.infer<typeof registrarConfig>;

export interface RegistrarSettings {
  superset: SupersetAccess;
  /** trino://user[:password]@host:port/catalog/schema, as reachable from Superset. */
  trinoUrl: string;
  schema: string;
  /** Maximum time between two full comparisons with Superset. */
  resyncMs: number;
  /** Interval between two checks for due work. */
  tickMs: number;
  /** Pauses after failures double from the minimum to the maximum. */
  backoffMsMin: number;
  backoffMsMax: number;
}

const TICK_MS = 1_000;
const BACKOFF_MS_MIN = 1_000;
const BACKOFF_MS_MAX = 60_000;

/** @throws CONFIG_INVALID if Superset could not reach the tables */
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
      "set TRIBUTARY_SUPERSET_TRINO_URL: Superset cannot derive its Trino URL from a warehouse URL with TLS",
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
