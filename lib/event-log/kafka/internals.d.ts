/** Types of the kafkajs 2.2.4 internals that connection.ts uses. */
declare module "kafkajs/src/consumer/batch.js" {
  import type { Message } from "kafkajs";

  export interface FetchedMessage extends Message {
    key: Buffer | null;
    value: Buffer | null;
    timestamp: string;
    offset: string;
  }

  export interface FetchedPartition {
    partition: number;
    highWatermark: string;
    lastStableOffset?: string;
    abortedTransactions: unknown[];
    messages: FetchedMessage[];
  }

  /** The records of one partition in one fetch, without control records and aborted transactions. */
  export default class Batch {
    readonly messages: FetchedMessage[];
    readonly rawMessages: FetchedMessage[];
    constructor(topic: string, fetchedOffset: string, data: FetchedPartition);
    lastOffset(): string;
  }
}

declare module "kafkajs/src/network/requestQueue/index.js" {
  /** The requests of one connection to a broker. */
  export default class RequestQueue {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
  }
}
