/** Compares the embedded log with a small model in random sequences of its operations. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { systemClock } from "../../../../lib/clock.ts";
import { EmbeddedEventLog } from "../../../../lib/event-log/embedded/embedded-log.ts";
import type { AssignedPartition, Consumer } from "../../../../lib/event-log/event-log.ts";
import { partitionOfKey } from "../../../../lib/event-log/partitioner.ts";
import { until } from "../../../support/until.ts";

const PARTITIONS = 3;
const TOPIC = "events";
const GROUP = "g";

interface Model {
  records: string[][];
  acked: number[];
}

/** The live system: at most two members, each with its assignments by partition. */
class Real {
  readonly folder: string;
  log!: EmbeddedEventLog;
  members: { consumer: Consumer; live: Map<number, { at: AssignedPartition; seen: string[]; from?: number }> }[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  async start(): Promise<void> {
    this.log = new EmbeddedEventLog(this.folder, { clock: systemClock });
    await this.log.createTopics([{ name: TOPIC, partitions: PARTITIONS, cleanup: "delete" }]);
  }

  async join(): Promise<void> {
    const live: Real["members"][number]["live"] = new Map();
    const consumer = await this.log.consume({ group: GROUP, topics: [TOPIC], fetchBytesMax: 300 }, (at) => {
      const state: { at: AssignedPartition; seen: string[]; from?: number } = { at, seen: [] };
      live.set(at.partition, state);
      return async (records) => {
        state.from ??= records[0]!.offset;
        state.seen.push(...records.map(({ value }) => value.toString()));
      };
    });
    this.members.push({ consumer, live });
  }

  owners(partition: number) {
    return this.members.map(({ live }) => live.get(partition)).filter((state) => state && !state.at.signal.aborted);
  }
}

type Step = fc.AsyncCommand<Model, Real>;

const publish = (keys: string[]): Step => ({
  check: () => true,
  async run(model, real) {
    const values = keys.map((key, index) => `${key}#${model.records.flat().length + index}`);
    const places = await real.log.publish(
      TOPIC,
      keys.map((key, index) => ({ key, value: Buffer.from(values[index]!) })),
    );
    keys.forEach((key, index) => {
      const partition = partitionOfKey(key, PARTITIONS);
      const offset = model.records[partition]!.push(values[index]!) - 1;
      assert.deepEqual(places[index], { partition, offset });
    });
  },
  toString: () => `publish(${keys.join()})`,
});

const joinGroup: Step = {
  check: () => true,
  async run(_model, real) {
    if (real.members.length < 2) await real.join();
  },
  toString: () => "join",
};

const leaveGroup: Step = {
  check: () => true,
  async run(_model, real) {
    await real.members.shift()?.consumer.close();
  },
  toString: () => "leave",
};

/** Every live owner has received all records from its group's ack, or from its own later acks, in order. */
const settle: Step = {
  check: () => true,
  async run(model, real) {
    if (real.members.length === 0) return;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const all = model.records[partition]!;
      const owner = await until("one owner that has seen everything", () => {
        const [state, ...others] = real.owners(partition);
        assert.equal(others.length, 0, "two live owners");
        if (!state) return undefined;
        return model.acked[partition] === all.length || (state.from ?? 0) + state.seen.length === all.length
          ? state
          : undefined;
      });
      assert.ok((owner.from ?? 0) <= model.acked[partition]! || owner.seen.length === 0, "skipped unacked records");
      assert.deepEqual(owner.seen, all.slice(owner.from ?? all.length, (owner.from ?? 0) + owner.seen.length));
    }
  },
  toString: () => "settle",
};

const ack = (partition: number, share: number): Step => ({
  check: () => true,
  async run(model, real) {
    const [owner] = real.owners(partition);
    if (!owner) return;
    const next = Math.floor(share * model.records[partition]!.length);
    await owner.at.ack(next);
    model.acked[partition] = Math.max(next, model.acked[partition]!);
  },
  toString: () => `ack(${partition}, ${share})`,
});

const restart: Step = {
  check: () => true,
  async run(model, real) {
    await real.log.close();
    real.members = [];
    await real.start();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const values: string[] = [];
      for await (const { value } of real.log.read(TOPIC, partition, 0)) values.push(value.toString());
      assert.deepEqual(values, model.records[partition]);
    }
    const acked = await real.log.groupOffsets(GROUP, TOPIC);
    const expected = model.acked.map((offset, partition) => ({ partition, offset }));
    assert.deepEqual(
      acked.filter(({ offset }) => offset > 0),
      expected.filter(({ offset }) => offset > 0),
    );
  },
  toString: () => "restart",
};

test("publish, consume, ack, join, leave and restart in any order match the model", async () => {
  const key = fc.constantFrom("a", "b", "c", "d", "e", "f");
  const steps = fc.commands(
    [
      fc.array(key, { maxLength: 6 }).map(publish),
      fc.constant(joinGroup),
      fc.constant(leaveGroup),
      fc.constant(settle),
      fc.tuple(fc.nat({ max: PARTITIONS - 1 }), fc.double({ min: 0, max: 1, noNaN: true })).map((at) => ack(...at)),
      fc.constant(restart),
    ],
    { maxCommands: 25 },
  );
  const run = async (commands: Iterable<Step>): Promise<void> => {
    const folder = await mkdtemp(join(tmpdir(), "tributary-model-"));
    const real = new Real(folder);
    try {
      await real.start();
      const model = { records: Array.from({ length: PARTITIONS }, () => []), acked: Array<number>(PARTITIONS).fill(0) };
      await fc.asyncModelRun(() => ({ model, real }), [...commands, settle, restart]);
    } finally {
      await real.log.close();
      await rm(folder, { recursive: true });
    }
  };
  await fc.assert(fc.asyncProperty(steps, run), { numRuns: 60, endOnFailure: true });
});
