/**
 * The committer crashes before and after every step of a micro-batch. Its successor, on the same log and
 * warehouse, must produce the same table, ledger and rejects as a run without a crash.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventLog } from "../../../../lib/event-log/event-log.ts";
import { GROUPS, TOPICS } from "../../../../lib/messages/topics.ts";
import { death, withFaults, type FaultMoment } from "../../../support/faults.ts";
import { messagesOf, type TestFile } from "../../../support/row-messages.ts";
import { until } from "../../../support/until.ts";
import { commitsOf, contracts, makeWorld, send, settled, start } from "../harness.ts";

const columns = { id: "BIGINT", name: "VARCHAR" } as const;
const version = (
  sourceOffset: number,
  sourceFile: string,
  rows: [number, string][],
  rejected: number[] = [],
): TestFile => ({
  table: "t",
  sourceFile,
  sourceOffset,
  columns,
  rows,
  rejected,
});

const FILES: TestFile[] = [
  version(1, "a", [[1, "one"], [2, "two"], [3, "three"]], [2]), // prettier-ignore
  version(2, "b", [[4, "four"]]),
  version(3, "a", [[1, "one"], [2, "zwei"]]), // prettier-ignore
  { ...version(4, "c", []), outcome: "failed" },
  version(5, "b", [], [1]),
  version(6, "d", [[1, "uno"], [9, "nine"]]), // prettier-ignore
];

const STEPS = ["describe", "ensureTable", "commit", "publish", "record", "ack"] as const;

/** The table needs no change for these files, and their records come with the rows. */
const STEPS_WITH_RECORDS = STEPS.filter((step) => step !== "ensureTable" && step !== "record");

/** A file before all others: the table and its published columns are there. */
const EARLIER = version(0, "z", [[0, "zero"]]);

for (const writeMode of ["replace", "append", "upsert"] as const) {
  for (const recordsWithRows of [false, true]) {
    for (const step of recordsWithRows ? STEPS_WITH_RECORDS : STEPS) {
      for (const moment of ["before", "after"] as const) {
        const how = recordsWithRows ? `${writeMode}, commits that write records` : writeMode;
        test(`${how}: a crash ${moment} ${step} changes nothing`, async () => {
          const declared = contracts({ table: "t", writeMode, key: writeMode === "upsert" ? ["id"] : [] });
          const crashed = await outcomeOf(declared, recordsWithRows, { step, moment });
          assert.deepEqual(crashed, await outcomeOf(declared, recordsWithRows));
        });
      }
    }
  }
}

/** The contents of the warehouse after all files, with or without a crash. */
async function outcomeOf(
  declared: ReturnType<typeof contracts>,
  recordsWithRows: boolean,
  death?: { step: (typeof STEPS)[number]; moment: FaultMoment },
): Promise<unknown> {
  const world = await makeWorld();
  world.warehouse.supports.recordsWithRows = recordsWithRows;
  if (recordsWithRows) {
    const first = await start(world, { contracts: declared });
    await send(world.log, "t", messagesOf(EARLIER));
    await settled(world.log, "t");
    await first.drain();
  }
  const first = FILES.slice(0, 3).flatMap((file) => messagesOf(file));
  const rest = FILES.slice(3).flatMap((file) => messagesOf(file));
  await send(world.log, "t", [...first, ...messagesOf(FILES[3]!).slice(0, 1)]);
  if (death) {
    await dieAt(world, declared, death.step, death.moment);
  }
  const successor = await start(world, { contracts: declared });
  await send(world.log, "t", rest.slice(messagesOf(FILES[3]!).slice(0, 1).length));
  await settled(world.log, "t");
  await successor.drain();
  const { warehouse, log } = world;
  const published = new Map(
    (await commitsOf(log)).flatMap(({ files }) => files.map((one) => [one.fileId, { ...one }])),
  );
  return {
    rows: warehouse.rowsOf("t"),
    ledger: [...warehouse.ledger]
      .map(([fileId, { outcome }]) => [fileId, outcome.status, outcome.rowsCommitted])
      .sort(),
    rejects: [...warehouse.rejected.keys()].sort(),
    published: [...published.values()].map(({ fileId, status, rowsRead }) => [fileId, status, rowsRead]).sort(),
  };
}

async function dieAt(
  world: Awaited<ReturnType<typeof makeWorld>>,
  declared: ReturnType<typeof contracts>,
  step: string,
  moment: FaultMoment,
): Promise<void> {
  let died = false;
  const plan = (method: string, when: FaultMoment, args: readonly unknown[]): Promise<void> | undefined => {
    const aboutCommit = method !== "publish" || args[0] === TOPICS.commits.name;
    if (method !== step || when !== moment || !aboutCommit || died) return undefined;
    died = true;
    return death();
  };
  const log = withFaults(world.log, async (method, when, args) => {
    if (method === "publish") await plan(method, when, args);
  });
  await start({ log: withDyingAck(log, plan), warehouse: withFaults(world.warehouse, plan) }, { contracts: declared });
  await until(`death ${moment} ${step}`, () => died);
  world.log.kill(GROUPS.committer);
}

/** The ack belongs to the assigned partition, not to the log. */
function withDyingAck(log: EventLog, plan: (...call: [string, FaultMoment, readonly unknown[]]) => unknown): EventLog {
  return new Proxy(log, {
    get(object, name) {
      const member: unknown = Reflect.get(object, name);
      if (name !== "consume") return member;
      return (...[options, assigned]: Parameters<EventLog["consume"]>) =>
        object.consume(options, (partition) => {
          if (partition.topic !== "rows.t") return assigned(partition);
          return assigned({
            topic: partition.topic,
            partition: partition.partition,
            signal: partition.signal,
            async ack(nextOffset) {
              await plan("ack", "before", []);
              await partition.ack(nextOffset);
              await plan("ack", "after", []);
            },
            confirm: () => partition.confirm(),
          });
        });
    },
  });
}
