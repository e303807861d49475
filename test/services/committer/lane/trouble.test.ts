import assert from "node:assert/strict";
import { test } from "node:test";
import { TributaryError, type ErrorCode } from "../../../../lib/errors.ts";
import { deadLetters, fileEvents } from "../../../../lib/messages/avro.ts";
import type { FileEvent } from "../../../../lib/messages/generated.ts";
import { TOPICS } from "../../../../lib/messages/topics.ts";
import type { MicroBatch } from "../../../../lib/warehouse/warehouse.ts";
import { withFaults } from "../../../support/faults.ts";
import { fileIdOf, messagesOf, type TestFile } from "../../../support/row-messages.ts";
import { until } from "../../../support/until.ts";
import { all, commitsOf, makeWorld, send, settled, start, type World } from "../harness.ts";

const file = (sourceOffset: number, over: Partial<TestFile> = {}): TestFile => ({
  table: "t",
  sourceFile: `f${sourceOffset}`,
  sourceOffset,
  columns: { id: "BIGINT" },
  rows: [[sourceOffset]],
  ...over,
});

/** The world's warehouse with a method that fails with a code while `fails` returns true. */
function failing(world: World, method: string, code: ErrorCode, fails: (args: readonly unknown[]) => boolean) {
  return withFaults(world.warehouse, (called, moment, args) => {
    if (called === method && moment === "before" && fails(args)) throw new TributaryError(code, `${code} for the test`);
  });
}

test("a file that the warehouse refuses fails alone and becomes a dead letter; its batch is committed", async () => {
  const world = await makeWorld(["t"], 0);
  const events = await Promise.all(
    [0, 1, 2, 3, 4].map(async (offset) => {
      const value = fileEvents.encode(fileEvent(offset));
      await world.log.publish(TOPICS.fileEvents.name, [{ key: "t", value }]);
      return value;
    }),
  );
  const isPoison = ([batch]: readonly unknown[]): boolean =>
    (batch as MicroBatch).files.some(({ sourceOffset }) => sourceOffset === 3);
  const warehouse = failing(world, "commit", "WAREHOUSE_FAILED", isPoison);
  await send(
    world.log,
    "t",
    [0, 1, 2, 3, 4].flatMap((offset) => messagesOf(file(offset))),
  );
  const committer = await start({ log: world.log, warehouse });
  await settled(world.log, "t");
  await committer.ready();
  assert.deepEqual(
    world.warehouse.rowsOf("t").map((row) => (row as { offset: number }).offset),
    [0, 1, 2, 4],
  );
  const outcomes = (await commitsOf(world.log)).flatMap(({ files }) => files);
  assert.deepEqual(
    outcomes.map(({ status, errorCode }) => errorCode ?? status),
    ["committed", "committed", "committed", "WAREHOUSE_FAILED", "committed"],
  );
  const letters = await all(world.log, TOPICS.deadLetters.name, deadLetters);
  assert.deepEqual(
    letters.map(({ fileId, errorCode, table }) => [fileId, errorCode, table]),
    [["f3@3", "WAREHOUSE_FAILED", "t"]],
  );
  assert.deepEqual(letters[0]?.event, events[3]);
  await committer.drain();
});

