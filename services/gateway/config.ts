import { z } from "zod";
import { scopes, type AccessScope } from "../../lib/process/api-keys.ts";
import {
  byteSize,
  count,
  duration,
  maintenanceSettings,
  numberText,
  parsingSettings,
  platformSettings,
  port,
} from "../../lib/process/config.ts";

const list = z.string().transform((text) =>
  text
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean),
);

/** Parses "loaders=upload+read, ops=admin" into the scopes of each value. */
const scopesMap = list.transform((entries, context): ReadonlyMap<string, readonly AccessScope[]> => {
  const known = (name: string): name is AccessScope => (scopes as readonly string[]).includes(name);
  const pairs = entries.map((entry): [string, readonly AccessScope[]] => {
    const at = entry.lastIndexOf("=");
    const names = entry.slice(at + 1).split("+");
    if (at < 1 || !names.every(known)) {
      context.addIssue(
        `invalid mapping '${entry}': write value=scope or value=scope+scope, with scopes of ${scopes.join(", ")}`,
      );
      return [entry, []];
    }
    return [entry.slice(0, at), names];
  });
  return new Map(pairs);
});

/**
 * Asymmetric signatures only: `none` proves nothing, and with HMAC the public key would serve as the secret.
 */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

const algorithms = list.refine((names) => names.length > 0 && names.every((name) => ALGORITHMS.includes(name)), {
  message: `use one or more of ${ALGORITHMS.join(", ")}`,
});

/** The gateway's settings, by environment variable, with every limit that a request can reach. */
export const gatewaySettings = {
  TRIBUTARY_HOST: z
    .string()
    .default("127.0.0.1")
    .describe("address to listen on; an address that is not loopback requires API keys or a token issuer"),
  TRIBUTARY_PORT: port.default(8080).describe("0: any free port"),
  TRIBUTARY_API_KEYS_FILE: z
    .string()
    .optional()
    .describe(
      "YAML or JSON list of {id, sha256, scopes: [upload, read, query, admin], expiresAt?}; reloaded when it changes",
    ),
  TRIBUTARY_OIDC_ISSUER: z.url().optional().describe("OpenID issuer whose bearer tokens (JWT) are accepted"),
  TRIBUTARY_OIDC_AUDIENCE: z.string().optional().describe("required audience of tokens; needed with an issuer"),
  TRIBUTARY_OIDC_JWKS_URL: z
    .url()
    .optional()
    .describe("URL of the issuer's keys; default: from its discovery document"),
  TRIBUTARY_OIDC_ALGORITHMS: algorithms.prefault("RS256,PS256,ES256,EdDSA").describe("accepted signature algorithms"),
  TRIBUTARY_OIDC_CLOCK_TOLERANCE: duration
    .prefault("30s")
    .refine((ms) => ms <= 300_000, { message: "at most 5m" })
    .describe("allowed difference to the issuer's clock"),
  TRIBUTARY_OIDC_SCOPES_CLAIM: z
    .string()
    .default("scope")
    .describe("claim with the token's permissions: scope, scp, roles, realm_access.roles …; words or a list"),
  TRIBUTARY_OIDC_SCOPES_PREFIX: z
    .string()
    .default("tributary:")
    .describe("prefix of a scope in that claim: tributary:upload grants upload"),
  TRIBUTARY_OIDC_SCOPES_MAP: scopesMap
    .prefault("")
    .describe("scopes granted by other values of the claim: data-loaders=upload+read,platform-team=admin"),
  TRIBUTARY_TLS_CERT_FILE: z
    .string()
    .optional()
    .describe("PEM certificate (chain) for HTTPS; reloaded when it changes"),
  TRIBUTARY_TLS_KEY_FILE: z.string().optional().describe("PEM key of the certificate"),
  TRIBUTARY_TRUSTED_PROXIES: list
    .optional()
    .describe("addresses or networks of proxies whose X-Forwarded-For and -Proto are trusted, comma-separated"),
  TRIBUTARY_AUDIT_FILE: z
    .string()
    .optional()
    .describe("audit log as JSON lines: changes and refused requests; default: in the log, with `audit: true`"),
  TRIBUTARY_UPLOAD_SIZE_MAX: byteSize.prefault("64GB").describe("largest size of one file, as stored"),
  TRIBUTARY_UPLOADS_MAX: count.default(32).describe("concurrent uploads; beyond: 503 with Retry-After"),
  TRIBUTARY_UPLOAD_IDLE_MAX: duration
    .prefault("60s")
    .describe("a request body or dropped file without a byte for this long is refused"),
  TRIBUTARY_UPLOAD_RATE_MIN: byteSize
    .prefault("1KB")
    .describe("a request body or dropped file that is slower per second, over TRIBUTARY_UPLOAD_IDLE_MAX, is refused"),
  TRIBUTARY_DISK_FREE_MIN: platformSettings.TRIBUTARY_DISK_FREE_MIN,
  ...parsingSettings,
  TRIBUTARY_MULTIPART_FILES_MAX: count.default(1000).describe("largest number of files in one multipart upload"),
  TRIBUTARY_WAIT_MAX: duration.prefault("10m").describe("longest `timeout` of ?wait=committed"),
  TRIBUTARY_WAITERS_MAX: count.default(1000).describe("concurrent waiting requests; beyond: 503 with Retry-After"),
  TRIBUTARY_PREVIEW_SIZE_MAX: byteSize.prefault("1MB").describe("text that a preview reads at most"),
  TRIBUTARY_QUERY_ROWS_MAX: count
    .default(10_000)
    .describe("largest number of rows in a query result; a cut result has `truncated: true`"),
  TRIBUTARY_QUERY_TIMEOUT: duration.prefault("60s"),
  TRIBUTARY_QUERIES_MAX: count.default(16).describe("concurrent queries; beyond: 503 with Retry-After"),
  TRIBUTARY_DROPS_POLL: duration
    .optional()
    .describe("time between two listings of the drops; default 5s for a bucket, 500ms for a folder"),
  TRIBUTARY_DROPS_SETTLE: duration
    .optional()
    .describe("a file in a folder counts as complete after this long without a change; default 1s"),
  TRIBUTARY_DROPS_DELETIONS_MAX: z.coerce
    .number()
    .int()
    .min(0)
    .max(100)
    .default(50)
    .describe(
      "percent of a folder's dropped files that may be deleted at once; beyond, from two files on, deletions wait for `tributary drops confirm`; 100: no limit",
    ),
  TRIBUTARY_FILES_REMEMBERED: count
    .default(100_000)
    .describe("number of newest files with their status in memory; older ones are read from _ingest_files"),
  TRIBUTARY_EVENT_STREAMS_MAX: count.default(100).describe("concurrent clients of /v1/events"),
  TRIBUTARY_RATE_LIMIT: numberText("a whole number of at least 0")
    .int()
    .min(0)
    .default(0)
    .describe("requests per minute of one key id, token subject or, without either, address; beyond: 429; 0: no limit"),
  TRIBUTARY_AUTH_FAILURES_MAX: count
    .default(20)
    .describe(
      "failed authentications of one address per minute; beyond: 429, except for credentials that it used before",
    ),
  ...maintenanceSettings,
} as const;

/** The gateway's settings in a process's environment. */
export const gatewayConfig = z.object({ ...platformSettings, ...gatewaySettings });

export type GatewaySettings = z.infer<z.ZodObject<typeof gatewaySettings>>;
