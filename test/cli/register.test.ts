/** `tributary catalog register` from Trino's JDBC catalog to SeaweedFS's REST catalog, if the environment names both. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Move } from "../../lib/warehouse/iceberg/moving/register.ts";
import { openAutoWarehouse } from "../support/auto-warehouse.ts";
import { icebergGiven } from "../support/rest-catalog/given.ts";
import { columns } from "../support/rows.ts";
import { LAYOUTS, TestTable } from "../support/test-table.ts";
import { openTestTrino, trinoGiven } from "../support/trino-server.ts";
import { tributary } from "./tributary.ts";

test("tables to move must be Trino's", async () => {
  const { code, err } = await tributary(["catalog", "register", "--uri", "http://127.0.0.1:1"]);
  assert.deepEqual([code, /CONFIG_INVALID: no tables to move: use --from/.test(err)], [2, true], err);
});

const NAME = "tributary catalog register";
const given = trinoGiven(NAME) ? icebergGiven(NAME) : undefined;
if (given) {
  const trino = await openTestTrino();
  after(async () => {
    await trino.close();
    await given.drop();
  });

  test("SeaweedFS forgets the history: refused; a copy moves tables and ledger, and the work goes on", async (t) => {
    const before = await trino.open();
    const table = new TestTable(before, columns({ id: "BIGINT", city: "VARCHAR", day: "DATE" }), {
      ...LAYOUTS["upsert"],
      partitioning: ["month(day)"],
    });
    const row = (id: number, city: string) => ({ id, city, day: "2024-02-29" });
    await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [row(1, "a"), row(2, "b")] });
    await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: [row(2, "c")] });
    await before.close();

    const { uri, warehouse, credential, oauth2ServerUri } = given.options.catalog as Record<string, string>;
    const env = {
      TRIBUTARY_WAREHOUSE_URL: trino.url,
      TRIBUTARY_REST_CATALOG_URI: uri!,
      TRIBUTARY_REST_CATALOG_WAREHOUSE: warehouse!,
      TRIBUTARY_REST_CATALOG_CREDENTIAL: credential!,
      TRIBUTARY_REST_CATALOG_OAUTH2_SERVER_URI: oauth2ServerUri!,
    };
    const register = async (...flags: string[]) => {
      const args = ["catalog", "register", "--namespace", given.namespace, "--json", ...flags];
      const { code, out, err } = await tributary(args, { env });
      return { code, err, moves: out === "" ? [] : (JSON.parse(out) as Move[]) };
    };
    const dry = await register("--dry-run");
    assert.equal(dry.code, 0, dry.err);
    const found = dry.moves.find((move) => move.table === table.name)!;
    assert.deepEqual([found.status, found.rows, found.snapshots >= 2], ["would move", 2, true]);
    assert.match(found.metadataLocation, /^s3:\/\/.*\.metadata\.json$/);

    const refused = await register();
    assert.deepEqual([refused.code, refused.moves], [1, []]);
    assert.match(refused.err, /a registered table is there without its snapshots\. Nothing was moved; --copy/);

    const copied = await register("--copy");
    assert.equal(copied.code, 0, JSON.stringify(copied));
    assert.deepEqual(new Set(copied.moves.map(({ status }) => status)), new Set(["moved"]));
    assert.ok(copied.moves.some((move) => move.table === "tributary_ingest_files" && move.rows === 2));
    assert.equal((await register("--copy")).moves[0]!.status, "refused", "it is there");

    const now = await openAutoWarehouse(given, trino);
    t.after(() => now.close());
    const moved = Object.assign(new TestTable(now, table.columns), { layout: table.layout });
    assert.equal(await now.watermark(table.name), 2);
    assert.deepEqual((await now.describe(table.name))!.partitioning, ["month(day)"]);
    await moved.ingest({ sourceFile: "c", sourceOffset: 3, rows: [row(1, "z")] });
    assert.deepEqual(await moved.query("SELECT id, city FROM $t ORDER BY id"), [[1, "z"], [2, "c"]]); // prettier-ignore
    const old = await trino.open();
    t.after(() => old.close());
    const left = Object.assign(new TestTable(old, table.columns), { layout: table.layout });
    assert.deepEqual(await left.query("SELECT id, city FROM $t ORDER BY id"), [[1, "a"], [2, "c"]]); // prettier-ignore
  });
}
