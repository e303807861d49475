/** Users' SELECTs are checked by the parser's tree: whatever the text looks like, a call is a call. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import {
  ALLOWED_BUILTIN_VIEWS,
  ALLOWED_FUNCTIONS,
  ALLOWED_TABLE_FUNCTIONS,
} from "../../../../lib/warehouse/duckdb-engine/queries/allowed.ts";
import { checkSelect, type Catalog } from "../../../../lib/warehouse/duckdb-engine/queries/select-guard.ts";

let instance: DuckDBInstance;
let connection: DuckDBConnection;
let catalog: Catalog;
const column = async (sql: string): Promise<string[]> =>
  (await connection.runAndReadAll(sql)).getRows().map(([value]) => String(value));

before(async () => {
  instance = await DuckDBInstance.create(":memory:");
  connection = await instance.connect();
  const views = await column("SELECT lower(view_name) FROM duckdb_views() WHERE internal");
  catalog = { database: "warehouse", schema: "lakehouse", builtinViews: new Set(views) };
});
after(() => {
  connection.closeSync();
  instance.closeSync();
});

/** The code that the guard refuses with, or "allowed". */
async function verdict(sql: string): Promise<string> {
  const [tree] = (await connection.runAndReadAll("SELECT json_serialize_sql($1::VARCHAR)", [sql])).getRows();
  try {
    checkSelect(String(tree![0]), catalog);
    return "allowed";
  } catch (thrown) {
    return (thrown as { code: string }).code;
  }
}

test("ordinary queries are allowed, whatever their literals and names say", async () => {
  for (const sql of [
    "SELECT * FROM t",
    "SELECT * FROM lakehouse.t",
    "SELECT * FROM warehouse.lakehouse.t",
    "WITH read_csv AS (SELECT 1 AS query) SELECT query FROM read_csv",
    "SELECT 'read_blob(x)', 'COPY t TO 1', \"query (1)\" FROM t WHERE file = 'query (1).csv' AND k <> 'checkpoint (a)'",
    "SELECT country, count(*), sum(amount) FILTER (amount > 0) FROM sales GROUP BY ALL HAVING count(*) > 1 ORDER BY 2",
    "SELECT row_number() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t QUALIFY TRUE",
    "SELECT list_transform([1, 2], lambda x: x + 1), {'a': 1}.a, [1, 2][1], MAP {'k': 1}, a.b.c, upper(name), name[1:2]",
    "SELECT * FROM (VALUES (1, 'x')) v(a, b), LATERAL (SELECT a + 1), range(3) r(i), UNNEST([1, 2]) u(n)",
    "SELECT CASE WHEN a BETWEEN 1 AND 2 THEN 'x' END, a::DECIMAL(10,2), TRY_CAST(b AS DATE), a COLLATE NOCASE FROM t",
    "SELECT EXISTS (SELECT 1 FROM t WHERE a IN (SELECT b FROM u)), (SELECT max(a) FROM t)",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
    "SELECT * EXCLUDE (a) REPLACE (b + 1 AS b), COLUMNS('x.*') FROM t UNION ALL BY NAME FROM u LIMIT 5 OFFSET 1",
    "FROM t SELECT extract(year FROM d), date_trunc('month', d), now(), current_date, d AT TIME ZONE 'UTC'",
    "SELECT * FROM t ASOF JOIN u ON t.a >= u.a POSITIONAL JOIN v",
    "SELECT * FROM (PIVOT t ON a IN (1, 2) USING sum(b))",
    "SELECT * FROM t TABLESAMPLE 10%",
    "SHOW TABLES",
    "DESCRIBE t",
    "SUMMARIZE t",
    "SELECT table_name FROM information_schema.tables",
    "SELECT * FROM duckdb_tables()",
    "VALUES (1), (2)",
  ])
    assert.equal(await verdict(sql), "allowed", sql);
});

