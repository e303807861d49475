/** Files whose end cannot be decoded, or was never written: they end visibly and hold up no other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { INCOMPATIBLE } from "../../../../lib/messages/avro.ts";
import { hasCode } from "../../../../lib/errors.ts";
import { GROUPS } from "../../../../lib/messages/topics.ts";
import type { RowMessage } from "../../../../lib/messages/generated.ts";
import { messagesOf } from "../../../support/row-messages.ts";
import { until } from "../../../support/until.ts";
import { commitsOf, makeWorld, parsedFiles, send, settled, start, type World } from "../harness.ts";

const messages = (sourceOffset: number, rows = 1): RowMessage[] =>
  messagesOf({
    ...{ table: "t", sourceFile: `f${sourceOffset}`, sourceOffset, columns: { id: "BIGINT" } },
    rows: Array.from({ length: rows }, () => [sourceOffset]),
  });

const junk = ({ log }: World): Promise<unknown> => log.publish("rows.t", [{ key: "t", value: Buffer.from("junk") }]);

const outcomes = async ({ log }: World): Promise<string[]> =>
  (await commitsOf(log))
    .flatMap(({ files }) => files)
    .map(({ sourceFile, status, errorCode }) => `${sourceFile} ${errorCode ?? status}`);

test("a file whose end is damaged ends as ROWS_MISSING, and the files after it are committed", async () => {
  const world = await makeWorld(["t"], 0);
  await parsedFiles(world, 3);
  const committer = await start(world);
  await send(world.log, "t", messages(0).slice(0, -1));
  await junk(world);
  await send(world.log, "t", [...messages(1), ...messages(2)]);
  await settled(world.log, "t");
  assert.deepEqual(await outcomes(world), ["f0 ROWS_MISSING", "f1 committed", "f2 committed"]);
  await committer.drain();
});

test("a file without a decodable record is on record, also if no file follows it", async () => {
  for (const following of [[], [1]]) {
    const world = await makeWorld(["t"], 0);
    await parsedFiles(world, 1 + following.length);
    const committer = await start(world);
    await junk(world);
    await send(world.log, "t", following.flatMap((offset) => messages(offset))); // prettier-ignore
    await settled(world.log, "t");
    assert.deepEqual(await outcomes(world), ["f0 ROWS_MISSING", ...following.map((offset) => `f${offset} committed`)]);
    await committer.drain();
  }
});

test("a file that another version's parser began and never ended does not block its table", async () => {
  const world = await makeWorld(["t"], 0);
  await parsedFiles(world, 2);
  const committer = await start(world);
  await send(world.log, "t", [...messages(0).slice(0, -1), ...messages(1)]);
  await settled(world.log, "t");
  assert.deepEqual(await outcomes(world), ["f0 ROWS_MISSING", "f1 committed"]);
  await committer.drain();
});

test("a rows topic with several partitions is refused, and no other table waits for it", async () => {
  const world = await makeWorld(["u"], 0);
  await world.log.createTopics([{ name: "rows.t", partitions: 3, cleanup: "delete" }]);
  await parsedFiles(world, 1);
  const committer = await start(world);
  await send(world.log, "t", messages(0));
  await until("the committer is not ready", () =>
    committer.ready().then(
      () => undefined,
      (thrown: unknown) => hasCode(thrown, "CONFIG_INVALID") || undefined,
    ),
  );
  await send(world.log, "u", messagesOf({ table: "u", sourceFile: "g", sourceOffset: 5, columns: {}, rows: [] }));
  await settled(world.log, "u");
  assert.deepEqual(await outcomes(world), ["g committed"]);
  await committer.drain();
});

test("a record that only a newer version can read is never passed, and the committer is not ready", async () => {
  const world = await makeWorld(["t"], 0);
  await parsedFiles(world, 2);
  const committer = await start(world);
  await send(world.log, "t", messages(0));
  await world.log.publish("rows.t", [{ key: "t", value: Buffer.concat([INCOMPATIBLE, Buffer.from([3])]) }]);
  await send(world.log, "t", messages(1));
  await until("the committer is not ready", () =>
    committer.ready().then(
      () => undefined,
      (thrown: unknown) => hasCode(thrown, "MESSAGE_TOO_NEW") || undefined,
    ),
  );
  await until("the file before it is acked", async () => {
    const [acked] = await world.log.groupOffsets(GROUPS.committer, "rows.t");
    return acked?.offset === messages(0).length;
  });
  assert.deepEqual(await outcomes(world), ["f0 committed"]);
  await committer.drain();
});
