import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import fc from "fast-check";
import { hasCode } from "../../../../lib/errors.ts";
import { systemClock } from "../../../../lib/clock.ts";
import { topicPartitionName, type TopicPartition } from "../../../../lib/event-log/groups/assignment.ts";
import { isFenced, isMoving, isRebalancing, kafkaError } from "../../../../lib/event-log/kafka/errors.ts";
import {
  assignGeneration,
  decodeAssignment,
  decodeJoin,
  encodeAssignment,
  encodeJoin,
} from "../../../../lib/event-log/kafka/protocol.ts";
import { KafkaQueue } from "../../../../lib/event-log/kafka/queue.ts";
import { openEventLog, type KafkaTls } from "../../../../lib/event-log/open.ts";
import { selfSigned } from "../../../support/certificates.ts";

test("join requests and assignments round-trip through Kafka's encoding", () => {
  const request = { topics: ["rows.a", "rows.ü"], owned: ["rows.a/0"], generation: 7, draining: true };
  assert.deepEqual(decodeJoin(encodeJoin(request)), request);
  const places = [0, 2].map((partition) => ({ topic: "rows.a", partition }));
  assert.deepEqual(decodeAssignment(encodeAssignment(places)), places);
  assert.deepEqual(decodeAssignment(encodeAssignment([])), []);
  assert.deepEqual(decodeAssignment(Buffer.alloc(0)), []);
});

interface SimulatedMember {
  id: string;
  generation: number;
  owned: Set<string>;
  draining: boolean;
}

/** Runs one generation. Returns true if a member had to release a partition and so joins again. */
function rebalance(group: SimulatedMember[], counts: ReadonlyMap<string, number>, generation: number): boolean {
  const given = assignGeneration(
    group.map(({ id, draining, ...member }) => ({
      memberId: id,
      memberMetadata: encodeJoin({
        topics: [...counts.keys()],
        owned: [...member.owned],
        generation: member.generation,
        draining,
      }),
    })),
    counts,
  );
  const before = new Map(group.flatMap(({ id, owned }) => [...owned].map((name) => [name, id] as const)));
  let letGo = false;
  for (const member of group) {
    const names = new Set(given.get(member.id)!.map(topicPartitionName));
    for (const name of names) assert.ok(!before.has(name) || before.get(name) === member.id, `${name} is held by two`);
    letGo ||= [...member.owned].some((name) => !names.has(name));
    member.owned = names;
    member.generation = generation;
  }
  return letGo;
}

test("a rebalance ends balanced, and no partition ever has two owners", () => {
  const change = fc.oneof(
    fc.constant({ kind: "join" as const }),
    fc.record({ kind: fc.constant("leave" as const), who: fc.nat() }),
    fc.record({ kind: fc.constant("drain" as const), who: fc.nat() }),
    fc.record({ kind: fc.constant("topic" as const), partitions: fc.integer({ min: 1, max: 5 }) }),
  );
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const group: SimulatedMember[] = [];
      const counts = new Map<string, number>([["rows.0", 3]]);
      let generation = 0;
      for (const [index, at] of changes.entries()) {
        if (at.kind === "join") group.push({ id: `m${index}`, generation: -1, owned: new Set(), draining: false });
        else if (at.kind === "topic") counts.set(`rows.${index + 1}`, at.partitions);
        else if (group.length > 0 && at.kind === "leave") group.splice(at.who % group.length, 1);
        else if (group.length > 0 && at.kind === "drain") group[at.who % group.length]!.draining = true;
        let rounds = 0;
        while (rebalance(group, counts, ++generation)) assert.ok(++rounds < 5, "settles");
        const takers = group.filter(({ draining }) => !draining);
        const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
        const held = group.flatMap(({ owned }) => [...owned]);
        assert.equal(new Set(held).size, held.length, "one owner each");
        if (takers.length === 0) continue;
        assert.equal(held.length, all, "every partition has an owner");
        const loads = takers.map(({ owned }) => owned.size);
        assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `loads ${loads.join()}`);
      }
    }),
  );
});

test("the newer of two claims to a partition wins", () => {
  const claim = (memberId: string, generation: number) => ({
    memberId,
    memberMetadata: encodeJoin({ topics: ["t"], owned: ["t/0"], generation, draining: false }),
  });
  const given = assignGeneration([claim("a", 4), claim("b", 5)], new Map([["t", 1]]));
  const names = (places: readonly TopicPartition[] | undefined) => places?.map(topicPartitionName);
  assert.deepEqual([names(given.get("a")), names(given.get("b"))], [[], ["t/0"]]);
});

