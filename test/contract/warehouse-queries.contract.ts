import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { columns } from "../support/rows.ts";
import { TestTable } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

const LIMITS = { rowsMax: 100, timeoutMs: 60_000 };
const MIB = 1024 * 1024;

/** query: what it reads, where it stops, and that nothing else gets through. */
export function queryContract(opened: Opened): void {
  describe("query", () => {
    const filled = async (): Promise<TestTable> => {
      const table = new TestTable(opened.warehouse, columns({ id: "INTEGER", name: "VARCHAR" }));
      await table.ingest({
        sourceFile: "a",
        sourceOffset: 1,
        rows: [
          { id: 1, name: "x" },
          { id: 2, name: "y" },
        ],
      });
      return table;
    };
    const codeOf = async (sql: string): Promise<string> => {
      try {
        await opened.warehouse.query(sql, LIMITS);
        return "none";
      } catch (thrown) {
        return (thrown as { code?: string }).code ?? String(thrown);
      }
    };

    test("SELECT, WITH, SHOW, DESCRIBE and EXPLAIN read, with or without the schema's name", async () => {
      const { name } = await filled();
      for (const sql of [
        `SELECT id FROM ${name} ORDER BY id`,
        `SELECT id FROM lakehouse.${name} ORDER BY id`,
        `WITH q AS (SELECT id FROM ${name}) SELECT id FROM q ORDER BY id`,
        `SELECT q.id FROM ${name} q JOIN lakehouse.${name} r ON q.id = r.id ORDER BY q.id`,
        `-- a comment\nSELECT id FROM ${name} /* ; */ ORDER BY id`,
      ]) {
        const { columns: found, rows, truncated } = await opened.warehouse.query(sql, LIMITS);
        assert.deepEqual([found, rows, truncated], [[{ name: "id", type: "integer" }], [[1], [2]], false], sql);
      }
      for (const sql of [
        `SHOW TABLES`,
        `DESCRIBE ${name}`,
        `DESCRIBE lakehouse.${name}`,
        `EXPLAIN SELECT q.* FROM ${name} q`,
        `SELECT c.column_name FROM information_schema.columns c WHERE c.table_name = '${name}'`,
      ]) {
        assert.ok((await opened.warehouse.query(sql, LIMITS)).rows.length > 0, sql);
      }
    });

    test("rows beyond the limit are cut off, and it says so", async () => {
      const { name } = await filled();
      const ask = (rowsMax: number) =>
        opened.warehouse.query(`SELECT id FROM ${name} ORDER BY id`, { ...LIMITS, rowsMax });
      assert.deepEqual(await ask(1).then((r) => [r.rows, r.truncated]), [[[1]], true]);
      assert.deepEqual(await ask(2).then((r) => [r.rows, r.truncated]), [[[1], [2]], false]);
      assert.deepEqual(await ask(3).then((r) => [r.rows, r.truncated]), [[[1], [2]], false]);
      const empty = await opened.warehouse.query(`SELECT id, name FROM ${name} WHERE id > 5`, LIMITS);
      assert.deepEqual([empty.rows, empty.columns.length, empty.truncated], [[], 2, false]);
    });

    test("conditions and joins on a column that was widened since the last commit", async () => {
      const { name, layout } = await filled();
      await opened.warehouse.ensureTable(layout, columns({ id: "BIGINT", name: "VARCHAR" }));
      for (const sql of [
        `SELECT name FROM ${name} WHERE id = 2`,
        `SELECT name FROM ${name} WHERE id > 1 AND name <> 'x'`,
        `SELECT t.name FROM ${name} t JOIN (SELECT max(id) AS id FROM ${name}) m ON m.id = t.id`,
      ]) {
        assert.deepEqual((await opened.warehouse.query(sql, LIMITS)).rows, [["y"]], sql);
      }
    });

    test("a result is limited in bytes: rows beyond are cut off, and a row that is larger fails", async () => {
      const isTrino = opened.subject.sql === "trino";
      const sql = isTrino
        ? "SELECT array_join(repeat('é', 10000), '') FROM UNNEST(sequence(1, 2000)) AS r (n)"
        : "SELECT repeat('é', 10000) FROM range(2000)";
      const { rows, truncated } = await opened.warehouse.query(sql, { ...LIMITS, rowsMax: 2_000 });
      const bytes = Buffer.byteLength(JSON.stringify(rows));
      assert.equal(truncated, true);
      assert.ok(bytes > 15 * MIB && bytes <= 16 * MIB + 3_000, `${bytes} bytes`);
      if (isTrino) return;
      const large = opened.warehouse.query("SELECT repeat('x', 17000000)", LIMITS);
      await assert.rejects(large, { code: "QUERY_FAILED", message: /one row of the result is larger than 16 MiB/ });
    });

    test("a query that cannot be is QUERY_FAILED in the warehouse's own words", async () => {
      for (const sql of [
        "SELEKT 1",
        "SELECT * FROM no_such_table",
        "SELECT nope",
        "SELECT 1/",
        "SELECT CAST('x' AS INTEGER)",
      ]) {
        assert.equal(await codeOf(sql), "QUERY_FAILED", sql);
      }
      await assert.rejects(opened.warehouse.query("SELECT * FROM no_such_table", LIMITS), /no_such_table/);
    });

    test("nothing but one reading statement gets through", async () => {
      const { name } = await filled();
      const before = await opened.warehouse.query(`SELECT * FROM ${name} ORDER BY id`, LIMITS);
      const attacks = [
        `INSERT INTO ${name} (id) VALUES (9)`,
        `UPDATE ${name} SET id = 9`,
        `DELETE FROM ${name}`,
        `DROP TABLE ${name}`,
        `ALTER TABLE ${name} ADD COLUMN z INTEGER`,
        `TRUNCATE TABLE ${name}`,
        `CREATE TABLE stolen AS SELECT * FROM ${name}`,
        `CREATE VIEW stolen AS SELECT * FROM ${name}`,
        `MERGE INTO ${name} t USING (SELECT 1 AS a) s ON t.id = s.a WHEN MATCHED THEN DELETE`,
        `SELECT 1; SELECT 2`,
        `SELECT 1; DROP TABLE ${name}`,
        `EXPLAIN ANALYZE INSERT INTO ${name} (id) VALUES (9)`,
        `EXPLAIN ANALYZE DELETE FROM ${name}`,
        `CALL system.runtime.kill_query('x')`,
        `COMMIT`,
        `ROLLBACK`,
        `START TRANSACTION`,
        `PREPARE p FROM SELECT 1`,
        "",
        "  ",
        "-- nothing",
        ";",
        ...opened.subject.attacks.map((sql) => sql.replaceAll("$t", name)),
      ];
      for (const sql of attacks) {
        assert.match(await codeOf(sql), /^QUERY_(NOT_READ_ONLY|NOT_ALLOWED|FAILED)$/, `got through: ${sql}`);
      }
      assert.deepEqual(await opened.warehouse.query(`SELECT * FROM ${name} ORDER BY id`, LIMITS), before);
      assert.ok(!(await opened.warehouse.tables()).includes("stolen"));
    });

    test("the same is refused, with the same code, on every warehouse", async () => {
      const { name } = await filled();
      const refused: [code: string, statements: string[]][] = [
        [
          "QUERY_NOT_READ_ONLY",
          [
            "",
            "-- nothing",
            "SELECT 1; SELECT 2",
            `INSERT INTO ${name} (id) VALUES (9)`,
            `EXPLAIN ANALYZE DELETE FROM ${name}`,
            "SELECT no_such_function(1)",
            `SELECT "no_such_function"(id) FROM ${name}`,
            "SELECT no_such_function /* x */ (1)",
            `WITH q AS (SELECT no_such_function(id) FROM ${name}) SELECT * FROM q`,
            `SELECT (SELECT max(no_such_function(id)) FROM ${name})`,
            `EXPLAIN SELECT no_such_function(1)`,
            `SELECT * FROM ${name} ORDER BY no_such_function(1)`,
          ],
        ],
        [
          "QUERY_FAILED",
          ["SELECT 'a", 'SELECT "a', "SELECT (1", `SELECT * FROM ${name} WHERE`, "SELECT CAST(1 AS no_such_type)"],
        ],
      ];
      for (const [code, statements] of refused)
        for (const sql of statements) assert.equal(await codeOf(sql), code, sql);
      for (const sql of [
        "SELECT * FROM other.things",
        `SELECT * FROM ${name}, other.things`,
        "SELECT * FROM other.a.b",
      ])
        assert.match(await codeOf(sql), /^QUERY_NOT_(READ_ONLY|ALLOWED)$/, sql);
      const literals = `SELECT 'no_such_function(1)', "name" FROM ${name} WHERE name <> 'DROP TABLE x; query (1).csv' ORDER BY id`;
      assert.deepEqual((await opened.warehouse.query(literals, LIMITS)).rows.length, 2);
    });

    const slow = "SELECT count(*) FROM (SELECT * FROM endless a, endless b, endless c WHERE a.x * b.x + c.x = -1) q";
    const endless = `WITH endless AS (SELECT x FROM UNNEST(${sequence(10_000)}) u (x)) ${slow}`;

    test("a query past its time is QUERY_TIMEOUT, and the warehouse continues", async () => {
      const started = performance.now();
      await assert.rejects(opened.warehouse.query(endless, { rowsMax: 1, timeoutMs: 300 }), { code: "QUERY_TIMEOUT" });
      assert.ok(performance.now() - started < 20_000);
      assert.deepEqual((await opened.warehouse.query("SELECT 1", LIMITS)).rows, [[1]]);
    });

    test("a cancelled query ends", async () => {
      const cancel = new AbortController();
      const asked = opened.warehouse.query(endless, { rowsMax: 1, timeoutMs: 60_000, signal: cancel.signal });
      setImmediate(() => cancel.abort());
      await assert.rejects(asked, (thrown: { code?: string }) => thrown.code?.startsWith("QUERY_") === true);
    });

    test("more queries than run at once all get their answers, and commits run between them", async () => {
      const table = await filled();
      const asked = Array.from({ length: 12 }, (_, i) =>
        opened.warehouse.query(`SELECT ${i}, count(*) FROM ${table.name}`, LIMITS),
      );
      await table.ingest({ sourceFile: "b", sourceOffset: 2, rows: [{ id: 3, name: "z" }] });
      for (const [index, { rows }] of (await Promise.all(asked)).entries()) {
        assert.ok(rows[0]?.[0] === index && [2, 3].includes(rows[0][1] as number));
      }
    });

    test("ready", async () => {
      await opened.warehouse.ready();
    });
  });
}

/** A list of so many numbers, in words both dialects know. */
const sequence = (length: number): string => `ARRAY[${Array.from({ length }, (_, i) => i).join(",")}]`;
