import { pino, type Logger } from "pino";
import { cleaner } from "../../lib/process/logger.ts";

export interface CapturedLog {
  logger: Logger;
  /** The lines so far, parsed. */
  lines: Record<string, unknown>[];
  /** The lines so far, as text. */
  text(): string;
}

/** A logger that keeps its lines, formatted as the services' logs are. */
export function capturedLog(secrets: readonly string[] = []): CapturedLog {
  const written: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => {
    written.push(line);
    lines.push(JSON.parse(line) as Record<string, unknown>);
  };
  const logger = pino({ level: "trace", hooks: { streamWrite: cleaner(secrets) } }, { write });
  return { logger, lines, text: () => written.join("") };
}