test("kafkajs errors are converted to the port's errors at any nesting depth", () => {
  const protocol = (type: string) => Object.assign(new Error(type), { type });
  const wrapped = (type: string) => new Error("retries exceeded", { cause: new Error("x", { cause: protocol(type) }) });
  const codeOf = (thrown: unknown) => kafkaError(thrown, "it failed").code;
  assert.equal(codeOf(wrapped("UNKNOWN_TOPIC_OR_PARTITION")), "LOG_TOPIC_UNKNOWN");
  assert.equal(codeOf(wrapped("MESSAGE_TOO_LARGE")), "LOG_RECORD_TOO_LARGE");
  assert.equal(codeOf(new Error("ECONNREFUSED")), "LOG_UNAVAILABLE");
  assert.equal(codeOf("odd"), "LOG_UNAVAILABLE");
  assert.equal(kafkaError(wrapped("NOT_LEADER_FOR_PARTITION"), "x").retryable, true);
  assert.equal(kafkaError(wrapped("TOPIC_AUTHORIZATION_FAILED"), "x").retryable, false);
  const own = kafkaError(wrapped("MESSAGE_TOO_LARGE"), "x");
  assert.equal(kafkaError(own, "again"), own);
  assert.ok(isFenced(wrapped("UNKNOWN_MEMBER_ID")));
  assert.ok(isRebalancing(wrapped("REBALANCE_IN_PROGRESS")));
  assert.ok(!isFenced(new Error("x")));
  // The response of a Kafka that has just started to its first group.
  assert.ok(isMoving(wrapped("NOT_COORDINATOR_FOR_GROUP")) && isMoving(wrapped("GROUP_LOAD_IN_PROGRESS")));
  assert.ok(!isMoving(wrapped("GROUP_AUTHORIZATION_FAILED")) && !isMoving(new Error("x")));
});

test("a queue stays within its bound, delivers in order and clears on a move", async () => {
  let wakes = 0;
  const queue = new KafkaQueue("t", 0, 1000, () => wakes++);
  const record = (offset: number, bytes: number) => ({
    ...{ topic: "t", partition: 0, offset, key: null, timestampMs: 0 },
    value: Buffer.alloc(bytes),
  });
  const { signal } = new AbortController();
  assert.equal(queue.room(), 1000);
  queue.deliver([record(0, 400), record(1, 700), record(2, 300)]);
  assert.equal(queue.room(), 0);
  assert.deepEqual(
    (await queue.take(signal)).map(({ offset }) => offset),
    [0, 1],
  );
  assert.equal(queue.room(), 700);
  queue.moveTo(7);
  assert.deepEqual([queue.position, queue.room(), wakes], [7, 1000, 2]);
  const waiting = queue.take(signal);
  queue.deliver([]);
  queue.deliver([record(7, 5000)]);
  assert.deepEqual(
    (await waiting).map(({ offset }) => offset),
    [7],
  );
  const stopping = new AbortController();
  const none = queue.take(stopping.signal);
  stopping.abort();
  assert.deepEqual([await none, await queue.take(stopping.signal)], [[], []]);
});

test("unusable Kafka URLs are refused with the cause", async () => {
  const refused = async (url: string, credentials = {}) =>
    assert.rejects(openEventLog(url, { clock: systemClock, ...credentials }), (e) => hasCode(e, "CONFIG_INVALID"), url);
  await refused("kafka://");
  await refused("kafka://h:1?saslMechanism=magic", { username: "u", password: "p" });
  await refused("kafka://h:1?saslMechanism=plain");
  await refused("kafka://h:1?saslMechanism=plain", { username: "u", password: "p" });
  await refused("kafka://h:1", { saslMechanism: "plain", username: "u", password: "p" });
});

test("a password in a Kafka URL is refused and not repeated in the message", async () => {
  await assert.rejects(openEventLog("kafka://user:hunter2@broker:9092", { clock: systemClock }), (error) => {
    assert.ok(hasCode(error, "CONFIG_INVALID"));
    return !error.message.includes("hunter2");
  });
});

test("TLS: the broker's certificate is verified, and the client certificate is sent", async () => {
  const [own, client] = await Promise.all([selfSigned("broker"), selfSigned("client")]);
  const seen: string[] = [];
  const options = { ...own, ca: [client.cert], requestCert: true, rejectUnauthorized: true };
  const broker = createTlsServer(options, (socket) => {
    seen.push(String(socket.getPeerCertificate().subject.CN));
    socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(broker, "listening");
  broker.on("tlsClientError", () => seen.push("refused"));
  const url = `kafka://localhost:${(broker.address() as { port: number }).port}`;
  const connect = async (tls: KafkaTls | true): Promise<void> => {
    const log = await openEventLog(url, { clock: systemClock, tls });
    await assert.rejects(log.ready(), (error) => hasCode(error, "LOG_UNAVAILABLE"));
    await log.close();
  };
  await connect({ ca: [own.cert], ...{ cert: client.cert, key: client.key } });
  assert.deepEqual([...new Set(seen)], ["client"]);
  seen.length = 0;
  await connect({ ca: [client.cert], ...{ cert: client.cert, key: client.key } });
  await connect(true);
  await connect({ ca: [own.cert] });
  assert.ok(!seen.includes("client"));
  broker.close();
});

test("an unreachable Kafka fails with LOG_UNAVAILABLE, and close leaves no handle", async () => {
  const log = await openEventLog("kafka://127.0.0.1:1", { clock: systemClock });
  await assert.rejects(log.ready(), (error) => hasCode(error, "LOG_UNAVAILABLE") && error.retryable);
  const publishing = log.publish("t", [{ key: null, value: Buffer.from("x") }]);
  const refused = assert.rejects(publishing, (error) => hasCode(error, "LOG_UNAVAILABLE"));
  await log.close();
  await refused;
});
