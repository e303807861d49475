import assert from "node:assert/strict";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import { test } from "node:test";
import "../../../../lib/event-log/kafka/connection.ts";

/** The parts of kafkajs's queue that its check of waiting requests uses. */
interface Queue {
  pending: unknown[];
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
}

test("kafkajs checks a connection's queue only while requests wait in it", () => {
  const logger = { debug: () => undefined, warn: () => undefined };
  const make = RequestQueue as unknown as new (options: object) => Queue;
  const queue = new make({ maxInFlightRequests: 0, requestTimeout: 1_000, clientId: "c", broker: "b", logger });
  queue.checkPendingRequests();
  assert.equal(queue.throttleCheckTimeoutId, null);
  queue.pending.push({});
  queue.checkPendingRequests();
  assert.notEqual(queue.throttleCheckTimeoutId, null);
  clearTimeout(queue.throttleCheckTimeoutId!);
});
