/**
 * Compactions that keep files, on the real catalog and store that the environment names: a request or its answer is
 * lost, or the process is killed (SIGKILL) there. `TRIBUTARY_TEST_KILLS=all`: at every request, in every way.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { after, test } from "node:test";
import type { S3Options } from "../../../../../lib/blob/s3/s3-store.ts";
import { systemClock } from "../../../../../lib/clock.ts";
import { openRestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import type { TableMetadata } from "../../../../../lib/warehouse/iceberg/catalog/schemas.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import { checkHistories } from "../../../../support/iceberg-history.ts";
import { startScript } from "../../../../support/killed-script.ts";
import { lossyProxy } from "../../../../support/lossy-proxy.ts";
import { seededRandom } from "../../../../support/random.ts";
import { icebergGiven, restCatalogGiven } from "../../../../support/rest-catalog/given.ts";
import { columns, type Row } from "../../../../support/rows.ts";
import { LAYOUTS, TestTable } from "../../../../support/test-table.ts";
import { compactAll, type Compacting } from "./compacting.ts";

const NAME = "iceberg: compactions that keep files are killed, or lose requests";
const ROUNDS = 16;
const { TRIBUTARY_TEST_KILLS: wanted, TRIBUTARY_TEST_SEED: seed = String(Date.now() % 1_000_000) } = process.env;
const COLUMNS = columns({ id: "BIGINT", batch: "BIGINT", day: "DATE", note: "VARCHAR" });
/** In base64, of which Parquet saves a fourth: one file of more than 32 MiB. */
const LARGE = { rows: 1_200, bytes: 30_000 };
const KEYS = 30;
/** A step from here on takes one file of the table, and keeps all others. */
const ONE_FILE = "1000000000 1";
const RETENTION = { retentionMs: 0 };

interface Fault {
  at: number;
  side: "before" | "after";
  isKill: boolean;
}

const given = icebergGiven(NAME);
if (given) {
  after(() => given.drop());
  test(NAME, { timeout: 3_600_000 }, async (t) => {
    const random = seededRandom(Number(seed));
    const below = (limit: number): number => Math.floor(random() * limit);
    const life: { requests: number; fault?: Fault | undefined; child?: ChildProcess | undefined } = { requests: 0 };
    const lossOf = (): "before" | "after" | undefined => {
      life.requests += 1;
      return life.requests === life.fault?.at ? life.fault.side : undefined;
    };
    const kill = (): void => void life.child?.kill("SIGKILL");
    const { s3, catalog, extensionsFolder } = given.options;
    const proxies = {
      catalog: await lossyProxy(given.uri, lossOf, kill),
      s3: await lossyProxy(s3!.endpoint!, lossOf, kill),
    };
    const compacting: Compacting = {
      url: given.urlAt(proxies.catalog.url),
      ...{ catalog, extensionsFolder: extensionsFolder! },
      s3: { ...s3, endpoint: proxies.s3.url } as S3Options,
      cursors: { compacted_large: null, compacted_keyed: ONE_FILE },
    };
    const history = new Histories();
    const writes = async (): Promise<void> => {
      const warehouse = await openWarehouse(given.url, { iceberg: given.options });
      await history.write(warehouse);
      await warehouse.close();
    };
    const compacts = async (fault?: Fault): Promise<void> => {
      Object.assign(life, { requests: 0, fault });
      if (fault?.isKill) await killed(compacting, life);
      else await compactAll(compacting);
      for (const proxy of Object.values(proxies)) await proxy.settled();
    };
    for (let n = 0; n < 3; n++) await writes();
    await compacts();
    const { requests } = life;
    const every = Array.from({ length: requests }, (_, n) =>
      (["before", "after"] as const).flatMap((side) => [false, true].map((isKill) => ({ at: n + 1, side, isKill }))),
    ).flat();
    const faults = wanted === "all" ? every : Array.from({ length: ROUNDS }, () => every[below(every.length)]!);
    for (const fault of faults) {
      await writes();
      await compacts(fault);
    }
    t.diagnostic(`${faults.length} faults at ${requests} requests, seed ${seed}`);
    await writes();
    for (const { status, details } of await compactAll(compacting))
      assert.match(`${status}: ${details}`, /^completed: \d+ files rewritten$/);
    for (const proxy of Object.values(proxies)) await proxy.close();
    await assertWhole(history);

    const later = { ...systemClock, nowMs: () => systemClock.nowMs() + 7_200_000 };
    const cleaner = await openWarehouse(given.url, { iceberg: given.options, clock: later });
    t.after(() => cleaner.close());
    for (const table of history.names)
      assert.equal((await cleaner.maintain(table, "remove_orphan_files", RETENTION)).status, "completed");
    await assertWhole(history);
  });

  /** Every snapshot has the rows of its time, past Tributary's code; one large file was never written again. */
  async function assertWhole(history: Histories): Promise<void> {
    const options = restCatalogGiven(NAME)!.oauth2;
    const duckdb = await given!.otherDuckdb("READ_ONLY");
    const client = await openRestCatalog(options);
    const namespace = [given!.namespace];
    try {
      const names = (await client.listTables(namespace)).map(({ name }) => name).filter((name) => !name.startsWith("tributary")); // prettier-ignore
      assert.deepEqual(names.toSorted(), history.names.toSorted(), "no scratch table stays");
      for (const name of history.names) {
        const { metadata } = await client.loadTable({ namespace, name });
        for (const [id, expected] of history.rowsAt(name, metadata)) {
          const select = `SELECT id, batch FROM ice."${given!.namespace}"."${name}" AT (VERSION => ${id})`;
          assert.deepEqual((await duckdb.rows(select)).map(String).toSorted(), expected, `${name} at ${id}`);
        }
      }
      const { metadata } = await client.loadTable({ namespace, name: "compacted_large" });
      const [first, last] = await Promise.all(
        [metadata.snapshots[0]!, metadata.snapshots.at(-1)!].map(({ id }) =>
          duckdb.rows(`SELECT DISTINCT filename FROM ice."${namespace[0]}".compacted_large AT (VERSION => ${id})`),
        ),
      );
      assert.ok(last!.map(String).includes(String(first![0])), "the large file is still there");
      const histories = await checkHistories(
        {
          catalog: { ...options, warehouse: options.warehouse! },
          s3: given!.options.s3 as S3Options,
          schema: namespace[0]!,
        },
        duckdb,
      );
      assert.deepEqual(histories.wrong, []);
    } finally {
      client.close();
      duckdb.close();
    }
  }
}

