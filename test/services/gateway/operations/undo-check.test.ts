/** The limits of the reading before an undo. */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { contractSchema } from "../../../../lib/contract/contract.ts";
import type { VersionEvent } from "../../../../lib/messages/repetition.ts";
import { checkRepetitions } from "../../../../services/gateway/operations/undo-check.ts";
import { lossRefusal } from "../../../../services/gateway/operations/undo.ts";
import { settingsOf } from "../gateway.ts";

type Deps = Parameters<typeof checkRepetitions>[0];

const contract = contractSchema.parse({ table: "t", writeMode: "upsert", key: ["k"] });
const loaded = new Map([["f", { fileId: "f", rowsRejected: 0, version: 1 }]]);

const version = (sizeBytes: number): VersionEvent =>
  ({ offset: 0, event: { fileId: "f", kind: "put", sourceFile: "a.csv", blobKey: "a", sizeBytes } }) as VersionEvent;

/** Readings that end only when they are stopped. `late`: the time is over when a reading begins. */
function deps({ late = false, draining = new AbortController().signal } = {}): { deps: Deps; readings: () => number } {
  let readings = 0;
  let over = (): void => undefined;
  const parse = async function* (_job: unknown, _read: unknown, signal: AbortSignal) {
    readings++;
    if (late) over();
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    yield* [];
  };
  const sleep = (_ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      over = resolve;
      signal.addEventListener("abort", () => resolve());
    });
  const parts = {
    blob: { get: async () => ({ body: Readable.from([]) }) },
    previews: { parse },
    clock: { sleep },
    schemas: new Map(),
    settings: settingsOf(),
    warehouse: { describe: async () => undefined },
    draining,
  };
  return { deps: parts as unknown as Deps, readings: () => readings };
}

const stay = new AbortController().signal;

test("what is too large, or takes too long, is not checked to its end, and the undo is refused", async () => {
  const large = deps();
  const huge = await checkRepetitions(large.deps, contract, { versions: [version(5 * 1024 ** 3)], loaded, gone: stay });
  assert.deepEqual([huge, large.readings()], [{ lost: [], complete: false }, 0]);
  const slow = deps({ late: true });
  const stopped = await checkRepetitions(slow.deps, contract, { versions: [version(10)], loaded, gone: stay });
  assert.deepEqual([stopped, slow.readings()], [{ lost: [], complete: false }, 1]);
  assert.equal(lossRefusal(stopped)?.code, "UNDO_REFUSED");
});

test("the reading ends with the client, and with the gateway", { timeout: 10_000 }, async () => {
  const versions = [version(10)];
  for (const [why, given, gone] of [
    [/the client has left/, deps(), AbortSignal.abort()],
    [/shutting down/, deps({ draining: AbortSignal.abort() }), stay],
  ] as const) {
    await assert.rejects(checkRepetitions(given.deps, contract, { versions, loaded, gone }), why);
  }
});

test("what has loaded nothing is not read", async () => {
  const given = deps();
  const checked = await checkRepetitions(given.deps, contract, {
    ...{ versions: [version(10)], loaded: new Map(), gone: stay },
  });
  assert.deepEqual([checked, given.readings()], [{ lost: [], complete: true }, 0]);
});
