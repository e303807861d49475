import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { workersText } from "../../cli/tables/workers.ts";
import { TributaryError } from "../../lib/errors.ts";
import { withFaults } from "../support/faults.ts";
import { until } from "../support/until.ts";
import { startPipeline } from "./pipeline.ts";

interface Worker {
  role: string;
  partitions: number;
  waiting: number;
  oldestSeconds: number;
  tables: string[];
}

test("the workers are listed with what each one works on, and missing ones are named", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tributary-workers-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  let isDown = false;
  const pipeline = await startPipeline(folder, {
    wrapWarehouse: (warehouse) =>
      withFaults(warehouse, (method, moment) => {
        if (isDown && method === "commit" && moment === "before")
          throw new TributaryError("WAREHOUSE_UNAVAILABLE", "down for the test");
      }),
  });
  t.after(() => pipeline.stop());
  const { send } = pipeline;
  const read = async () => {
    const { status, body } = await send("GET", "/v1/workers");
    assert.equal(status, 200);
    const { workers, missing } = body as unknown as { workers: Worker[]; missing: string[] };
    const of = (role: string): Worker => workers.find((one) => one.role === role)!;
    return { workers, missing, of };
  };
  const { of, missing } = await read();
  assert.ok(of("parser").partitions > 0);
  assert.equal(of("committer").waiting, 0);

  isDown = true;
  assert.equal((await send("PUT", "/v1/tables/orders/files/a.csv", "id\n1\n")).status, 202);
  const waits = await until("rows wait for the committer", async () => {
    const { of: now } = await read();
    return now("committer").waiting > 0 && now("committer");
  });
  assert.deepEqual(waits.tables, ["orders"]);
  assert.ok(waits.oldestSeconds >= 0);
  isDown = false;
  await until("the committer has caught up", async () => (await read()).of("committer").waiting === 0);
  assert.deepEqual(missing, []);
});

test("the command shows who works on what, and who is missing", () => {
  const worker = {
    role: "parser",
    id: "tributary-1",
    host: "172.18.0.5",
    partitions: 64,
    waiting: 3,
    oldestSeconds: 1.23,
  };
  const text = workersText({ workers: [{ ...worker, tables: ["a", "b", "c", "d"] }], missing: ["committer"] });
  assert.match(text, /parser +172\.18\.0\.5 +64 +3 +1\.2 +a, b, c, … +tributary-1/);
  assert.match(text, /no committer runs/);
});
