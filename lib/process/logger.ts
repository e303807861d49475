import { dirname } from "node:path";
import { pino, type Logger } from "pino";
import { messageOf, TributaryError } from "../errors.ts";
import { makeFolder } from "../folders.ts";

export type { Logger };

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
const LEVEL_DEFAULT = "info";

export interface LoggerOptions {
  /** Default: info, also for a text that is not a level: the start then reports it as an invalid setting. */
  level?: string | undefined;
  pretty?: boolean;
  /** Texts to redact in every line (see `secretsIn`). */
  secrets?: readonly string[];
}

const REDACTED = "[redacted]";

/**
 * Makes the logger of each service of the process, by name. They write JSON lines to standard error. Keys and
 * secrets are redacted in every field.
 */
export function makeLoggers({ level, pretty = false, secrets = [] }: LoggerOptions): (service: string) => Logger {
  const clean = cleaner(secrets);
  const root = pino(
    {
      level: LOG_LEVELS.find((known) => known === level) ?? LEVEL_DEFAULT,
      base: null,
      redact: {
        paths: [
          "*.secretKey",
          "*.password",
          "*.authorization",
          "*.apiKey",
          "req.headers.authorization",
          "headers.authorization",
        ],
        censor: REDACTED,
      },
      hooks: { streamWrite: clean },
      ...(pretty ? { transport: { target: "pino-pretty", options: { destination: 2, ignore: "pid,hostname" } } } : {}),
    },
    ...(pretty ? [] : [pino.destination(2)]),
  );
  return (service) => root.child({ service });
}

/**
 * The audit log: JSON lines in a separate file, each written synchronously.
 * @throws CONFIG_INVALID if the file cannot be opened
 */
export function makeAuditLogger(
  path: string,
  service: string,
  secrets: readonly string[],
  onError: (thrown: unknown) => void,
) {
  try {
    makeFolder(dirname(path));
    const file = pino.destination({ dest: path, append: true, mode: 0o600, sync: true });
    file.on("error", onError);
    const options = { base: { service, audit: true }, hooks: { streamWrite: cleaner(secrets) } };
    return pino(options, file);
  } catch (error) {
    throw new TributaryError("CONFIG_INVALID", `TRIBUTARY_AUDIT_FILE: ${messageOf(error)}`);
  }
}

/** For tests. */
export const silentLogger = (): Logger => pino({ level: "silent" });

/** Shorter texts occur in lines by chance. */
const SECRET_CHARS_MIN = 6;

/** The values of environment variables whose names mark them as secrets. */
export const secretsIn = (env: Readonly<Record<string, string | undefined>>): string[] =>
  Object.entries(env)
    .filter(([name]) => /(PASSWORD|SECRET|TOKEN|API_KEY|CREDENTIAL)/.test(name) && !/_(FILE|URL)$/.test(name))
    .flatMap(([, value]) => (value !== undefined && value.length >= SECRET_CHARS_MIN ? [value] : []));

/** API keys, signed tokens, and any text after the word Bearer. */
const CREDENTIALS = /\btby_[\w-]{20,}|\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*|(?<=\bBearer )[^\s"\\]{6,}/gi;
/** Control characters, escaped by JSON or raw, except the line breaks and tabs of stack traces. */
const CONTROLS = /\\u00(?:0[0-8bcef]|1[0-9a-f])|\\[bfr]|[\u007f-\u009f]/g;

/**
 * Returns a filter for finished log lines. It redacts secrets and replaces control characters, with which a
 * value from outside could move the cursor of a terminal that shows the log. Line breaks stay escaped in the
 * JSON; pino-pretty indents the text after them.
 */
export function cleaner(secrets: readonly string[]): (line: string) => string {
  const escaped = [...new Set(secrets.map((secret) => JSON.stringify(secret).slice(1, -1)))];
  return (line) => {
    let text = line;
    for (const secret of escaped) text = text.replaceAll(secret, REDACTED);
    return text
      .replace(CREDENTIALS, REDACTED)
      .replace(CONTROLS, (match, at: number, whole: string) => (isEscaped(whole, at) ? match : "\ufffd"));
  };
}

const TEXT_CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** As `cleaner`, for plain text: line breaks and tabs stay. */
export const textCleaner =
  (secrets: readonly string[]) =>
  (text: string): string =>
    secrets
      .reduce((cleaned, secret) => cleaned.replaceAll(secret, REDACTED), text)
      .replace(CREDENTIALS, REDACTED)
      .replace(TEXT_CONTROLS, "\ufffd");

/** True if the backslash at `at` is itself escaped. */
function isEscaped(text: string, at: number): boolean {
  let before = 0;
  while (text[at - 1 - before] === "\\") before++;
  return before % 2 === 1;
}
