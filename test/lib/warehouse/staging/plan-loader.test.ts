import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { hasCode } from "../../../../lib/errors.ts";
import { openWarehouse } from "../../../../lib/warehouse/open.ts";
import { PlanLoader } from "../../../../lib/warehouse/staging/plan-loader.ts";
import type { PlannedFile } from "../../../../lib/warehouse/staging/planned-rows.ts";

async function prepared(t: TestContext): Promise<{ folder: string; file: PlannedFile }> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-plan-loader-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "raw");
  await writeFile(path, "id\n1\n2\n");
  const plan = {
    ...{ blobKey: "raw", contentHash: "", delimiter: ",", quote: '"', header: true, rowCount: 2 },
    fields: [{ column: "id", type: "INTEGER", nullMarkers: [], padded: false }],
    ...{ excluded: [], ragged: [], recordBytesMax: 10, textBytes: 8, rowsOffset: 1, receivedAtMs: 1 },
  };
  return { folder, file: { plan, path, compression: "none", sourceFile: "a.csv" } };
}

test("a loader that could not open opens at the next load", async (t) => {
  const { folder, file } = await prepared(t);
  const plans = join(folder, "plans");
  const loader = new PlanLoader(plans);
  await writeFile(plans, "in the way");
  await assert.rejects(loader.write(file), (thrown) => hasCode(thrown, "LOAD_PLAN_FAILED"));
  await rm(plans);
  assert.ok(existsSync(await loader.write(file)));
  await loader.close();
  assert.ok(!existsSync(plans));
});

test("a warehouse that closes leaves no rows of load plans behind", async (t) => {
  const { folder, file } = await prepared(t);
  const path = join(folder, "warehouse.duckdb");
  const warehouse = await openWarehouse(`duckdb:${path}`);
  await warehouse.stage("t", "run").load(file);
  assert.ok(existsSync(`${path}.plans`));
  await warehouse.close();
  assert.ok(!existsSync(`${path}.plans`));
});