test("other statements, other databases and views that tell of the server are refused", async () => {
  for (const sql of [
    "",
    ";",
    "SELECT 1; SELECT 2",
    "COPY t TO 'x.csv'",
    "EXPLAIN SELECT 1",
    "INSERT INTO t VALUES (1)",
    "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
    "ATTACH 'x.db'",
    "SET threads = 1",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "CHECKPOINT",
    "SELECT * FROM memory.main.t",
    "SELECT * FROM other.t",
    "SELECT * FROM trusted.t",
    "SELECT * FROM duckdb_databases",
    "SELECT * FROM pg_catalog.pg_settings",
    "SELECT * FROM Duckdb_Databases",
    "SHOW duckdb_logs",
    "DESCRIBE pg_settings",
    "WITH duckdb_databases AS (SELECT 1) SELECT * FROM (SELECT * FROM duckdb_databases)",
  ])
    assert.match(await verdict(sql), /^QUERY_(NOT_READ_ONLY|FAILED)$/, sql);
});

test("every function that is not on a list is refused, in every place and behind every space that DuckDB skips", async () => {
  const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  const all = await column("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type <> 'pragma'");
  const tables = new Set(
    await column("SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type LIKE 'table%'"),
  );
  const forms: ((call: string) => string)[] = [
    (call) => `SELECT ${call}`,
    (call) => `SELECT * FROM ${call}`,
    (call) => `WITH x AS (SELECT * FROM ${call}) SELECT * FROM x`,
    (call) => `SELECT (SELECT ${call})`,
    (call) => `SELECT * FROM (VALUES (1)) v, LATERAL (SELECT * FROM ${call})`,
    (call) => `SELECT list_transform([1], lambda x: ${call})`,
    (call) => `SELECT 1 ORDER BY ${call}`,
    (call) => `SELECT sum(1) FILTER (${call}) OVER (PARTITION BY ${call})`,
    (call) => `SELECT 1 LIMIT (SELECT ${call})`,
    (call) => `FROM t SELECT COLUMNS(c -> ${call})`,
    (call) => `DESCRIBE SELECT ${call}`,
  ];
  const through: string[] = [];
  for (const name of all) {
    const isScalarAllowed = ALLOWED_FUNCTIONS.has(name.toLowerCase());
    const isTableAllowed = ALLOWED_TABLE_FUNCTIONS.has(name.toLowerCase());
    if (!isScalarAllowed && !isTableAllowed) {
      for (const form of forms) {
        if ((await verdict(form(`${quoted(name)}(1)`))) === "allowed") through.push(form(`${name}(1)`));
      }
    } else if (tables.has(name) && !isTableAllowed) {
      if ((await verdict(`SELECT * FROM ${quoted(name)}(1)`)) === "allowed") through.push(`FROM ${name}(1)`);
    }
  }
  assert.deepEqual(through, []);

  const hidden: string[] = [];
  for (let code = 0; code <= 0xffff; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const space = String.fromCharCode(code);
    if (code !== 0 && /[\s\u200b\u2060\ufeff\u180e\u00a0]|[^\u0021-\u024f\u0370-\uffff]/u.test(space)) {
      for (const sql of [`SELECT read_blob${space}('x')`, `SELECT * FROM${space}glob${space}('*')`])
        if ((await verdict(sql)) === "allowed") hidden.push(`U+${code.toString(16)}: ${sql}`);
    }
  }
  assert.deepEqual(hidden, []);
});

test("the lists name only what this DuckDB has", async () => {
  const functions = new Set(await column("SELECT DISTINCT lower(function_name) FROM duckdb_functions()"));
  // The parser makes these of syntax: they are in no catalog.
  const ofSyntax = ["unnest", "count_star", "struct_pack", "list_value", "user", "session_user"];
  const unknown = [...ALLOWED_FUNCTIONS, ...ALLOWED_TABLE_FUNCTIONS].filter(
    (name) => !functions.has(name) && !ofSyntax.includes(name),
  );
  assert.deepEqual(unknown, []);
  assert.deepEqual([...ALLOWED_BUILTIN_VIEWS].filter((name) => !catalog.builtinViews.has(name)), []); // prettier-ignore
});
