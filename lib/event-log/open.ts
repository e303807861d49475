import type { Clock } from "../clock.ts";
import { TributaryError } from "../errors.ts";
import { EmbeddedEventLog } from "./embedded.ts";
import type { EventLog } from "./event-log.ts";

export interface OpenEventLogOptions {
  clock: Clock;
  /** Told of failures of the log's own background work; consumers have their own `onError`. */
  onError?: (thrown: unknown) => void;
}

/**
 * Opens the event log that the URL names: `embedded:<folder>`.
 * @throws URL_SCHEME_UNKNOWN, LOG_IN_USE, LOG_UNAVAILABLE
 */
export async function openEventLog(url: string, options: OpenEventLogOptions): Promise<EventLog> {
  const [, scheme, rest] = /^([a-z0-9+.-]+):(.+)$/is.exec(url) ?? [];
  switch (scheme) {
    case "embedded":
      return new EmbeddedEventLog(rest!, options);
    default:
      throw new TributaryError("URL_SCHEME_UNKNOWN", `'${url}' is no event log: write embedded:<folder>`);
  }
}
