/** The services on a real Iceberg REST catalog that DuckDB writes, without Trino. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openWarehouse } from "../../lib/warehouse/open.ts";
import { until } from "../support/until.ts";
import { icebergGiven } from "../support/rest-catalog/given.ts";
import { startPipeline } from "./pipeline.ts";

const COLUMNS = [
  { name: "id", type: "INTEGER" },
  { name: "city", type: "VARCHAR" },
];
const CONTRACTS = [{ table: "upserted", columns: COLUMNS, writeMode: "upsert", key: ["id"] }];

const nonEmpty = <T>(found: T[]): T[] | undefined => (found.length > 0 ? found : undefined);

const given = icebergGiven("flow: on an Iceberg REST catalog");
if (given) {
  after(() => given.drop());

  test("upload, visible, upsert, reject, undo; another process sees the same", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "tributary-iceberg-flow-"));
    const open = () => openWarehouse(given.url, { iceberg: given.options });
    const pipeline = await startPipeline(folder, { contracts: CONTRACTS, openWarehouse: open });
    const other = await open();
    t.after(async () => {
      await pipeline.stop();
      await other.close();
      await rm(folder, { recursive: true, force: true });
    });
    const rows = async () =>
      (await other.query("SELECT id, city FROM upserted ORDER BY id", { rowsMax: 100, timeoutMs: 30_000 })).rows;

    const monday = await pipeline.put("upserted", "monday.csv", "id,city\n1,Zürich\n2,São Paulo\n");
    assert.equal(monday.body.status, "committed", monday.text);
    assert.deepEqual(await rows(), [[1, "Zürich"], [2, "São Paulo"]]); // prettier-ignore

    const tuesday = await pipeline.put("upserted", "tuesday.csv", "id,city\n2,Oslo\nx,Rome\n3,Bern\n");
    assert.equal(tuesday.body.status, "committed", tuesday.text);
    assert.deepEqual(await rows(), [[1, "Zürich"], [2, "Oslo"], [3, "Bern"]]); // prettier-ignore
    // The ledger is written after the rows are visible.
    const rejects = async () => (await pipeline.query("SELECT raw FROM _rejected_rows")).map(([raw]) => raw);
    assert.deepEqual(await until("rejects on record", async () => nonEmpty(await rejects())), ["x,Rome"]);

    await pipeline.put("upserted", "tuesday.csv", "id,city\n2,Oslo\nx,Rome\n3,Bern\n");
    assert.equal((await rows()).length, 3, "the same file again changes nothing");

    const undone = await pipeline.send("DELETE", "/v1/tables/upserted/files/tuesday.csv?reason=wrong");
    assert.equal(undone.body.status, "done", undone.text);
    assert.deepEqual(await rows(), [[1, "Zürich"], [2, "São Paulo"]]); // prettier-ignore
  });
}
