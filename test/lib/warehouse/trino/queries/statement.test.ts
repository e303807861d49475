/** Users' SELECTs on Trino: what the grammar does not know, and what is on no list, does not reach Trino. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { codeOf } from "../../../../../lib/errors.ts";
import {
  ALLOWED_FUNCTIONS,
  LAMBDA_FUNCTIONS,
  TABLE_FUNCTIONS,
} from "../../../../../lib/warehouse/trino/queries/allowed.ts";
import { NON_RESERVED, RESERVED } from "../../../../../lib/warehouse/trino/queries/keywords.ts";
import { checkedStatement, checkSelect } from "../../../../../lib/warehouse/trino/queries/statement.ts";
import { tokensOf } from "../../../../../lib/warehouse/trino/queries/tokens.ts";
import { TRINO_FUNCTIONS } from "./trino-functions.ts";

const OWN = { catalog: "iceberg", schema: "own" };
const checked = (sql: string): string => checkedStatement(sql, OWN);

/** The code that a statement is refused with, or "allowed". */
function verdict(sql: string): string {
  try {
    checked(sql);
    return "allowed";
  } catch (thrown) {
    return codeOf(thrown);
  }
}

const ORDINARY = [
  "SELECT * FROM t",
  "SELECT s.a, t.* FROM own.s s, iceberg.own.t t",
  "WITH read_csv AS (SELECT 1 AS query) SELECT query FROM read_csv",
  "WITH a (x, y) AS (VALUES (1, 2)), b AS (TABLE t) SELECT * FROM a CROSS JOIN b",
  "SELECT 'system.runtime.x', 'bar(1)', \"query (1)\" FROM t WHERE file = 'query (1).csv' AND k <> 'DROP TABLE (a);'",
  "SELECT country, count(*), sum(amount) FILTER (WHERE amount > 0) FROM sales GROUP BY country HAVING count(*) > 1 ORDER BY 2 DESC NULLS LAST LIMIT 5",
  "SELECT row_number() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), sum(x) OVER w FROM t WINDOW w AS (ORDER BY a)",
  "SELECT lag(a) IGNORE NULLS OVER (ORDER BY b RANGE UNBOUNDED PRECEDING) FROM t",
  "SELECT filter(ARRAY[1, 2], x -> x > 1), any_match(a, (x) -> x = 1), MAP(ARRAY['k'], ARRAY[1])['k'], a.b.c, upper(name)",
  "SELECT * FROM (VALUES (1, 'x')) v(a, b), LATERAL (SELECT a + 1) q, UNNEST(sequence(1, 3)) WITH ORDINALITY AS u (n, i)",
  "SELECT CASE WHEN a BETWEEN 1 AND 2 THEN 'x' ELSE 'y' END, CASE a WHEN 1 THEN 2 END, TRY_CAST(b AS DATE) FROM t",
  "SELECT CAST(a AS DECIMAL(10,2)), CAST(c AS timestamp(6) with time zone), CAST(d AS row(x bigint, y varchar(3))), CAST(e AS array(map(varchar, double)))",
  "SELECT EXISTS (SELECT 1 FROM t WHERE a IN (SELECT b FROM u)), (SELECT max(a) FROM t), a NOT IN (1, 2), a IS NOT NULL, a IS DISTINCT FROM b",
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
  "(SELECT 1) UNION (SELECT 2 ORDER BY 1) INTERSECT SELECT 3 OFFSET 1 ROW FETCH FIRST 2 ROWS ONLY",
  "SELECT extract(year FROM d), date_trunc('month', d), now(), current_date, d AT TIME ZONE 'UTC', current_timestamp(3), DATE '2024-01-31', INTERVAL '1' DAY, INTERVAL -'1' YEAR",
  "SELECT trim(x), trim(BOTH 'a' FROM x), trim(x, 'a'), substring(x FROM 1 FOR 2), substring(x, 1, 2), substr(x, 1), lpad(x, 10, '0'), replace(x, ',', '.')",
  "SELECT count(DISTINCT a), approx_distinct(a), max_by(a, b), array_agg(a ORDER BY b DESC), listagg(a, ',') WITHIN GROUP (ORDER BY a)",
  "SELECT a, b, sum(c), grouping(a, b) FROM t GROUP BY GROUPING SETS ((a, b), (a), ())",
  "SELECT a FROM t GROUP BY ROLLUP (a, (b, c))",
  "SELECT * FROM t FOR VERSION AS OF 123 x JOIN u USING (id) LEFT JOIN v ON v.id = u.id AND u.a = 1 NATURAL JOIN w",
  "SELECT * FROM t FOR TIMESTAMP AS OF TIMESTAMP '2024-01-01 00:00:00 UTC' TABLESAMPLE BERNOULLI (10)",
  "SELECT * FROM ((SELECT 1 a) x JOIN t y ON x.a = y.a)",
  "SELECT ((SELECT 1) + 1), ((SELECT 2)), ((1, 2)), -(-1), NOT NOT TRUE, x = ANY (SELECT 1), 'a' LIKE 'b' ESCAPE 'c'",
  "SELECT * FROM TABLE(sequence(1, 3))",
  "SELECT * FROM TABLE(exclude_columns(TABLE(t), DESCRIPTOR(a, b)))",
  "SELECT if(a, 1, 2), coalesce(a, b), nullif(a, b), try(1/0), json_value(a, 'lax $.x' RETURNING integer NULL ON EMPTY)",
  "SELECT U&'\\0041' || 'x', X'00', 1.5e3, .5, 1., 1e3",
  "SHOW TABLES",
  "SHOW CREATE TABLE t",
  "SHOW STATS FOR (SELECT * FROM t)",
  "SHOW FUNCTIONS LIKE '%x%'",
  "DESCRIBE t",
  "EXPLAIN SELECT 1",
  "EXPLAIN (TYPE IO, FORMAT JSON) SELECT 1",
  "EXPLAIN ANALYZE VERBOSE SELECT 1",
  "SELECT c.table_name FROM information_schema.views c",
  "VALUES (1), (2)",
];