for (const step of ["commit", "record", "watermark", "describe"] as const) {
  test(`while ${step} keeps failing the table is reported as stuck; nothing is lost, and it recovers automatically`, async () => {
    const world = await makeWorld(["t", "other"]);
    let down = true;
    const about = ([first]: readonly unknown[]): boolean =>
      first === "t" || (first as MicroBatch).layout?.table === "t";
    const warehouse = failing(world, step, "WAREHOUSE_UNAVAILABLE", (args) => down && about(args));
    const committer = await start({ log: world.log, warehouse }, { settings: { commitsAtOnceMax: 1 } });
    for (let offset = 1; offset <= 60; offset++) await send(world.log, "t", messagesOf(file(offset)));
    await send(world.log, "other", messagesOf(file(1, { table: "other" })));
    await until("the service is not ready", () => committer.ready().then(() => false, () => true)); // prettier-ignore
    await assert.rejects(committer.ready(), { code: "WAREHOUSE_UNAVAILABLE" });
    assert.match(await committer.registry.metrics(), /tributary_committer_lane_stuck\{table="t"\} 1/);
    await settled(world.log, "other");
    assert.ok(world.warehouse.stages.length < 60, "it stages at most two micro-batches");
    down = false;
    await settled(world.log, "t");
    await committer.ready();
    assert.equal(world.warehouse.rowsOf("t").length, 60);
    assert.doesNotMatch(await committer.registry.metrics(), /tributary_committer_lane_stuck\{table="t"\}/);
    await committer.drain();
  });
}

test("a stuck table does not delay draining", async () => {
  const world = await makeWorld();
  const warehouse = failing(world, "commit", "WAREHOUSE_UNAVAILABLE", () => true);
  const committer = await start({ log: world.log, warehouse });
  await send(world.log, "t", messagesOf(file(1)));
  await until("the service is not ready", () => committer.ready().then(() => false, () => true)); // prettier-ignore
  await committer.drain();
  assert.equal(world.warehouse.ledger.size, 0);
});

test("a recreated log is refused, not skipped", async () => {
  const world = await makeWorld(["t"], 10);
  const first = await start(world);
  await send(world.log, "t", messagesOf(file(500)));
  await settled(world.log, "t");
  await first.drain();
  const second = await start(world);
  await until("the service is not ready", () => second.ready().then(() => false, () => true)); // prettier-ignore
  await assert.rejects(second.ready(), { code: "LOG_RECREATED" });
  await second.drain();
});

test("a staging failure ends the assignment, and everything is redelivered", async () => {
  const world = await makeWorld();
  let failures = 1;
  const warehouse = new Proxy(world.warehouse, {
    get(object, name) {
      const member: unknown = Reflect.get(object, name);
      if (typeof member !== "function") return member;
      if (name !== "stage") return member.bind(object) as unknown;
      return () => {
        const stage = object.stage();
        return new Proxy(stage, {
          get(inner, property) {
            if (property === "append" && failures-- > 0) return () => Promise.reject(new Error("disk trouble"));
            const found: unknown = Reflect.get(inner, property);
            return typeof found === "function" ? (found.bind(inner) as unknown) : found;
          },
        });
      };
    },
  });
  const committer = await start({ log: world.log, warehouse });
  await send(world.log, "t", messagesOf(file(1)));
  await settled(world.log, "t");
  assert.equal(world.warehouse.rowsOf("t").length, 1);
  await committer.drain();
});

test("a record that is not a row message is skipped, and its parse attempt fails with ROWS_MISSING", async () => {
  const world = await makeWorld();
  const committer = await start(world);
  const messages = messagesOf(file(1, { rows: [[1], [2], [3], [4]] }));
  await send(world.log, "t", messages.slice(0, 1));
  await world.log.publish("rows.t", [{ key: "t", value: Buffer.from("junk") }]);
  await send(world.log, "t", messages.slice(2));
  await settled(world.log, "t");
  assert.equal(world.warehouse.ledger.get("f1@1")?.outcome.errorCode, "ROWS_MISSING");
  assert.equal(world.warehouse.rowsOf("t").length, 0);
  await committer.drain();
});

function fileEvent(offset: number): FileEvent {
  return {
    fileId: fileIdOf(file(offset)),
    table: "t",
    sourceFile: `f${offset}`,
    kind: "put",
    origin: "upload",
    blobKey: "k",
    sizeBytes: 1,
    contentHash: "h",
    etag: null,
    receivedAtMs: 1,
    dialectJson: null,
    replayOf: null,
    versionOffset: null,
  };
}
