import { pino, type Logger } from "pino";

export type { Logger };

/** JSON lines on standard error. Keys and secrets are redacted wherever they stand. */
export function makeLogger(options: { service: string; level: string; pretty?: boolean }): Logger {
  return pino(
    {
      level: options.level,
      base: { service: options.service },
      redact: {
        paths: [
          "*.secretKey",
          "*.password",
          "*.authorization",
          "*.apiKey",
          "req.headers.authorization",
          "headers.authorization",
        ],
        censor: "[redacted]",
      },
      ...(options.pretty
        ? { transport: { target: "pino-pretty", options: { destination: 2, ignore: "pid,hostname" } } }
        : {}),
    },
    ...(options.pretty ? [] : [pino.destination(2)]),
  );
}

/** For tests: says nothing. */
export const silentLogger = (): Logger => pino({ level: "silent" });