describe("statements that Trino gets", () => {
  test("ordinary queries are allowed as they are, whatever their literals say", () => {
    for (const sql of ORDINARY) assert.equal(checked(sql), sql);
    for (const sql of ["SELECT 1 ; ;\n", "  SELECT 1"]) assert.equal(checked(sql), "SELECT 1");
  });

  test("comments are left out, and lines and columns stay for Trino's messages", () => {
    assert.equal(checked("SELECT /* ' */ a, -- \"b\n  c\tFROM/**/t"), "SELECT         a,      \n  c FROM    t");
  });

  test("the names of the schema and of the internal tables become those of the stored tables", () => {
    assert.equal(
      checked(`SELECT '_ingest_files', lakehouse._ingest_files.status FROM "lakehouse"."_ingest_files"`),
      `SELECT '_ingest_files', "own"."tributary_ingest_files".status FROM "own"."tributary_ingest_files"`,
    );
    assert.equal(checked("SHOW TABLES FROM lakehouse LIKE 'a%'"), `SHOW TABLES FROM "own" LIKE 'a%'`);
    assert.equal(checked("SELECT * FROM iceberg.lakehouse.t"), 'SELECT * FROM iceberg."own".t');
    assert.equal(checked("SELECT constructor FROM __proto__"), "SELECT constructor FROM __proto__");
  });

  test("a name that is also a word of the grammar is quoted, so that Trino takes it for a name", () => {
    assert.equal(checked("SELECT date, Year, count FROM t day"), 'SELECT "date", "Year", "count" FROM t "day"');
    for (const word of NON_RESERVED) assert.equal(checked(`SELECT 1 AS ${word}`), `SELECT 1 AS "${word}"`);
    for (const word of RESERVED) assert.equal(verdict(`SELECT 1 AS ${word}`), "QUERY_FAILED", word);
  });
});

