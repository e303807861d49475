/**
 * A committer that is killed (SIGKILL) at any of its requests to the real catalog and store that the environment names:
 * before the request arrives, or after it is done and before its answer. `TRIBUTARY_TEST_KILLS=all` kills at every
 * request.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { after, test } from "node:test";
import type { S3Options } from "../../../../../lib/blob/s3/s3-store.ts";
import type { TableLayout } from "../../../../../lib/warehouse/warehouse.ts";
import { checkHistories } from "../../../../support/iceberg-history.ts";
import { startScript } from "../../../../support/killed-script.ts";
import { lossyProxy } from "../../../../support/lossy-proxy.ts";
import { seededRandom } from "../../../../support/random.ts";
import { icebergGiven, restCatalogGiven } from "../../../../support/rest-catalog/given.ts";
import { LAYOUTS } from "../../../../support/test-table.ts";
import { allRowsOf, fileOf, REWRITTEN, rowsOf, type Committing } from "./committing.ts";

const NAME = "iceberg: a committer is killed at any step";
const KILLS = 12;
/** Batches that each life adds. */
const BATCHES = 2;
const { TRIBUTARY_TEST_KILLS: wanted, TRIBUTARY_TEST_SEED: seed = String(Date.now() % 1_000_000) } = process.env;

const given = icebergGiven(NAME);
if (given) {
  after(() => given.drop());
  test(NAME, { timeout: 1_800_000 }, async (t) => {
    const random = seededRandom(Number(seed));
    const life: { requests: string[]; killAt: number; side: "before" | "after"; child: ChildProcess | undefined } = {
      ...{ requests: [], killAt: Infinity, side: "before", child: undefined },
    };
    const counted = (method: string, path: string): "before" | "after" | undefined => {
      life.requests.push(`${method} ${path.replace(/\?.*/, "")}`);
      return life.requests.length === life.killAt ? life.side : undefined;
    };
    const kill = (): void => void life.child?.kill("SIGKILL");
    const { s3, catalog, extensionsFolder } = given.options;
    const proxies = {
      catalog: await lossyProxy(given.uri, counted, kill),
      s3: await lossyProxy(s3!.endpoint!, counted, kill),
    };
    const layouts: TableLayout[] = [
      { table: "killed_append", partitioning: [], ...LAYOUTS["append"]! },
      ...["killed_upsert", REWRITTEN].map((table) => ({ table, partitioning: [], ...LAYOUTS["upsert"]! })),
    ];
    const run = async (last: number): Promise<string | null> => {
      const committing: Committing = {
        url: given.urlAt(proxies.catalog.url),
        ...{ catalog, layouts, last, extensionsFolder: extensionsFolder! },
        s3: { ...s3, endpoint: proxies.s3.url } as S3Options,
      };
      const { child, ended } = startScript(new URL("./committing.ts", import.meta.url), committing);
      Object.assign(life, { child, requests: [] });
      const signal = await ended;
      for (const proxy of Object.values(proxies)) await proxy.settled();
      return signal;
    };

    let last = BATCHES;
    await run(last);
    last += BATCHES;
    await run(last);
    const steps = life.requests.length;
    const points =
      wanted === "all"
        ? Array.from({ length: steps }, (_, n) => n + 1)
        : Array.from({ length: KILLS }, () => 1 + Math.floor(random() * steps));
    let kills = 0;
    for (const killAt of points) {
      for (const side of wanted === "all" ? (["before", "after"] as const) : [random() < 0.5 ? "before" : "after"]) {
        last += BATCHES;
        Object.assign(life, { killAt, side });
        if ((await run(last)) !== null) kills += 1;
      }
    }
    Object.assign(life, { killAt: Infinity });
    await run(last);
    t.diagnostic(`${kills} kills at ${steps} requests of ${last} batches, seed ${seed}`);
    await assertWhole(last);
    for (const proxy of Object.values(proxies)) await proxy.close();
  });

  /** What the tables and the ledger hold, past Tributary's code: each batch once. */
  async function assertWhole(last: number): Promise<void> {
    const options = restCatalogGiven(NAME)!.oauth2;
    const duckdb = await given!.otherDuckdb("READ_ONLY");
    const texts = async (sql: string): Promise<string[]> =>
      (await duckdb.rows(sql.replaceAll("{s}", `ice.${given!.namespace}`))).map((row) => row.join("|")).toSorted();
    const batches = Array.from({ length: last }, (_, n) => n + 1);
    const all = batches.flatMap((n) =>
      rowsOf(n).map(({ id }) => ({ id: Number(id), line: `${Number(id)}|${n}|${fileOf(n)}` })),
    );
    const select = "SELECT id, batch, _source_file FROM {s}.killed_";
    assert.deepEqual(await texts(`${select}append`), all.map(({ line }) => line).toSorted());
    assert.deepEqual(
      await texts(`${select}upsert`),
      [...new Map(all.map(({ id, line }) => [id, line])).values()].toSorted(),
    );
    assert.deepEqual(
      await texts(`SELECT id, batch FROM {s}.${REWRITTEN}`),
      allRowsOf(last).map(({ id, batch }) => `${Number(id)}|${Number(batch)}`),
    );
    const counts = { killed_append: 3, killed_upsert: 3, [REWRITTEN]: allRowsOf(last).length };
    for (const [name, rows] of Object.entries(counts)) {
      const own = `WHERE table_name = '${name}'`;
      const numbers = batches.map((n) => `${n}|committed|${rows}|1`).toSorted();
      assert.deepEqual(
        await texts(
          `SELECT source_offset, status, rows_committed, rows_rejected FROM {s}.tributary_ingest_files ${own}`,
        ),
        numbers,
      );
      assert.equal((await texts(`SELECT file_id FROM {s}.tributary_rejected_rows ${own}`)).length, last);
    }
    const histories = await checkHistories(
      {
        catalog: { ...options, warehouse: options.warehouse! },
        s3: given!.options.s3 as S3Options,
        schema: given!.namespace,
      },
      duckdb,
    );
    duckdb.close();
    assert.deepEqual(histories.wrong, []);
  }
}
