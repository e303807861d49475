import { z } from "zod";
import { scopes, type AccessScope } from "../../lib/process/api-keys.ts";
import { byteSize, count, duration, maintenanceSettings, platformSettings, port } from "../../lib/process/config.ts";

const list = z.string().transform((text) =>
  text
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean),
);

/** "loaders=upload+read, ops=admin" → what each value gives. */
const scopesMap = list.transform((entries, context): ReadonlyMap<string, readonly AccessScope[]> => {
  const known = (name: string): name is AccessScope => (scopes as readonly string[]).includes(name);
  const pairs = entries.map((entry): [string, readonly AccessScope[]] => {
    const at = entry.lastIndexOf("=");
    const names = entry.slice(at + 1).split("+");
    if (at < 1 || !names.every(known)) {
      context.addIssue(`'${entry}' is no mapping: write value=scope or value=scope+scope, of ${scopes.join(", ")}`);
      return [entry, []];
    }
    return [entry.slice(0, at), names];
  });
  return new Map(pairs);
});

/** Signatures by a private key that only the issuer has. Never `none`, and no HMAC: its key would be the public one. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"];

const algorithms = list.refine((names) => names.length > 0 && names.every((name) => ALGORITHMS.includes(name)), {
  message: `of ${ALGORITHMS.join(", ")}`,
});

/** The gateway's settings, by environment variable. Every limit that a request can meet stands here. */
export const gatewaySettings = {
  TRIBUTARY_HOST: z
    .string()
    .default("127.0.0.1")
    .describe("address to listen on; any but a loopback address needs API keys or a token issuer"),
  TRIBUTARY_PORT: port.default(8080).describe("0: any free port"),
  TRIBUTARY_API_KEYS_FILE: z
    .string()
    .optional()
    .describe(
      "YAML or JSON list of {id, sha256, scopes: [upload, read, query, admin], expiresAt?}; read again when it changes",
    ),
  TRIBUTARY_OIDC_ISSUER: z.url().optional().describe("bearer tokens (JWT) of this OpenID issuer are taken too"),
  TRIBUTARY_OIDC_AUDIENCE: z.string().optional().describe("who a token must be meant for; needed with an issuer"),
  TRIBUTARY_OIDC_JWKS_URL: z.url().optional().describe("the issuer's keys; default: as its discovery document says"),
  TRIBUTARY_OIDC_ALGORITHMS: algorithms.prefault("RS256,PS256,ES256,EdDSA").describe("signatures taken"),
  TRIBUTARY_OIDC_CLOCK_TOLERANCE: duration
    .prefault("30s")
    .refine((ms) => ms <= 300_000, { message: "at most 5m" })
    .describe("how far the issuer's clock may be off"),
  TRIBUTARY_OIDC_SCOPES_CLAIM: z
    .string()
    .default("scope")
    .describe("claim that says what a token may do: scope, scp, roles, realm_access.roles …; words or a list"),
  TRIBUTARY_OIDC_SCOPES_PREFIX: z
    .string()
    .default("tributary:")
    .describe("before a scope in that claim: tributary:upload gives upload"),
  TRIBUTARY_OIDC_SCOPES_MAP: scopesMap
    .prefault("")
    .describe("what other values give: data-loaders=upload+read,platform-team=admin"),
  TRIBUTARY_TLS_CERT_FILE: z
    .string()
    .optional()
    .describe("PEM certificate (chain): the gateway speaks HTTPS; read again when it changes"),
  TRIBUTARY_TLS_KEY_FILE: z.string().optional().describe("its PEM key"),
  TRIBUTARY_TRUSTED_PROXIES: list
    .optional()
    .describe("addresses or networks of proxies whose X-Forwarded-For and -Proto are believed, comma-separated"),
  TRIBUTARY_AUDIT_FILE: z
    .string()
    .optional()
    .describe("JSON lines: who changed what, and who was refused; default: in the log, marked `audit: true`"),
  TRIBUTARY_UPLOAD_SIZE_MAX: byteSize.prefault("64GB").describe("stored bytes of one file"),
  TRIBUTARY_UPLOADS_MAX: count.default(32).describe("uploads at the same time; beyond: 503 with Retry-After"),
  TRIBUTARY_UPLOAD_IDLE_MAX: duration.prefault("60s").describe("an upload that moves no byte for so long is given up"),
  TRIBUTARY_DISK_FREE_MIN: byteSize
    .prefault("1GB")
    .describe("no upload begins when the blob store's volume would be left with less"),
  TRIBUTARY_MULTIPART_FILES_MAX: count.default(1000).describe("files in one multipart upload"),
  TRIBUTARY_WAIT_MAX: duration.prefault("10m").describe("longest `timeout` of ?wait=committed"),
  TRIBUTARY_WAITERS_MAX: count
    .default(1000)
    .describe("requests waiting at the same time; beyond: 503 with Retry-After"),
  TRIBUTARY_PREVIEW_SIZE_MAX: byteSize.prefault("1MB").describe("text that a preview looks at; the rest is not read"),
  TRIBUTARY_QUERY_ROWS_MAX: count.default(10_000).describe("rows of one answer; more are cut off and it says so"),
  TRIBUTARY_QUERY_TIMEOUT: duration.prefault("60s"),
  TRIBUTARY_QUERIES_MAX: count.default(16).describe("queries at the same time; beyond: 503 with Retry-After"),
  TRIBUTARY_DROPS_POLL: duration
    .optional()
    .describe("time between two listings of the drops; default 5s for a bucket, 500ms for a folder"),
  TRIBUTARY_DROPS_SETTLE: duration
    .optional()
    .describe("in a folder, a file that looked the same for so long is taken for whole; default 1s"),
  TRIBUTARY_FILES_REMEMBERED: count
    .default(100_000)
    .describe("newest files whose status is held in memory; older ones are read from _ingest_files"),
  TRIBUTARY_EVENT_STREAMS_MAX: count.default(100).describe("clients of /v1/events at the same time"),
  TRIBUTARY_RATE_LIMIT: z.coerce
    .number()
    .int()
    .min(0)
    .default(0)
    .describe("requests a minute of one key id, token subject or, without either, address; beyond: 429; 0: no limit"),
  TRIBUTARY_AUTH_FAILURES_MAX: count
    .default(20)
    .describe("failed authentications of one address in a minute; beyond: 429, whatever it brings"),
  ...maintenanceSettings,
} as const;

/** The gateway's settings in a process's environment. */
export const gatewayConfig = z.object({ ...platformSettings, ...gatewaySettings });

export type GatewaySettings = z.infer<z.ZodObject<typeof gatewaySettings>>;
