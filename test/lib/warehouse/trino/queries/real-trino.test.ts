/** Users' queries on a real Trino: the lists fit the server, and no query hurts what runs beside it. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { codeOf } from "../../../../../lib/errors.ts";
import { ALLOWED_FUNCTIONS } from "../../../../../lib/warehouse/trino/queries/allowed.ts";
import { checkedStatement } from "../../../../../lib/warehouse/trino/queries/statement.ts";
import { targetOf } from "../../../../../lib/warehouse/trino/target.ts";
import { columns } from "../../../../support/rows.ts";
import { assertCounts, READ_ALL, TestTable } from "../../../../support/test-table.ts";
import { openTestTrino, trinoGiven } from "../../../../support/trino-server.ts";
import { TRINO_FUNCTIONS } from "./trino-functions.ts";

const COLUMNS = columns({ id: "INTEGER", name: "VARCHAR" });
const ENDLESS =
  "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a (x), UNNEST(sequence(1, 10000)) b (y), UNNEST(sequence(1, 10000)) c (z) WHERE x * y + z = -1";

if (trinoGiven("users' queries: trino")) {
  const server = await openTestTrino();
  after(() => server.close());
  const own = targetOf(server.url);

  describe("users' queries on Trino", () => {
    test("the lists are of this server's functions", async () => {
      const { rows } = await server.client.run("SHOW FUNCTIONS");
      const there = new Set(rows.map(([name]) => String(name)));
      const ofSyntax = ["if", "coalesce", "nullif", "try"];
      assert.deepEqual([...ALLOWED_FUNCTIONS].filter((name) => !there.has(name) && !ofSyntax.includes(name)), []); // prettier-ignore
      const known = new Set([...TRINO_FUNCTIONS, "exclude_columns", "sequence", "table_changes"]);
      assert.deepEqual([...there].filter((name) => !known.has(name)), []); // prettier-ignore
    });

    test("a statement that passes reads only the own tables, by Trino's own plan", async (t) => {
      const warehouse = await server.open();
      t.after(() => warehouse.close());
      const table = new TestTable(warehouse, COLUMNS);
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1, name: "x" }] });
      const statements = [
        `SELECT s.id, count(*) FROM ${table.name} s , ${table.name} t WHERE s.id IS NOT NULL GROUP BY s.id ORDER BY 1`,
        `WITH q AS ( SELECT id FROM lakehouse.${table.name} ) SELECT * FROM q JOIN _ingest_files f ON true LIMIT 5`,
        `SELECT * FROM ( SELECT max ( id ) AS id FROM ${table.name} ) u , LATERAL ( SELECT u.id + 1 ) v ( x )`,
        `SELECT extract ( year FROM current_date ) , ( SELECT 1 ) , trim ( 'x' FROM name ) FROM ${table.name}`,
      ];
      const pieces = "system.runtime.queries system . runtime FROM JOIN , ( ) TABLE SELECT IS DISTINCT ALL AS x CROSS".split(" "); // prettier-ignore
      const edit = fc.record({ at: fc.nat(40), drop: fc.nat(2), put: fc.array(fc.constantFrom(...pieces), { maxLength: 4 }) }); // prettier-ignore
      const changes = fc.tuple(fc.constantFrom(...statements), fc.array(edit, { maxLength: 3 }));
      const outcomes = { refused: 0, failed: 0, planned: 0 };
      for (const [sql, edits] of fc.sample(changes, 3_000)) {
        const words = sql.split(" ");
        for (const { at, drop, put } of edits) words.splice(at % (words.length + 1), drop, ...put);
        let checked: string;
        try {
          checked = checkedStatement(words.join(" "), own);
        } catch {
          outcomes.refused += 1;
          continue;
        }
        if (outcomes.planned + outcomes.failed >= 40) break;
        const plan = await server.client.run(`EXPLAIN (TYPE IO, FORMAT JSON) ${checked}`).catch(() => undefined);
        outcomes[plan ? "planned" : "failed"] += 1;
        const { inputTableColumnInfos: read = [] } = JSON.parse((plan?.rows[0]?.[0] as string | undefined) ?? "{}") as {
          inputTableColumnInfos?: { table: { catalog: string; schemaTable: { schema: string } } }[];
        };
        for (const one of read)
          assert.deepEqual([one.table.catalog, one.table.schemaTable.schema], [own.catalog, own.schema], checked);
      }
      assert.ok(outcomes.planned >= 5, JSON.stringify(outcomes));
    });

    test("a query past its time is ended on the server, and a commit beside it does not fail", async (t) => {
      const warehouse = await server.open();
      t.after(() => warehouse.close());
      const table = new TestTable(warehouse, COLUMNS);
      await table.ingest({ sourceFile: "a", sourceOffset: 1, rows: [{ id: 1, name: "x" }] });
      const asked = [0, 1, 2, 3].map((n) =>
        warehouse.query(`${ENDLESS} AND ${n} = ${n}`, { rowsMax: 1, timeoutMs: 12_000 }).then(
          () => "an answer",
          (thrown: unknown) => codeOf(thrown),
        ),
      );
      const running = "SELECT resource_group_id FROM system.runtime.queries WHERE query LIKE '%x * y + z = -1 AND%' AND query NOT LIKE '%system.runtime%' AND state NOT IN ('FAILED', 'FINISHED')"; // prettier-ignore
      assertCounts(await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: [{ id: 2, name: "y" }] }), 1, 0, 0);
      const { rows: groups } = await server.client.run(running);
      for (const [group] of groups) assert.deepEqual(group, ["users", "queries"]);
      assert.deepEqual(await Promise.all(asked), Array(4).fill("QUERY_TIMEOUT"));
      for (let tries = 0; (await server.client.run(running)).rows.length > 0; tries++) assert.ok(tries < 200);
      assert.deepEqual((await warehouse.query("SELECT 1", READ_ALL)).rows, [[1]]);
    });

    test("a query beyond its memory fails alone", async (t) => {
      const limits = { memoryBytesMax: 64_000_000, scanBytesMax: 1_000_000_000, cpuMsMax: 60_000 };
      const warehouse = await server.open({ userQueries: limits });
      t.after(() => warehouse.close());
      const large =
        "SELECT map_agg(x * 10000 + y, lpad('x', 1000, 'y')) FROM UNNEST(sequence(1, 10000)) a (x), UNNEST(sequence(1, 10000)) b (y)";
      await assert.rejects(warehouse.query(large, READ_ALL), { code: "QUERY_FAILED", message: /memory limit/ });
      assert.deepEqual((await warehouse.query("SELECT 1", READ_ALL)).rows, [[1]]);
    });
  });
}
