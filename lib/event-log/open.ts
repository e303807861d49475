import type { Clock } from "../clock.ts";
import { TributaryError } from "../errors.ts";
import { EmbeddedEventLog } from "./embedded.ts";
import type { EventLog } from "./event-log.ts";
import { KafkaEventLog } from "./kafka.ts";

export interface OpenEventLogOptions {
  clock: Clock;
  /** Told of failures of the log's own background work; consumers have their own `onError`. */
  onError?: (thrown: unknown) => void;
  /** Kafka's SASL credentials; the URL names the mechanism. */
  username?: string;
  password?: string;
}

/**
 * Opens the event log that the URL names: `embedded:<folder>` or `kafka://host:port[,host:port][?tls=true&saslMechanism=…]`.
 * @throws URL_SCHEME_UNKNOWN, CONFIG_INVALID, LOG_IN_USE, LOG_UNAVAILABLE
 */
export async function openEventLog(url: string, options: OpenEventLogOptions): Promise<EventLog> {
  const [, scheme, rest] = /^([a-z0-9+.-]+):(.+)$/is.exec(url) ?? [];
  switch (scheme) {
    case "embedded":
      return new EmbeddedEventLog(rest!, options);
    case "kafka":
      return new KafkaEventLog(url, options);
    default:
      throw new TributaryError(
        "URL_SCHEME_UNKNOWN",
        `'${url}' is no event log: write embedded:<folder> or kafka://host:port`,
      );
  }
}
