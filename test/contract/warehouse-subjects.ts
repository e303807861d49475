import { after } from "node:test";
import { openWarehouse } from "../../lib/warehouse/open.ts";
import { openAutoWarehouse } from "../support/auto-warehouse.ts";
import { QueryableFakeWarehouse } from "../support/queryable-fake-warehouse.ts";
import { icebergGiven } from "../support/rest-catalog/given.ts";
import { openTestTrino, trinoGiven } from "../support/trino-server.ts";
import type { WarehouseSubject } from "./warehouse-subject.ts";

const DUCKDB_ATTACKS = [
  "SELECT * FROM read_csv('/etc/passwd')",
  "SELECT * FROM read_text('/etc/passwd')",
  "SELECT * FROM read_blob('/etc/passwd')",
  "SELECT * FROM '/etc/passwd'",
  "SELECT * FROM glob('/etc/*')",
  "SELECT * FROM sniff_csv('/etc/passwd')",
  "SELECT * FROM parquet_scan('http://localhost/x.parquet')",
  "COPY $t TO '/tmp/stolen.csv'",
  "COPY (SELECT 1) TO '/tmp/stolen.csv'",
  "EXPORT DATABASE '/tmp/stolen'",
  "ATTACH '/tmp/stolen.duckdb' AS stolen",
  "DETACH warehouse",
  "INSTALL httpfs",
  "LOAD httpfs",
  "PRAGMA memory_limit='10GB'",
  "PRAGMA enable_profiling",
  "SET threads = 1",
  "SET lock_configuration = false",
  "SET VARIABLE x = 1",
  "RESET threads",
  "USE memory",
  "SELECT nextval('warehouse.main.commit_ids')",
  "CREATE TEMP TABLE stolen AS SELECT 1",
  "CREATE SECRET s (TYPE s3)",
  "CHECKPOINT",
  "FORCE CHECKPOINT",
  "SELECT * FROM checkpoint()",
  "FROM enable_logging('QueryLog')",
  "CALL enable_logging()",
  "FROM arrow_scan(1, 2, 3)",
  "SELECT * FROM \"read_text\" /* x */ ('x')",
  "SELECT (SELECT count(*) FROM system.main.glob('*'))",
  "EXPLAIN ANALYZE SELECT * FROM read_text('x')",
  "FROM query('SELECT 1')",
  "FROM query/**/('SELECT 1')",
  "FROM query_table('memory.main.stage_1')",
  "SELECT * FROM read_csv_auto('/etc/passwd')",
  "SELECT * FROM read_json('/etc/passwd')",
  "SELECT * FROM read_ndjson_objects('/etc/passwd')",
  "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
  "SELECT * FROM read_text\n  -- x\n('/etc/passwd')",
  "SELECT (FROM read_text('/etc/passwd'))",
  "SELECT list_transform(['/etc/passwd'], x -> (SELECT content FROM read_text(x)))",
  "DESCRIBE SELECT * FROM read_csv('/etc/passwd')",
  "SUMMARIZE FROM read_csv('/etc/passwd')",
  "FROM 'https://localhost/x.csv'",
  "FROM 's3://bucket/x.parquet'",
  'FROM "/etc/passwd"',
  "FROM '/etc/passwd.duckdb'",
  "SELECT * FROM duckdb_secrets()",
  "SELECT * FROM which_secret('s3://x', 's3')",
  "SELECT * FROM duckdb_settings()",
  "SELECT * FROM duckdb_databases()",
  "SELECT * FROM duckdb_databases",
  "SELECT * FROM pragma_database_list",
  "PRAGMA database_list",
  "PRAGMA database_size",
  "SELECT current_setting('temp_directory')",
  "SELECT write_log('forged')",
  "SELECT sleep_ms(1)",
  "SELECT getenv('PATH')",
  "EXECUTE p",
  "DEALLOCATE p",
  "CREATE MACRO m() AS 1",
  "CREATE SEQUENCE s",
  "CREATE TYPE t AS ENUM ('a')",
  "CREATE SCHEMA stolen",
  "COMMENT ON TABLE $t IS 'x'",
  "IMPORT DATABASE '/tmp/stolen'",
  "UPDATE EXTENSIONS",
  "FORCE INSTALL httpfs",
  "EXPLAIN ANALYZE COPY $t TO '/tmp/stolen.csv'",
  "COPY $t FROM '/etc/passwd'",
  "BEGIN; DROP TABLE $t; COMMIT",
  "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
  "WITH gone AS (DELETE FROM $t RETURNING *) SELECT * FROM gone",
  "VACUUM",
  "ROLLBACK; DROP TABLE $t",
  "SELECT $1",
];