describe("statements that Trino does not get", () => {
  const refused = (code: string, statements: readonly string[]): void => {
    for (const sql of statements) assert.equal(verdict(sql), code, sql.slice(0, 200));
  };

  test("other statements, several, and none", () => {
    refused("QUERY_NOT_READ_ONLY", [
      "",
      ";",
      "-- only a comment",
      "/* SELECT 1 */",
      "SELECT 1; SELECT 2",
      "INSERT INTO t VALUES 1",
      "EXPLAIN ANALYZE INSERT INTO t VALUES 1",
      "EXPLAIN ANALYZE VERBOSE DELETE FROM t",
      "explain /* */ analyze verbose -- x\n delete from t",
      "CALL system.x()",
      "EXECUTE IMMEDIATE 'DROP TABLE t'",
      "PREPARE p FROM SELECT 1",
      "SET SESSION a = 1",
      "WITH FUNCTION f(x bigint) RETURNS bigint RETURN x + 1 SELECT f(1)",
      "WITH SESSION a.b = 1 SELECT 1",
      "SELECT ?",
    ]);
  });

  test("relations of other places, and metadata tables", () => {
    refused("QUERY_NOT_ALLOWED", [
      "SELECT * FROM system.runtime.queries",
      'SELECT query FROM "system" . /* x */ runtime . "queries"',
      "SELECT * FROM t, system.runtime.queries",
      "SELECT * FROM t JOIN (system.runtime.nodes n CROSS JOIN u) ON true",
      "WITH q AS (SELECT * FROM system.metadata.catalogs) SELECT * FROM q",
      "SELECT (SELECT count(*) FROM system.jdbc.tables)",
      "SELECT 1 WHERE EXISTS (TABLE other.t)",
      "SELECT * FROM other.own.t",
      "SELECT * FROM iceberg.own_staging.t",
      "SELECT * FROM a.b.c.d",
      'SELECT * FROM "t$files"',
      'SELECT * FROM own."t$snapshots"',
      "SELECT * FROM information_schema.roles",
      "SELECT * FROM other.information_schema.tables",
      "SELECT * FROM TABLE(exclude_columns(TABLE(system.runtime.nodes), DESCRIPTOR(a)))",
      "SELECT * FROM TABLE(exclude_columns(TABLE(SELECT * FROM other.t), DESCRIPTOR(a)))",
      "SHOW STATS FOR (SELECT * FROM system.runtime.queries)",
      "SHOW CREATE TABLE system.runtime.queries",
      "SHOW TABLES FROM other",
      "SHOW TABLES FROM own.x",
      "SHOW CATALOGS",
      "SHOW SESSION",
      "DESC other.things",
      "EXPLAIN SELECT * FROM system.runtime.queries",
    ]);
  });

  test("functions that make much of little, unless a length says how much", () => {
    refused("QUERY_NOT_READ_ONLY", [
      "SELECT bar(1.0, 100000000)",
      "SELECT format('%2000000000d', 1)",
      "SELECT transform(a, x -> x)",
      "SELECT filter(a, x -> any_match(b, y -> true))",
      "SELECT lpad(a, 1000000, 'x')",
      "SELECT rpad(a, b, 'x')",
      "SELECT lpad(a, 10 + b, 'x')",
      "SELECT replace(a, 'b', c)",
      `SELECT regexp_replace(a, 'b', '${"$0".repeat(100)}')`,
      "SELECT regexp_replace(a, 'b', x -> x[1])",
    ]);
  });

  test("what the grammar does not know, with its place", () => {
    refused("QUERY_FAILED", [
      "SELEKT 1",
      "SELECT 1/",
      "SELECT 'a",
      'SELECT "a',
      "SELECT /* a",
      "SELECT `a`",
      'SELECT U&"a"',
      "SELECT X'aa''bb'",
      "SELECT 1_000",
      "SELECT 1 FROM t WHERE a = (DELETE FROM t)",
      "SELECT * FROM JSON_TABLE('x', 'y' COLUMNS(a varchar))",
      "SELECT a FROM t)",
      "SELECT (a FROM t",
      "EXPLAIN EXPLAIN SELECT 1",
      "DESCRIBE INPUT p",
      `SELECT ${"(".repeat(5_000)}1${")".repeat(5_000)}`,
      `SELECT ${"ARRAY[".repeat(5_000)}1${"]".repeat(5_000)}`,
    ]);
    assert.throws(() => checked("SELECT a,\n  FROM t"), { message: /^line 2:3: the query has 'FROM' where/ });
    assert.throws(() => checked("SELECT upper\u200b('x')"), { message: /^line 1:13: .* U\+200B/ });
  });

  test("long queries are checked in a time that grows with their length only", () => {
    const startedMs = performance.now();
    checked(`SELECT * FROM UNNEST(ARRAY[${"1,".repeat(150_000)}1]) u (x)`);
    checked(`SELECT 1 WHERE ${"x = 1 OR ".repeat(40_000)} TRUE`);
    assert.equal(verdict(`SELECT ${"((SELECT ".repeat(40_000)}`), "QUERY_FAILED");
    assert.ok(performance.now() - startedMs < 20_000);
  });
});

