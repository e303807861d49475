import { TributaryError } from "../errors.ts";
import { EmbeddedEventLog, type EmbeddedEventLogOptions } from "./embedded/embedded-log.ts";
import type { EventLog } from "./event-log.ts";
import { KafkaEventLog, type KafkaEventLogOptions } from "./kafka/kafka-log.ts";

export type { KafkaTls } from "./kafka/kafka-log.ts";

/** Options of both adapters. Each adapter ignores the options of the other one. */
export interface OpenEventLogOptions extends EmbeddedEventLogOptions, KafkaEventLogOptions {}

/**
 * Opens the event log named by the URL: `embedded:<folder>` or
 * `kafka://host:port[,host:port][?tls=true&saslMechanism=…]`.
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
        `unknown event log URL '${url}': use embedded:<folder> or kafka://host:port`,
      );
  }
}