const TRINO_ATTACKS = [
  "CALL system.rollback_to_snapshot('lakehouse', 't', 1)",
  "ALTER TABLE $t EXECUTE optimize",
  "EXPLAIN ANALYZE INSERT INTO $t SELECT * FROM $t",
  "EXPLAIN ANALYZE VERBOSE DELETE FROM $t",
  "EXPLAIN /* x */ ANALYZE DELETE FROM $t",
  "SELECT * FROM TABLE(system.query(query => 'DROP TABLE x'))",
  'SELECT * FROM TABLE("other".system."query"(query => \'DROP TABLE x\'))',
  "PREPARE p FROM DROP TABLE $t",
  "EXECUTE IMMEDIATE 'DROP TABLE $t'",
  "EXECUTE p",
  "SET SESSION query_max_run_time = '1d'",
  "SET ROLE admin",
  "START TRANSACTION",
  "GRANT SELECT ON $t TO USER somebody",
  "ANALYZE $t",
  "TRUNCATE TABLE $t",
  "USE other.schema",
  "REFRESH MATERIALIZED VIEW v",
  "MERGE INTO $t USING $t s ON FALSE WHEN NOT MATCHED THEN INSERT VALUES (1)",
  "/* SELECT */ DROP TABLE $t",
  "SELECT 1; DROP TABLE $t",
  "SELECT * FROM system.runtime.queries",
  "TABLE system.runtime.queries",
  "SELECT query FROM /* x */ system . runtime . queries",
  'SELECT * FROM "system"."runtime"."queries"',
  "SELECT system.query FROM system.runtime.queries system",
  "SELECT s.* FROM $t s JOIN system.runtime.nodes n ON true",
  "SELECT (SELECT count(*) FROM system.jdbc.tables)",
  "WITH q AS (SELECT * FROM system.metadata.catalogs) SELECT * FROM q",
  "SELECT * FROM $t WHERE EXISTS (SELECT 1 FROM system.runtime.tasks)",
  "EXPLAIN SELECT * FROM system.runtime.queries",
  "EXPLAIN (TYPE IO, FORMAT JSON) SELECT * FROM system.runtime.queries",
  "EXPLAIN ANALYZE VERBOSE SELECT * FROM system.runtime.queries",
  "SELECT * FROM system.iceberg_tables",
  "SELECT * FROM lakehouse.system.iceberg_tables",
  "SHOW CATALOGS",
  "SHOW SCHEMAS",
  "SHOW SESSION",
  "SHOW GRANTS",
  "SHOW TABLES FROM system.runtime",
  "SHOW TABLES FROM system",
  "SHOW TABLES IN other",
  "SHOW COLUMNS FROM system.runtime.queries",
  "SHOW CREATE TABLE system.runtime.queries",
  "SHOW CREATE SCHEMA other",
  "SHOW STATS FOR (SELECT * FROM system.runtime.queries)",
  "DESCRIBE system.runtime.queries",
  "DESC other.things",
  "EXPLAIN SHOW CATALOGS",
  "SELECT * FROM TABLE(system.runtime.kill_query('x'))",
  "SELECT * FROM TABLE(system.table_changes('lakehouse', '$t', 1, 2))",
  "SELECT * FROM TABLE(exclude_columns(TABLE(system.runtime.nodes), DESCRIPTOR(node_id)))",
  'SELECT * FROM "$t$files"',
  'SELECT * FROM "$t$snapshots"',
  "SELECT * FROM information_schema.roles",
  "WITH FUNCTION f(x bigint) RETURNS bigint RETURN x + 1 SELECT f(1)",
  "WITH SESSION query_max_run_time = '1d' SELECT 1",
  "SELECT bar(1.0, 2000000000)",
  "SELECT bar\u200b(1.0, 2000000000)",
  "SELECT system.builtin.bar(1.0, 2000000000)",
  "SELECT format('%2000000000d', 1)",
  "SELECT numeric_histogram(1000000000, 1e0)",
  "SELECT approx_most_frequent(3, 1, 1000000000)",
  "SELECT transform(sequence(1, 10000), i -> sequence(1, 10000))",
  "SELECT lpad('x', 2000000000, 'y')",
  "SELECT current_groups()",
  "DESCRIBE INPUT p",
  "SHOW ROLES",
];

/**
 * What the services' tests and the simulation run on. It must keep the same promises, as far as it has any
 * SQL or storage to keep them with.
 */
export const inMemory: WarehouseSubject = {
  name: "in memory",
  open: () => Promise.resolve(new QueryableFakeWarehouse()),
  sql: "duckdb",
  histories: 3,
  attacks: [],
};

/** Every adapter under test. Trino only if a server is given: otherwise its suite is skipped, by that name. */
export async function warehouseSubjects(suite: string): Promise<WarehouseSubject[]> {
  const subjects: WarehouseSubject[] = [
    {
      name: "duckdb",
      open: () => openWarehouse("duckdb::memory:"),
      sql: "duckdb",
      histories: 25,
      attacks: DUCKDB_ATTACKS,
    },
  ];
  const iceberg = icebergGiven(`${suite}: iceberg`);
  if (iceberg) {
    after(() => iceberg.drop());
    const open = () =>
      openWarehouse(iceberg.url, { iceberg: { ...iceberg.options, mergeRowsMax: 2, rewriteRowsMin: 2 } });
    subjects.push({ name: "iceberg", open, sql: "duckdb", histories: 2, attacks: DUCKDB_ATTACKS });
  }
  if (!trinoGiven(`${suite}: trino`)) return subjects;
  const server = await openTestTrino();
  after(() => server.close());
  subjects.push({ name: "trino", open: () => server.open(), sql: "trino", histories: 2, attacks: TRINO_ATTACKS });
  const both = icebergGiven(`${suite}: auto`);
  if (!both) return subjects;
  after(() => both.drop());
  const open = () => openAutoWarehouse(both, server);
  return [...subjects, { name: "auto", open, sql: "trino", histories: 2, attacks: TRINO_ATTACKS }];
}
