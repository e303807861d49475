import assert from "node:assert/strict";
import { test } from "node:test";
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

test("a short file is parsed while a large one occupies the only worker; another large one waits", async (t) => {
  let workersStarted = 0;
  const onWorker = (): number => workersStarted++;
  process.on("worker", onWorker);
  t.after(() => process.off("worker", onWorker));
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
  assert.equal(workersStarted, 2);
  const second = rowsOf(1e9, slow("second"));
  assert.equal(await rowsOf(100, bytes()), 2);
  assert.equal(await rowsOf(100, bytes()), 2);
  assert.deepEqual(begun, ["first"]);
  end();
  assert.deepEqual(await Promise.all([large, second]), [1, 1]);
  assert.equal(workersStarted, 2);
});
