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
    .regex(/^[0-9a-f]{64}$/i, "the SHA-256 of the key, 64 hexadecimal digits")
    .toLowerCase(),
  scopes: z.array(z.enum(scopes)).min(1),
  /** The key is refused from then on. */
  expiresAt: z.iso
    .datetime({ offset: true, message: "a time in ISO 8601, for example 2027-01-31T00:00:00Z" })
    .optional(),
});
export type ApiKey = z.infer<typeof apiKeySchema>;

const LOOK_EVERY_MS = 1_000;

/**
 * The keys in the text of a keys file: a YAML or JSON list, which holds hashes only. Several keys may have one id: while a key is being
 * exchanged, the old and the new one are both good.
 * @throws CONFIG_INVALID naming every fault
 */
export function parseApiKeys(text: string, path: string): ApiKey[] {
  let document: unknown;
  try {
    document = parseYaml(text);
  } catch (error) {
    throw new TributaryError("CONFIG_INVALID", `TRIBUTARY_API_KEYS_FILE ${path}: ${messageOf(error)}`);
  }
  const parsed = z.array(apiKeySchema).min(1).safeParse(document);
  const faults = parsed.success
    ? doubles(parsed.data)
    : parsed.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`);
  if (parsed.success && faults.length === 0) return parsed.data;
  throw new TributaryError("CONFIG_INVALID", `TRIBUTARY_API_KEYS_FILE ${path}:\n  ${faults.join("\n  ")}`);
}

const doubles = (keys: readonly ApiKey[]): string[] =>
  keys.flatMap(({ sha256 }, index) =>
    keys.findIndex((key) => key.sha256 === sha256) < index ? [`${index}.sha256: the same key stands there twice`] : [],
  );

/** The keys that are good now. */
export interface ApiKeys {
  /** Who brings this secret. @throws UNAUTHENTICATED if the key has expired; undefined: no such key */
  callerOf(secret: string): Caller | undefined;
  /** Reads the file again whenever it changes. One that cannot be used leaves the keys as they are, and is told of as an error. */
  follow(): { close(): Promise<void> };
}

export interface ApiKeysOptions {
  clock: Clock;
  logger: Logger;
  /** Told whether the file as it stands is in use. */
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
  const tell = (what: string): void => {
    const expired = keys.filter((key) => hasExpired(key, clock)).map(({ id }) => id);
    logger.info({ keys: keys.length, ids: [...new Set(keys.map(({ id }) => id))], expired }, what);
  };
  tell("API keys read");
  return {
    callerOf(secret) {
      const hash = hashOf(secret);
      // All keys are compared, each in constant time.
      const [key] = keys.filter(({ sha256 }) => timingSafeEqual(hash, Buffer.from(sha256, "hex")));
      if (!key) return undefined;
      if (hasExpired(key, clock)) throw new TributaryError("UNAUTHENTICATED", `the API key '${key.id}' has expired`);
      const holds = (): boolean => keys.some(({ sha256 }) => sha256 === key.sha256) && !hasExpired(key, clock);
      return { kind: "key", id: key.id, scopes: key.scopes, holds };
    },
    follow: () =>
      followFiles([path], [text], {
        clock,
        everyMs: LOOK_EVERY_MS,
        take: ([changed]) => {
          keys = parseApiKeys(changed!, path);
          onState(false);
          tell("API keys read again");
        },
        onRefused: (detail) => {
          onState(true);
          logger.error({ path, detail }, "the changed keys file cannot be used: THE OLD API KEYS STAY IN FORCE");
        },
      }),
  };
}

const hasExpired = ({ expiresAt }: ApiKey, clock: Clock): boolean =>
  expiresAt !== undefined && Date.parse(expiresAt) <= clock.nowMs();
