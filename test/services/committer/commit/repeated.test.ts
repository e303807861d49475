import assert from "node:assert/strict";
import { test } from "node:test";
import { derivedFileId, isDerivedFileId } from "../../../../lib/file-id.ts";
import { messagesOf, type TestFile } from "../../../support/row-messages.ts";
import { commitsOf, contracts, makeWorld, send, settled, start, type World } from "../harness.ts";

const A = derivedFileId("a");
const B = derivedFileId("b");
const MODES = ["append", "replace"] as const;

const file = (sourceOffset: number, id: number): TestFile => ({
  table: "t",
  sourceFile: "f",
  sourceOffset,
  columns: { id: "BIGINT" },
  rows: [[id]],
});

/** Sends a file version under an id. */
const sendAs = (world: World, fileId: string, one: TestFile): Promise<void> =>
  send(
    world.log,
    "t",
    messagesOf(one).map((message) => ({ ...message, fileId })),
  );

const idsIn = (world: World): number[] => world.warehouse.rowsOf("t").map((row) => Number((row as { id: bigint }).id));

test("derived ids are UUIDs of version 8, equal for equal parts only", () => {
  assert.match(A, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.ok(isDerivedFileId(A));
  assert.equal(isDerivedFileId("0198f3a2-0000-7000-8000-000000000001"), false);
  assert.equal(derivedFileId("a"), A);
  assert.equal(new Set([derivedFileId("a", "b"), derivedFileId("ab", ""), derivedFileId("ab"), A]).size, 4);
});

for (const writeMode of MODES) {
  test(`${writeMode}: an event that comes twice in a micro-batch is one version`, async () => {
    const world = await makeWorld();
    await sendAs(world, A, file(1, 1));
    await sendAs(world, B, file(2, 2));
    await sendAs(world, A, file(3, 1));
    const committer = await start(world, { contracts: contracts({ table: "t", writeMode }) });
    await settled(world.log, "t");
    assert.deepEqual(idsIn(world), writeMode === "append" ? [1, 2] : [2]);
    assert.deepEqual([...world.warehouse.ledger.keys()], [A, B]);
    await committer.drain();
  });

  test(`${writeMode}: an event that comes again later is the version on record, also after a restart`, async () => {
    const world = await makeWorld();
    const options = { contracts: contracts({ table: "t", writeMode }) };
    const first = await start(world, options);
    await sendAs(world, A, file(1, 1));
    await settled(world.log, "t");
    await sendAs(world, B, file(2, 2));
    await settled(world.log, "t");
    await first.drain();
    const second = await start(world, options);
    await sendAs(world, A, file(3, 1));
    await settled(world.log, "t");
    assert.deepEqual(idsIn(world), writeMode === "append" ? [1, 2] : [2]);
    // Who waits for the repeated file gets its outcome.
    const last = (await commitsOf(world.log)).at(-1)!.files;
    assert.deepEqual(
      last.map(({ fileId, status, sourceOffset }) => [fileId, status, sourceOffset]),
      [[A, "committed", 1]],
    );
    assert.match(await second.registry.metrics(), /dropped_total\{.*reason="repeated_file".*\} 1/);
    await second.drain();
  });
}
