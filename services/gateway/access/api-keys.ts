import { timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import type { Clock } from "../../../lib/clock.ts";
import { messageOf, TributaryError } from "../../../lib/errors.ts";
import { hashOf, scopes } from "../../../lib/process/api-keys.ts";
import { followFiles } from "../../../lib/process/followed-files.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { Caller } from "./caller.ts";

const apiKeySchema = z.strictObject({
  id: z.string().min(1).max(200),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, "must be the SHA-256 of the key, 64 hexadecimal digits")
    .toLowerCase(),
  scopes: z.array(z.enum(scopes)).min(1),
  /** From this time on the key is refused. */
  expiresAt: z.iso
    .datetime({ offset: true, message: "must be an ISO 8601 time with an offset, for example 2027-01-31T00:00:00Z" })
    .optional(),
});
export type ApiKey = z.infer<typeof apiKeySchema>;

const POLL_MS = 1_000;

/**
 * Parses a keys file: a YAML or JSON list that contains only hashes of keys. Several keys may share an id:
 * during a key rotation the old and the new key are both valid.
 * @throws CONFIG_INVALID naming every error
 */
export function parseApiKeys(text: string, path: string): ApiKey[] {
  let document: unknown;
  try {
    document = parseYaml(text);
  } catch (error) {
    throw new TributaryError("CONFIG_INVALID", `TRIBUTARY_API_KEYS_FILE ${path}: ${messageOf(error)}`);
  }
  const parsed = z.array(apiKeySchema).min(1).safeParse(document);
  const errors = parsed.success
    ? duplicates(parsed.data)
    : parsed.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  if (parsed.success && errors.length === 0) return parsed.data;
  throw new TributaryError("CONFIG_INVALID", `TRIBUTARY_API_KEYS_FILE ${path}:\n  ${errors.join("\n  ")}`);
}

const duplicates = (keys: readonly ApiKey[]): string[] =>
  keys.flatMap(({ sha256 }, index) =>
    keys.findIndex((key) => key.sha256 === sha256) < index ? [`${index}.sha256: duplicate key`] : [],
  );

/** The currently valid keys. */
export interface ApiKeys {
  /** The caller with this secret; undefined: unknown key. @throws UNAUTHENTICATED if the key has expired */
  callerOf(secret: string): Caller | undefined;
  /**
   * Reloads the file whenever it changes. An unusable file is logged as an error, and the old keys stay
   * valid.
   */
  follow(): { close(): Promise<void> };
}

export interface ApiKeysOptions {
  clock: Clock;
  logger: Logger;
  /** Called after each reload with whether the keys in use are older than the file. */
  onState: (isStale: boolean) => void;
}

/** Reads the keys file. @throws CONFIG_INVALID */
export function openApiKeys(path: string, { clock, logger, onState }: ApiKeysOptions): ApiKeys {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new TributaryError("CONFIG_INVALID", `TRIBUTARY_API_KEYS_FILE: ${messageOf(error)}`);
  }
  let keys = parseApiKeys(text, path);
  const logKeys = (message: string): void => {
    const expired = keys.filter((key) => hasExpired(key, clock)).map(({ id }) => id);
    logger.info({ keys: keys.length, ids: [...new Set(keys.map(({ id }) => id))], expired }, message);
  };
  logKeys("API keys loaded");
  return {
    callerOf(secret) {
      const hash = hashOf(secret);
      // Compare with all keys, each in constant time: the duration reveals nothing about them.
      const [key] = keys.filter(({ sha256 }) => timingSafeEqual(hash, Buffer.from(sha256, "hex")));
      if (!key) return undefined;
      if (hasExpired(key, clock))
        throw new TributaryError("UNAUTHENTICATED", `the API key '${key.id}' has expired: use a new key`);
      const isStillValid = (): boolean => keys.some(({ sha256 }) => sha256 === key.sha256) && !hasExpired(key, clock);
      return { kind: "key", id: key.id, scopes: key.scopes, isStillValid };
    },
    follow: () =>
      followFiles([path], [text], {
        clock,
        everyMs: POLL_MS,
        take: ([changed]) => {
          keys = parseApiKeys(changed!, path);
          onState(false);
          logKeys("API keys reloaded");
        },
        onRefused: (detail) => {
          onState(true);
          logger.error({ path, detail }, "cannot use the changed keys file: THE OLD API KEYS STAY VALID");
        },
      }),
  };
}

const hasExpired = ({ expiresAt }: ApiKey, clock: Clock): boolean =>
  expiresAt !== undefined && Date.parse(expiresAt) <= clock.nowMs();