/** Compacts in a process of its own, which is killed at the fault. */
async function killed(compacting: Compacting, life: { child?: ChildProcess | undefined }): Promise<void> {
  const { child, ended } = startScript(new URL("./compacting.ts", import.meta.url), compacting);
  life.child = child;
  await ended;
  life.child = undefined;
}

/** The tables, and what each must hold in each snapshot. */
class Histories {
  readonly names = ["compacted_large", "compacted_keyed"];
  #batch = 0;
  readonly #rows = new Map<string, Row[]>(this.names.map((name) => [name, []]));
  /** By table and the id of a snapshot that a batch has made: the rows. */
  readonly #snapshots = new Map<string, Map<string, string[]>>(this.names.map((name) => [name, new Map()]));

  /** A batch for each table. It refers to rows of the files that the compactions keep. */
  async write(warehouse: Warehouse): Promise<void> {
    const batch = ++this.#batch;
    const isFirst = batch === 1;
    const row = (id: number): Row => ({ id, batch, day: `2024-0${1 + (id % 3)}-01`, note: `${batch}` });
    const large = isFirst
      ? Array.from({ length: LARGE.rows }, (_, id) => ({
          ...row(id),
          note: randomBytes(LARGE.bytes).toString("base64"),
        }))
      : [row(LARGE.rows + batch)];
    await this.#commit(warehouse, "compacted_large", large, (before) => [...before, ...large]);
    const keyed = Array.from({ length: isFirst ? KEYS : 4 }, (_, n) => row(isFirst ? n : (batch * 7 + n * 11) % KEYS));
    const keys = new Set(keyed.map(({ id }) => id));
    const kept = (before: Row[]): Row[] => before.filter(({ id }) => !keys.has(id as number));
    await this.#commit(warehouse, "compacted_keyed", keyed, (before) => [...kept(before), ...keyed]);
  }

  async #commit(warehouse: Warehouse, table: string, rows: Row[], next: (before: Row[]) => Row[]): Promise<void> {
    const layout =
      table === "compacted_keyed" ? { ...LAYOUTS["upsert"], partitioning: ["month(day)"] } : LAYOUTS["append"];
    const sent = { sourceFile: `f${this.#batch}`, sourceOffset: this.#batch, rows };
    await new TestTable(warehouse, COLUMNS, { table, ...layout }).ingest(sent);
    this.#rows.set(table, next(this.#rows.get(table)!));
    const id = (await warehouse.version(table)).split(" ").at(-1)!;
    const texts = this.#rows.get(table)!.map((one) => `${one["id"]},${one["batch"]}`);
    this.#snapshots.get(table)!.set(id, texts.toSorted());
  }

  /** The rows of each snapshot: a compaction's are its parent's. */
  rowsAt(table: string, { snapshots }: TableMetadata): [string, string[]][] {
    const known = this.#snapshots.get(table)!;
    let rows: string[] | undefined;
    let own = 0;
    const found = snapshots.map(({ id }): [string, string[]] => {
      const written = known.get(String(id));
      if (written) own += 1;
      rows = written ?? rows;
      return [String(id), rows!];
    });
    assert.equal(own, known.size, `${table}: a batch's snapshot is missing`);
    assert.ok(found.length > own, `${table}: no compaction was applied`);
    return found;
  }
}
