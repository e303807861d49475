/** DuckDB's instance on the real catalog that the environment names. */
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { systemClock } from "../../../../lib/clock.ts";
import type { NewColumn } from "../../../../lib/warehouse/iceberg/catalog/commit.ts";
import { openRestCatalog } from "../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { openGate } from "../../../../lib/warehouse/iceberg/gate/open-gate.ts";
import { TABLE_PROPERTIES } from "../../../../lib/warehouse/iceberg/gate/writer-settings.ts";
import { throughCatalog } from "../../../../lib/warehouse/iceberg/gate/through-catalog.ts";
import { openSession } from "../../../../lib/warehouse/iceberg/session.ts";
import { icebergGiven, restCatalogGiven } from "../../../support/rest-catalog/given.ts";

const LONG = (name: string, id: number): NewColumn => ({ id, name, type: "long", required: false });

const NAME = "iceberg: DuckDB's session";
const given = icebergGiven(NAME);
if (given)
  describe(NAME, () => {
    /** A session with little memory, and a table that it may write. */
    async function opened(t: TestContext, memoryMib: number, columns: readonly NewColumn[]) {
      const catalogOptions = restCatalogGiven(NAME)!.oauth2;
      const catalog = await openRestCatalog(catalogOptions);
      const send = throughCatalog(catalog, catalogOptions.uri);
      let beforeTable: (() => Promise<unknown>) | undefined;
      const gate = await openGate({
        send: async (request) => {
          const due = request.path.endsWith("/tables/a") ? beforeTable : undefined;
          if (due) beforeTable = undefined;
          await due?.();
          return send(request);
        },
        clock: systemClock,
        onEvent: () => undefined,
        onAbandoned: () => assert.fail("DuckDB left before the answer"),
      });
      const { s3 = {}, extensionsFolder = "" } = given!.options;
      const temporaryFolder = join(tmpdir(), `session-${randomUUID()}`);
      const session = await openSession({
        url: given!.url,
        attachment: { extensionsFolder, endpoint: gate.endpoint, warehouse: catalogOptions.warehouse!, s3 },
        transaction: (parts, commit) => gate.transaction(parts, commit),
        deadlineMs: 10_000,
        memoryBytesMax: memoryMib * 1024 * 1024,
        threads: 1,
        temporaryFolder,
      });
      const schema = `session_${randomBytes(4).toString("hex")}`;
      t.after(async () => {
        await session.close();
        assert.ok(!existsSync(temporaryFolder), "its folder is gone");
        await catalog.dropTable({ namespace: [schema], name: "a" }, { purge: true });
        await catalog.dropNamespace([schema]);
        await gate.close(1_000);
        catalog.close();
      });
      await catalog.createNamespace([schema]);
      const partitioning = columns
        .filter(({ name }) => name === "part")
        .map(({ id, name }) => ({ "source-id": id, "field-id": 1_000, name, transform: "identity" }));
      await catalog.createTable([schema], { name: "a", columns, partitioning, properties: TABLE_PROPERTIES });
      const { location } = (await catalog.loadTable({ namespace: [schema], name: "a" })).metadata;
      const part = { table: { namespace: [schema], name: "a" }, summary: {} };
      const write = (sql: string) =>
        session.write([part], async (connection) => {
          await connection.run(sql);
          return {};
        });
      /** Runs `work` when the session next requests the table, before the catalog has the request. */
      const overtake = (work: () => Promise<unknown>): void => void (beforeTable = work);
      return { session, table: `ice.${schema}.a`, location, write, overtake };
    }

    test("a read that a table's first commit overtakes reads it", async (t) => {
      const { session, table, overtake } = await opened(t, 256, [LONG("id", 1)]);
      const engine = await given.otherDuckdb();
      t.after(() => engine.close());
      await engine.run("SET preserve_insertion_order = false"); // The table's property needs it.
      overtake(() => engine.run(`INSERT INTO ${table} VALUES (1)`));
      assert.deepEqual(await session.rows(`SELECT id FROM ${table}`), [[1n]]);
    });

    test("an instance that fails is opened again", async (t) => {
      const { session, table, write } = await opened(t, 256, [LONG("id", 1)]);
      const insert = (id: number) => write(`INSERT INTO ${table} VALUES (${id})`);
      await insert(1);
      const stage = session.stagingName();
      await session.run(`CREATE TABLE memory.main.${stage} AS SELECT 1 AS id`);

      // The extension fails if the source of a MERGE is empty by its text, and DuckDB then refuses every statement.
      const merge =
        `MERGE INTO ${table} t USING (SELECT 1 AS id WHERE FALSE) s ON t.id = s.id ` +
        "WHEN MATCHED THEN UPDATE SET id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id)";
      await assert.rejects(write(merge), /IcebergDelete/);

      assert.deepEqual(await session.rows(`SELECT id FROM ${table}`), [[1n]], "at once, in a new instance");
      await Promise.all([insert(2), session.rows(`FROM ${table}`)]);
      assert.deepEqual(await session.rows(`SELECT id FROM ${table} ORDER BY 1`), [[1n], [2n]]);
      const lost = session.rows(`FROM memory.main.${stage}`);
      await assert.rejects(lost, { code: "WAREHOUSE_UNAVAILABLE", retryable: true, message: /restart this process/ });
      assert.notEqual(session.stagingName(), stage, "a name is never used again");
    });

    test("a writer of many partitions holds little of each file's upload", async (t) => {
      const { session, table, write } = await opened(t, 512, [LONG("id", 1), LONG("part", 2)]);
      // A file's upload begins with its first full row group, of 122,880 rows.
      await write(`INSERT INTO ${table} SELECT i, i % 8 FROM range(1_200_000) r(i)`);
      const found = await session.rows(`SELECT count(*), count(DISTINCT part) FROM ${table}`);
      assert.deepEqual(found, [[1_200_000n, 8n]]);
    });

    test("a row group of a new table is small where rows are long", async (t) => {
      const text: NewColumn = { id: 2, name: "note", type: "string", required: false };
      const { session, table, location, write } = await opened(t, 512, [LONG("id", 1), text]);
      await write(`INSERT INTO ${table} SELECT i, repeat(md5(i::VARCHAR), 64) FROM range(60_000) r(i)`);
      const found = await session.rows(
        `SELECT max(row_group_num_rows) FROM parquet_metadata('${location}/data/*.parquet')`,
      );
      assert.ok(Number(found[0]![0]) < 30_000, `${String(found[0]![0])} rows of 2 KiB in a group`);
    });
  });