describe("every function of Trino", () => {
  const FORMS: ((call: string) => string)[] = [
    (call) => `SELECT ${call}`,
    (call) => `SELECT a, (${call} + 1) b`,
    (call) => `SELECT * FROM ${call}`,
    (call) => `SELECT * FROM t, ${call} u (x)`,
    (call) => `SELECT * FROM TABLE(${call})`,
    (call) => `WITH x AS (SELECT ${call}) SELECT * FROM x`,
    (call) => `SELECT (SELECT ${call})`,
    (call) => `SELECT * FROM (VALUES 1) v (x), LATERAL (SELECT ${call}) q`,
    (call) => `SELECT * FROM UNNEST(ARRAY[${call}]) u (x)`,
    (call) => `SELECT filter(a, x -> ${call})`,
    (call) => `SELECT 1 WHERE x IN (1, ${call}) ORDER BY 1`,
    (call) => `SELECT 1 ORDER BY ${call}`,
    (call) => `SELECT sum(1) FILTER (WHERE ${call}) OVER (PARTITION BY ${call})`,
    (call) => `SELECT 1 FROM t FOR VERSION AS OF ${call}`,
    (call) => `SELECT 1 GROUP BY ROLLUP (${call})`,
    (call) => `SELECT CASE WHEN 1 = 2 THEN ${call} END`,
    (call) => `SELECT extract(year FROM ${call})`,
    (call) => `SELECT a AS ${call}`,
    (call) => `EXPLAIN ANALYZE SELECT ${call}`,
    (call) => `SHOW STATS FOR (SELECT ${call})`,
  ];
  const spellings = (name: string): string[] => [
    `${name}(1)`,
    `${name.toUpperCase()} (1)`,
    `"${name}"(1)`,
    `${name}/* x */(1)`,
    `${name}--\n(1)`,
    `system.builtin.${name}(1)`,
    `system.builtin."${name}"(1)`,
  ];

  test("that is not on the list is refused in every place and spelling", () => {
    const through: string[] = [];
    for (const name of TRINO_FUNCTIONS.filter((one) => !ALLOWED_FUNCTIONS.has(one))) {
      // Here the word has syntax of its own, which is allowed.
      const isSpecial = (text: string): boolean =>
        /^(substring|trim|normalize|json_query|json_value|listagg)[ (/-]/i.test(text);
      for (const text of spellings(name).filter((one) => !isSpecial(one))) {
        for (const form of FORMS) if (verdict(form(text)) === "allowed") through.push(form(text));
      }
    }
    assert.deepEqual(through, []);
  });

  test("is refused behind and around every character that is no space to Trino", () => {
    const hidden: string[] = [];
    for (let code = 0; code <= 0xffff; code++) {
      const space = String.fromCharCode(code);
      if (" \t\r\n%*+,-/<=>".includes(space)) continue;
      for (const sql of [
        `SELECT bar${space}(1)`,
        `SELECT ${space}bar(1)`,
        `SELECT * FROM t,${space}system.runtime.queries`,
      ])
        if (verdict(sql) === "allowed") hidden.push(`U+${code.toString(16)}: ${sql}`);
      if (code > 0x7f && verdict(`SELECT 1${space}`) === "allowed") hidden.push(`U+${code.toString(16)}`);
    }
    assert.deepEqual(hidden, []);
  });

  test("the lists name only what Trino has", () => {
    const known = new Set([...TRINO_FUNCTIONS, "if", "coalesce", "nullif"]);
    assert.deepEqual([...ALLOWED_FUNCTIONS].filter((name) => !known.has(name)), []); // prettier-ignore
    for (const name of LAMBDA_FUNCTIONS) assert.ok(ALLOWED_FUNCTIONS.has(name), name);
    assert.deepEqual([...TABLE_FUNCTIONS], ["exclude_columns", "sequence"]);
  });
});

describe("changed statements", () => {
  const PIECES = (
    "SELECT FROM , ( ) ( ) . bar bar( bar(1) system.runtime.queries , TABLE ALL ANY AS IS NOT DISTINCT IN WITH JOIN ON UNION " +
    "VALUES OVER ORDER BY WINDOW FILTER LATERAL UNNEST ROW ARRAY [ ] -> => * + - 'x' \"bar\" 1 x t date count LIMIT " +
    "EXPLAIN ANALYZE FUNCTION AT TIME ZONE INTERVAL EXTRACT TRIM CAST FOR OF TABLESAMPLE"
  ).split(" ");

  test("hold no function and no relation of others, whatever was put in or left out", () => {
    const edit = fc.record({
      at: fc.nat(60),
      drop: fc.nat(3),
      put: fc.array(fc.constantFrom(...PIECES), { maxLength: 4 }),
    });
    let allowed = 0;
    fc.assert(
      fc.property(fc.constantFrom(...ORDINARY), fc.array(edit, { minLength: 1, maxLength: 4 }), (sql, edits) => {
        const tokens = sql.split(/(?<=[ (),])/);
        for (const { at, drop, put } of edits)
          tokens.splice(at % (tokens.length + 1), drop, ...put.map((one) => ` ${one} `));
        const changed = tokens.join("");
        if (verdict(changed) !== "allowed") return;
        allowed += 1;
        const out = tokensOf(checked(changed));
        for (const [index, { kind, value }] of out.entries()) {
          if (kind !== "word" && kind !== "quoted") continue;
          const [next, after] = [out[index + 1]!, out[index + 2]!];
          // `bar (1`: an alias may have columns, but no number.
          if (value.toLowerCase() === "bar" && next.value === "(")
            assert.equal(after.kind === "number", false, changed);
          const before = out[index - 1];
          const isRelation = before?.kind === "word" && ["JOIN", "TABLE"].includes(before.value);
          if (isRelation && value === "SYSTEM" && next.value === ".") assert.fail(changed);
        }
      }),
      { numRuns: 20_000 },
    );
    assert.ok(allowed > 200, `only ${allowed} were allowed`);
  });
});

test("a text that becomes a part of a statement is one query of its own", () => {
  for (const sql of ["SELECT 1", "WITH x AS (SELECT 1 AS a) TABLE x", "VALUES (1), (2) -- end", "(SELECT 1) LIMIT 1"])
    checkSelect(sql, OWN);
  for (const sql of [
    "SELECT * FROM (VALUES (1)) v(a)) AS x, (SELECT 1",
    "SELECT 1) UNION ALL (SELECT 1",
    "SELECT 1 /* to the end",
    "EXPLAIN SELECT 1",
    "SHOW TABLES",
  ])
    assert.throws(() => checkSelect(sql, OWN), { code: "QUERY_FAILED" }, sql);
  for (const sql of ["SELECT 1; SELECT 2", "SELECT bar(1, 2)", ""])
    assert.throws(() => checkSelect(sql, OWN), { code: /^QUERY_NOT_/ }, sql);
});
