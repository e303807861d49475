import { pino, type Logger } from "pino";
import { messageOf, TributaryError } from "../errors.ts";

export type { Logger };

export interface LoggerOptions {
  service: string;
  level: string;
  pretty?: boolean;
  /** Texts to redact in every line (see `secretsIn`). */
  secrets?: readonly string[];
}

const REDACTED = "[redacted]";

/** Logs JSON lines to standard error. Keys and secrets are redacted in every field. */
export function makeLogger({ service, level, pretty = false, secrets = [] }: LoggerOptions): Logger {
  const clean = cleaner(secrets);
  return pino(
    {
      level,
      base: { service },
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
    const file = pino.destination({ dest: path, append: true, mkdir: true, mode: 0o600, sync: true });
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
    .filter(([name]) => /(PASSWORD|SECRET|TOKEN|API_KEY)/.test(name) && !/_(FILE|URL)$/.test(name))
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

/** True if the backslash at `at` is itself escaped. */
function isEscaped(text: string, at: number): boolean {
  let before = 0;
  while (text[at - 1 - before] === "\\") before++;
  return before % 2 === 1;
}
