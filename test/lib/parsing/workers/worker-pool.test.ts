import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { contractSchema } from "../../../../lib/contract/contract.ts";
import { DEFAULT_LIMITS } from "../../../../lib/parsing/limits.ts";
import { workerPool } from "../../../../lib/parsing/workers/worker-pool.ts";
import { until } from "../../../support/until.ts";

const job = (storedBytes: number) => ({
  fileName: "a.csv",
  contract: contractSchema.parse({ table: "t" }),
  requested: {},
  known: [],
  origin: { sourceFile: "a.csv", sourceOffset: 1, receivedAtMs: 1 },
  storedBytes,
  limits: { ...DEFAULT_LIMITS, messageBytesMax: 1_000_000 },
});

/** Counts the workers that start from now on. */
function countWorkers(t: TestContext): { started: number } {
  const count = { started: 0 };
  const onWorker = (): number => count.started++;
  process.on("worker", onWorker);
  t.after(() => process.off("worker", onWorker));
  return count;
}

test("a pool that starts ahead has a worker before its first file, which is parsed in it", async (t) => {
  const workers = countWorkers(t);
  const pool = workerPool({ size: 2, heapMibMax: 256, startsAhead: true });
  t.after(() => pool.close());
  await until("a worker starts", () => workers.started > 0);
  async function* bytes() {
    yield Buffer.from("id\n1\n2\n");
  }
  const kinds: string[] = [];
  for await (const { kind } of pool.parse(job(100), bytes(), new AbortController().signal)) kinds.push(kind);
  assert.deepEqual([kinds, workers.started], [["rows", "end"], 1]);
});

test("a short file is parsed while a large one occupies the only worker; another large one waits", async (t) => {
  const workers = countWorkers(t);
  const pool = workerPool({ size: 1, heapMibMax: 256 });
  t.after(() => pool.close());
  const { signal } = new AbortController();
  let end!: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const begun: string[] = [];
  async function* slow(name: string) {
    begun.push(name);
    yield Buffer.from("id\n1\n");
    await ended;
  }
  const rowsOf = async (storedBytes: number, source: AsyncIterable<Uint8Array>): Promise<number> => {
    let rows = 0;
    for await (const output of pool.parse(job(storedBytes), source, signal)) {
      if (output.kind === "end") rows = output.summary.rowsAccepted;
    }
    return rows;
  };
  async function* bytes() {
    yield Buffer.from("id\n1\n2\n");
  }
  const large = rowsOf(1e9, slow("first"));
  await until("it is parsed", () => begun.length > 0);
  // One more is ready for a short file, which does not wait until it has started.
  assert.equal(workers.started, 2);
  const second = rowsOf(1e9, slow("second"));
  assert.equal(await rowsOf(100, bytes()), 2);
  assert.equal(await rowsOf(100, bytes()), 2);
  assert.deepEqual(begun, ["first"]);
  end();
  assert.deepEqual(await Promise.all([large, second]), [1, 1]);
  assert.equal(workers.started, 2);
});
