import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  assign,
  topicPartitionName,
  type Member,
  type TopicPartition,
} from "../../../../lib/event-log/groups/assignment.ts";
import { murmur2, partitionOfKey } from "../../../../lib/event-log/partitioner.ts";
import { subscribes } from "../../../../lib/event-log/groups/subscription.ts";

test("murmur2 matches Kafka's test vectors", () => {
  // The values of Kafka's UtilsTest.testMurmur2.
  const vectors: [string, number][] = [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ];
  for (const [key, hash] of vectors) assert.equal(murmur2(Buffer.from(key)), hash, key);
});

test("partitionOfKey is in range for any key", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 64 }), (key, partitions) => {
      const partition = partitionOfKey(key, partitions);
      return Number.isInteger(partition) && partition >= 0 && partition < partitions;
    }),
  );
});

test("subscribes: names and patterns, including stateful patterns", () => {
  assert.ok(subscribes(["a", "b"], "b"));
  assert.ok(!subscribes(["a"], "ab"));
  const sticky = /^rows\./gy;
  for (let n = 0; n < 3; n++) assert.ok(subscribes(sticky, "rows.x"));
  assert.ok(!subscribes(sticky, "x.rows."));
});

test("assign: one owner per partition, balanced, with no unnecessary moves", () => {
  const scenario = fc.record({
    partitions: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 5 }),
    members: fc.array(fc.record({ id: fc.nat(), draining: fc.constant(false) }), { minLength: 1, maxLength: 5 }),
    leaver: fc.nat(),
  });
  fc.assert(
    fc.property(scenario, ({ partitions, members, leaver }) => {
      const places = partitions.flatMap((count, topic) =>
        Array.from({ length: count }, (_, partition): TopicPartition => ({ topic: `t${topic}`, partition })),
      );
      const group: Member[] = members.map(() => ({ subscription: /t/, draining: false }));
      const owners = assign(group, places, new Map<string, Member>());
      assert.equal(owners.size, places.length);
      assertBalanced(group, owners);
      assert.deepEqual(assign(group, places, owners), owners, "no change, no moves");

      const left = group.filter((_, index) => index !== leaver % group.length);
      const after = assign(left, places, owners);
      if (left.length === 0) return assert.equal(after.size, 0);
      assertBalanced(left, after);
      for (const place of places) {
        const owner = owners.get(topicPartitionName(place))!;
        if (left.includes(owner))
          assert.equal(after.get(topicPartitionName(place)), owner, "a remaining member keeps its partitions");
      }
    }),
  );
});

test("assign: a draining member keeps its partitions and gets no new ones", () => {
  const draining: Member = { subscription: ["t"], draining: true };
  const fresh: Member = { subscription: ["t"], draining: false };
  const places = [0, 1, 2].map((partition) => ({ topic: "t", partition }));
  const owners = assign([draining, fresh], places, new Map([["t/0", draining]]));
  assert.deepEqual([...owners.values()], [draining, fresh, fresh]);
});

test("assign: only subscribers of a topic get its partitions", () => {
  const rows: Member = { subscription: /^rows\./, draining: false };
  const files: Member = { subscription: ["files"], draining: false };
  const places = ["rows.a", "rows.b", "files", "other"].map((topic) => ({ topic, partition: 0 }));
  const owners = assign([rows, files], places, new Map<string, Member>());
  assert.deepEqual(
    ["rows.a/0", "rows.b/0", "files/0", "other/0"].map((name) => owners.get(name)),
    [rows, rows, files, undefined],
  );
});

function assertBalanced(members: readonly Member[], owners: ReadonlyMap<string, Member>): void {
  const loads = members.map((member) => [...owners.values()].filter((owner) => owner === member).length);
  assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `loads ${loads.join(", ")}`);
}
