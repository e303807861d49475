import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Kafka } from "kafkajs";
import { systemClock } from "../../../../lib/clock.ts";
import { KafkaConnection } from "../../../../lib/event-log/kafka/connection.ts";

interface Metadata {
  topicMetadata: { topic: string; partitionMetadata: { partitionId: number; leader: number }[] }[];
}

/** kafkajs's cluster as far as leaders need it. Every topic has one partition, except those that do not exist. */
class FakeCluster {
  readonly brokerPool: { metadata: Metadata | null } = { metadata: null };
  readonly loads: string[][] = [];
  readonly #missing: ReadonlySet<string>;
  #targets = new Set<string>();

  constructor(missing: readonly string[] = []) {
    this.#missing = new Set(missing);
  }

  connect = (): Promise<void> => Promise.resolve();
  disconnect = (): Promise<void> => Promise.resolve();
  refreshMetadata = (): Promise<void> => Promise.resolve();

  async addMultipleTargetTopics(topics: string[]): Promise<void> {
    this.loads.push(topics);
    const targets = new Set([...this.#targets, ...topics]);
    await new Promise(setImmediate);
    if ([...targets].some((topic) => this.#missing.has(topic)))
      throw Object.assign(new Error("no such topic"), { type: "UNKNOWN_TOPIC_OR_PARTITION" });
    this.#targets = targets;
    const partitionMetadata = [{ partitionId: 0, leader: 1 }];
    this.brokerPool.metadata = { topicMetadata: [...targets].map((topic) => ({ topic, partitionMetadata })) };
  }
}

const connectionTo = (cluster: FakeCluster): KafkaConnection =>
  new KafkaConnection({ [Symbol("private:Kafka:createCluster")]: () => cluster } as unknown as Kafka, systemClock);

const leaderOf = async (connection: KafkaConnection, topic: string): Promise<number | undefined> =>
  [...(await connection.leaders([{ topic, partition: 0 }])).keys()][0];

describe("KafkaConnection", () => {
  it("loads the metadata of many topics together, and once", async () => {
    const cluster = new FakeCluster();
    const connection = connectionTo(cluster);
    const topics = Array.from({ length: 100 }, (_, n) => `t${n}`);
    const leaders = await Promise.all(topics.map((topic) => leaderOf(connection, topic)));
    assert.deepEqual(new Set(leaders), new Set([1]));
    assert.ok(cluster.loads.length <= 2, `${cluster.loads.length} loads`);
    await Promise.all(topics.map((topic) => leaderOf(connection, topic)));
    assert.ok(cluster.loads.length <= 2, "none is loaded again");
  });

  it("fails for a topic that does not exist, and for no other that was asked for with it", async () => {
    const connection = connectionTo(new FakeCluster(["gone"]));
    const asked = ["a", "gone", "b"].map((topic) => leaderOf(connection, topic));
    const [a, gone, b] = await Promise.allSettled(asked);
    assert.deepEqual([a, b].map((settled) => settled!.status), ["fulfilled", "fulfilled"]); // prettier-ignore
    assert.equal(gone!.status, "rejected");
    assert.equal(await leaderOf(connection, "c"), 1, "later ones are not affected either");
  });
});
