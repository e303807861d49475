import assert from "node:assert/strict";
import { test } from "node:test";
import { TributaryError } from "../../../../lib/errors.ts";
import { fileSkips, parseEvents } from "../../../../lib/messages/avro.ts";
import { progressIn } from "../../../../lib/messages/progress.ts";
import { TOPICS } from "../../../../lib/messages/topics.ts";
import type { EventLog } from "../../../../lib/event-log/event-log.ts";
import { withFaults } from "../../../support/faults.ts";
import { fileIdOf, messagesOf, type TestFile } from "../../../support/row-messages.ts";
import { until } from "../../../support/until.ts";
import { all, commitsOf, makeWorld, send, settled, start, type World } from "../harness.ts";

const file = (sourceOffset: number, rows = 1): TestFile => ({
  ...{ table: "t", sourceFile: `f${sourceOffset}`, sourceOffset, columns: { id: "INTEGER" as const } },
  rows: Array.from({ length: rows }, (_, at) => [at]),
});

const cancel = (log: EventLog, cancelled: TestFile) =>
  log.publish(TOPICS.fileSkips.name, [
    {
      key: "t",
      value: fileSkips.encode({
        ...{ fileId: fileIdOf(cancelled), table: "t", reason: "wrong", requestedBy: "ann", requestedAtMs: 1 },
        cancelled: true,
      }),
    },
  ]);

const sendFiles = async (log: EventLog, ...files: TestFile[]): Promise<void> => {
  for (const one of files) await send(log, "t", messagesOf(one));
};

/** File names in the table, and the outcome of each file on record. */
function found({ warehouse }: World): { rows: string[]; outcomes: Record<string, string> } {
  const names = new Set((warehouse.tablesByName.get("t")?.rows ?? []).map((row) => row.file));
  const outcomes = [...warehouse.ledger.values()].map(({ outcome }) => [
    outcome.sourceFile,
    outcome.errorCode ?? outcome.status,
  ]);
  return { rows: [...names].toSorted(), outcomes: Object.fromEntries(outcomes) as Record<string, string> };
}

const announced = async (log: EventLog): Promise<string[]> =>
  (await all(log, TOPICS.parseEvents.name, parseEvents))
    .filter(({ progressJson }) => progressIn(progressJson)?.step === "commit")
    .map(({ fileId }) => fileId);

test("a cancel that is stored before the commit keeps the file out, and the files after it are committed", async () => {
  const world = await makeWorld();
  const committer = await start(world);
  await sendFiles(world.log, file(0));
  await settled(world.log, "t");
  await cancel(world.log, file(1));
  await sendFiles(world.log, file(1), file(2));
  await settled(world.log, "t");
  const outcomes = { f0: "committed", f1: "FILE_CANCELLED", f2: "committed" };
  assert.deepEqual(found(world), { rows: ["f0", "f2"], outcomes });
  const outcome = (await commitsOf(world.log))
    .flatMap(({ files }) => files)
    .find(({ sourceFile }) => sourceFile === "f1");
  assert.deepEqual([outcome?.status, outcome?.errorMessage], ["failed", "cancelled by ann: wrong"]);
  assert.equal((await world.log.offsets(TOPICS.deadLetters.name))[0]!.next, 0, "nobody has to replay it");
  await committer.drain();
});

test("a cancel that is stored before the writer opens is read before it commits anything", async () => {
  const world = await makeWorld();
  await cancel(world.log, file(1));
  const reading = withFaults(world.log, async (method, moment) => {
    // The rows arrive at once, the cancels late.
    if (method === "tail" && moment === "before") await new Promise((resolve) => setImmediate(resolve));
  });
  const committer = await start({ ...world, log: reading }, { settings: { announcedRowsMin: 3 } });
  await sendFiles(world.log, file(1, 5));
  await settled(world.log, "t");
  assert.deepEqual(found(world), { rows: [], outcomes: { f1: "FILE_CANCELLED" } });
  await committer.drain();
});

test("once the commit has begun a cancel is too late, whatever becomes of the attempt", async () => {
  const world = await makeWorld();
  let attempts = 0;
  const warehouse = withFaults(world.warehouse, async (method, moment) => {
    if (method !== "commit" || moment !== "before" || ++attempts !== 2) return;
    await cancel(world.log, file(1));
    throw new TributaryError("WAREHOUSE_TIMEOUT", "the outcome is not known");
  });
  const committer = await start({ log: world.log, warehouse });
  // The writer has opened when the next files arrive: those that were there before count as begun.
  await sendFiles(world.log, file(0));
  await settled(world.log, "t");
  await sendFiles(world.log, file(1), file(2));
  await settled(world.log, "t");
  assert.deepEqual(found(world).outcomes, { f0: "committed", f1: "committed", f2: "committed" });
  await committer.drain();
});

for (const { what, rows, isAnnounced, outcome } of [
  {
    what: "a large file whose commit was not announced is cancelled",
    rows: 5,
    isAnnounced: false,
    outcome: "FILE_CANCELLED",
  },
  { what: "a large file whose commit was announced is committed", rows: 5, isAnnounced: true, outcome: "committed" },
  { what: "a small file counts as begun", rows: 1, isAnnounced: false, outcome: "committed" },
]) {
  test(`a writer that opens decides as its predecessor did: ${what}`, async () => {
    const world = await makeWorld();
    const settings = { announcedRowsMin: 3 };
    // The predecessor dies in its commit, or before it.
    const never = new Promise<never>(() => undefined);
    let isCommitting = false;
    const dying = withFaults(world.warehouse, (method, moment) => {
      if (method !== (isAnnounced ? "commit" : "describe") || moment !== "before") return;
      isCommitting = true;
      return never;
    });
    await start({ log: world.log, warehouse: dying }, { settings });
    await sendFiles(world.log, file(1, rows));
    await until("it is at the file", () => isCommitting);
    assert.deepEqual(await announced(world.log), isAnnounced ? [fileIdOf(file(1))] : []);
    world.log.kill("tributary-committer");
    await cancel(world.log, file(1));
    const successor = await start(world, { settings });
    await sendFiles(world.log, file(2));
    await settled(world.log, "t");
    assert.deepEqual(found(world).outcomes, { f1: outcome, f2: "committed" });
    assert.equal(found(world).rows.includes("f1"), outcome === "committed");
    await successor.drain();
  });
}
