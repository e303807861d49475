import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  codeOfFailure,
  isFileThereAlready,
  isTooManyPartitions,
  statementError,
} from "../../../../lib/warehouse/trino/client/errors.ts";
import type { TrinoClient } from "../../../../lib/warehouse/trino/client/client.ts";
import { changesOf, snapshotOf } from "../../../../lib/warehouse/trino/commit/snapshot.ts";
import { guardedMerge } from "../../../../lib/warehouse/trino/commit/merge.ts";
import { trino } from "../../../../lib/warehouse/trino/dialect.ts";
import { logicalName, physicalName, tableSql, withPhysicalNames } from "../../../../lib/warehouse/trino/names.ts";
import { groupBatches, stagedColumnsOf } from "../../../../lib/warehouse/staging/batch-groups.ts";
import { inlineSelect, valuesSelect } from "../../../../lib/warehouse/trino/commit/row-selects.ts";
import { partitioningIn, partitionTexts } from "../../../../lib/warehouse/trino/tables.ts";
import { exactJson, resultValue } from "../../../../lib/warehouse/trino/values.ts";
import { targetOf } from "../../../../lib/warehouse/trino/target.ts";
import type { TableLayout } from "../../../../lib/warehouse/warehouse.ts";
import { rowSchemaOf } from "../../../../lib/columns.ts";
import { withAuditColumns } from "../../../../lib/warehouse/sql/sql.ts";
import { columns, rowBatches } from "../../../support/rows.ts";

const LAYOUT: TableLayout = { table: "t", mode: "replace", key: [], deleteMissing: false, partitioning: [] };

describe("exact JSON", () => {
  test("integers beyond 2^53 come as text, everything else as JSON.parse has it", () => {
    const text =
      '{"data":[[9007199254740993,-9223372036854775808,9007199254740991,1.2345678901234567E19,0.1234567890123456789]]}';
    assert.deepEqual(exactJson(text), {
      data: [["9007199254740993", "-9223372036854775808", 9007199254740991, 12345678901234567000, 0.12345678901234568]],
    });
  });

  test("digits inside strings stay, whatever surrounds them", () => {
    const value = {
      'a"12345678901234567890': ['\\"9007199254740993', "9007199254740993,", 'x\\\\"', 1e300, -0.5, null, true],
    };
    assert.deepEqual(exactJson(JSON.stringify(value)), value);
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (json) => {
        const text = JSON.stringify({ json, pad: "1234567890123456" });
        const large = (_key: string, one: unknown): unknown =>
          Number.isInteger(one) && !Number.isSafeInteger(one) && /^-?\d+$/.test(String(one)) ? String(one) : one;
        assert.deepEqual(exactJson(text), JSON.parse(text, large));
      }),
    );
  });

  test("timestamps become ISO text", () => {
    assert.equal(resultValue("timestamp(6)", "2024-01-31 12:00:00.123456"), "2024-01-31T12:00:00.123456");
    assert.equal(resultValue("timestamp(6)", "2024-01-31 12:00:00.000000"), "2024-01-31T12:00:00");
    assert.equal(
      resultValue("timestamp(6) with time zone", "2024-01-31 12:00:00.500000 UTC"),
      "2024-01-31T12:00:00.500000Z",
    );
    assert.equal(resultValue("varchar", "2024-01-31 12:00:00"), "2024-01-31 12:00:00");
    assert.equal(resultValue("decimal(20,2)", "1.10"), "1.10");
  });
});

describe("failures", () => {
  const failure = (errorName: string, errorType: string, message = "x") => ({ errorName, errorType, message });
  for (const [code, ...failures] of [
    [
      "WAREHOUSE_CONFLICT",
      failure("ICEBERG_COMMIT_ERROR", "EXTERNAL", "Failed to commit the transaction during write"),
      failure("TRANSACTION_CONFLICT", "EXTERNAL"),
      failure(
        "GENERIC_INTERNAL_ERROR",
        "INTERNAL_ERROR",
        "Found conflicting files that can contain records matching true",
      ),
      failure("ICEBERG_CATALOG_ERROR", "EXTERNAL", "Requirement failed: branch main has changed"),
    ],
    [
      "WAREHOUSE_TIMEOUT",
      failure("EXCEEDED_TIME_LIMIT", "INSUFFICIENT_RESOURCES"),
      failure("USER_CANCELED", "USER_ERROR"),
    ],
    [
      "WAREHOUSE_UNAVAILABLE",
      failure("SERVER_STARTING_UP", "INTERNAL_ERROR"),
      failure("NO_NODES_AVAILABLE", "INSUFFICIENT_RESOURCES"),
      failure("ICEBERG_FILESYSTEM_ERROR", "EXTERNAL"),
      failure("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR", "Unable to execute HTTP request: Connection refused"),
    ],
    [
      "WAREHOUSE_UNAVAILABLE",
      failure("CLUSTER_OUT_OF_MEMORY", "INSUFFICIENT_RESOURCES"),
      failure("QUERY_QUEUE_FULL", "INSUFFICIENT_RESOURCES"),
      failure("GENERIC_INSUFFICIENT_RESOURCES", "INSUFFICIENT_RESOURCES"),
      failure("ICEBERG_WRITER_DATA_ERROR", "EXTERNAL"),
    ],
    [
      "WAREHOUSE_LIMIT",
      failure(
        "EXCEEDED_LOCAL_MEMORY_LIMIT",
        "INSUFFICIENT_RESOURCES",
        "Query exceeded per-node memory limit of 614.40MB",
      ),
      failure("EXCEEDED_GLOBAL_MEMORY_LIMIT", "INSUFFICIENT_RESOURCES"),
      failure("EXCEEDED_CPU_LIMIT", "INSUFFICIENT_RESOURCES"),
      failure("EXCEEDED_SCAN_LIMIT", "INSUFFICIENT_RESOURCES"),
      failure("QUERY_TEXT_TOO_LARGE", "USER_ERROR"),
      failure("QUERY_EXCEEDED_COMPILER_LIMIT", "USER_ERROR"),
      failure(
        "ICEBERG_TOO_MANY_OPEN_PARTITIONS",
        "USER_ERROR",
        "Exceeded limit of 100 open writers for partitions: 366",
      ),
    ],
    [
      "WAREHOUSE_REFUSED",
      failure("PERMISSION_DENIED", "USER_ERROR", "Access Denied: Cannot insert into table"),
      failure("CATALOG_NOT_FOUND", "USER_ERROR"),
      failure("SCHEMA_NOT_FOUND", "USER_ERROR"),
      failure("ICEBERG_INVALID_METADATA", "EXTERNAL"),
      failure("UNSUPPORTED_TABLE_TYPE", "EXTERNAL"),
      failure("CONFIGURATION_INVALID", "INTERNAL_ERROR"),
    ],
    [
      "WAREHOUSE_FAILED",
      failure("NOT_SUPPORTED", "USER_ERROR"),
      failure("INVALID_CAST_ARGUMENT", "USER_ERROR"),
      failure("ICEBERG_INVALID_PARTITION_VALUE", "EXTERNAL"),
      failure("SYNTAX_ERROR", "USER_ERROR", "a string 'found conflicting files' in a statement"),
      failure("COLUMN_NOT_FOUND", "USER_ERROR"),
      failure("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR", "index out of bounds"),
    ],
  ] as const) {
    test(code, () => failures.forEach((one) => assert.equal(codeOfFailure(one), code, one.errorName)));
  }

  test("an error says what Trino met first, and a catalog's refusal is final", () => {
    const failureInfo = {
      type: "io.trino.spi.TrinoException",
      message: "Failed to load table",
      cause: { type: "org.apache.iceberg.exceptions.BadRequestException", message: "name must start with a letter" },
    };
    const error = statementError(
      { ...failure("ICEBERG_CATALOG_ERROR", "EXTERNAL", "Failed to load table"), failureInfo },
      "q1",
    );
    assert.equal(error.code, "WAREHOUSE_FAILED");
    assert.match(
      error.message,
      /Failed to load table: name must start with a letter \(ICEBERG_CATALOG_ERROR, query q1\)/,
    );
  });

  test("the failures a commit answers in its own way", () => {
    assert.ok(isTooManyPartitions(new Error("Exceeded limit of 100 open writers for partitions: 366")));
    assert.ok(isFileThereAlready(new Error("File already exists: s3://b/x.parquet")));
    assert.ok(!isTooManyPartitions(new Error("no")) && !isFileThereAlready(new Error("no")));
  });
});

describe("rows as SQL", () => {
  const definitions = columns({
    id: "BIGINT",
    "na'me": "VARCHAR",
    amount: "DECIMAL(5,2)",
    at: "TIMESTAMP",
    ratio: "DOUBLE",
  });
  const rows = [
    { id: 9007199254740993n, "na'me": "O'Hara\\\"", amount: "-1.20", at: "2024-01-31T12:00:00.000001", ratio: -0 },
    { id: 1, "na'me": null, amount: null, at: null, ratio: Number.NaN },
  ];
  const batches = rowBatches(definitions, rows, { sourceFile: "f", sourceOffset: 7 });

  test("one string literal holds them, exactly", () => {
    const [group] = groupBatches(batches);
    const sql = inlineSelect(withAuditColumns([...definitions, ...columns({ later: "DATE" })]), group!, 10_000)!;
    assert.match(sql, /^SELECT r\."c0" AS "id", r\."c1" AS "na'me", CAST\(r\."c2" AS DECIMAL\(5,2\)\) AS "amount"/);
    assert.match(sql, /CAST\(NULL AS DATE\) AS "later"/);
    const literal = /json_parse\('((?:[^']|'')*)'\)/.exec(sql)![1]!.replaceAll("''", "'");
    assert.match(literal, /^\[\[9007199254740993,"O'Hara\\\\\\"","-1.20","2024-01-31 12:00:00.000001","-0.0","f",7,1,/);
    assert.match(literal, /\[1,null,null,null,"NaN","f",7,2,/);
  });

  test("too many are none", () => {
    assert.equal(inlineSelect(withAuditColumns(definitions), groupBatches(batches)[0]!, 100), undefined);
  });

  test("a column that the table lacks is an error, not a loss", () => {
    assert.throws(() => inlineSelect(withAuditColumns([]), groupBatches(batches)[0]!, 10_000), /no column 'id'/);
    assert.throws(() => valuesSelect([{ name: "a", type: "VARCHAR" }], [{ b: 1 }]), /no such column: b/);
  });

  test("widths that encode alike are staged alike", () => {
    const of = (types: Parameters<typeof columns>[0]) => stagedColumnsOf(JSON.stringify(rowSchemaOf(columns(types))));
    assert.deepEqual(of({ a: "INTEGER", d: "DECIMAL(5,2)" }), of({ a: "BIGINT", d: "DECIMAL(30,2)" }));
    assert.notDeepEqual(of({ d: "DECIMAL(5,2)" }), of({ d: "DECIMAL(5,3)" }));
    const narrow = rowBatches(columns({ d: "DECIMAL(5,2)" }), [{ d: "1.00" }], { sourceFile: "f", sourceOffset: 1 });
    const wide = rowBatches(columns({ d: "DECIMAL(9,2)" }), [{ d: "2.00" }], { sourceFile: "f", sourceOffset: 1 });
    assert.equal(groupBatches([...narrow, ...wide]).length, 1);
  });
});

describe("merge statements", () => {
  const input = {
    dialect: trino,
    target: tableSql(LAYOUT.table),
    layout: LAYOUT,
    columns: columns({ id: "BIGINT", v: "VARCHAR" }),
    rows: "SELECT 1",
    baseSnapshot: "7",
  };

  test("names of files are literals", () => {
    const sql = guardedMerge({ ...input, files: [{ sourceFile: "it's; DROP", sourceOffset: 1 }] });
    assert.match(sql, /t\."_source_file" IN \('it''s; DROP'\)/);
  });

  test("deleteMissing marks rows of versions that the batch supersedes", () => {
    const layout: TableLayout = { ...LAYOUT, mode: "upsert", key: ["id"], deleteMissing: true };
    const files = [1, 2].map((sourceOffset) => ({ sourceFile: "f", sourceOffset }));
    assert.match(guardedMerge({ ...input, layout, files }), /n\."_source_file" = 'f' AND n\."_source_offset" < 2/);
    assert.doesNotMatch(guardedMerge({ ...input, layout, files: files.slice(1) }), /"_source_offset" < 2\)/);
  });

  test("rows of files that the table has nothing of meet nothing, but by a key", () => {
    const files = [{ sourceFile: "f", sourceOffset: 1 }];
    for (const mode of ["replace", "append"] as const) {
      const sql = guardedMerge({ ...input, layout: { ...LAYOUT, mode }, files, newFiles: true });
      assert.match(sql, /\) AS s ON false\nWHEN NOT MATCHED THEN INSERT/);
      assert.match(sql, /IS NOT DISTINCT FROM BIGINT '7'/, "on the condition of what was seen all the same");
      assert.doesNotMatch(sql, /JOIN|UPDATE|DELETE/);
    }
    const layout: TableLayout = { ...LAYOUT, mode: "upsert", key: ["id"] };
    assert.match(guardedMerge({ ...input, layout, files, newFiles: true }), /ON t\."id" = s\."id"/);
  });

  test("of rows whose keys are unique none is looked for that is newest", () => {
    const layout: TableLayout = { ...LAYOUT, mode: "upsert", key: ["id"] };
    const files = [{ sourceFile: "f", sourceOffset: 1 }];
    assert.match(guardedMerge({ ...input, layout, files }), /row_number/);
    assert.doesNotMatch(guardedMerge({ ...input, layout, files, keysUnique: true }), /row_number/);
  });

  test("counts come from the statement and its snapshot", () => {
    const summary = { "added-records": "7", "added-position-deletes": "6" };
    // 3 inserted, 4 updated (a delete and an insert each), 2 deleted.
    assert.deepEqual(changesOf(9, summary), { rowsInserted: 3, rowsUpdated: 4, rowsDeleted: 2 });
    assert.deepEqual(changesOf(5, { "added-records": "5" }), { rowsInserted: 5, rowsUpdated: 0, rowsDeleted: 0 });
    assert.deepEqual(changesOf(2, { "added-position-deletes": "2" }), {
      rowsInserted: 0,
      rowsUpdated: 0,
      rowsDeleted: 2,
    });
  });
});

describe("the snapshot a MERGE made", () => {
  const made = async (row: readonly unknown[] | undefined) => {
    const client = { run: () => Promise.resolve({ rows: row ? [row] : [] }) };
    const statement = { queryId: "q", updateCount: 2, baseSnapshot: "7", strategy: "inline" };
    return snapshotOf(client as unknown as TrinoClient, "t", statement);
  };
  const summary = JSON.stringify({ "added-records": "2", "total-records": "5" });

  test("what was seen and it: the writer still knows its table", async () => {
    const { receipt, made: after } = await made(["8", "7", summary]);
    assert.deepEqual(after, { snapshot: "8", rows: 5 });
    assert.equal(receipt.snapshotId, "8");
    assert.equal(receipt.rowsInserted, 2);
  });

  test("another's came in between, of other files: it has to look", async () => {
    const { receipt, made: after } = await made(["9", "8", summary]);
    assert.equal(after, undefined);
    assert.equal(receipt.snapshotId, "9");
  });

  test("none is found: it has to look", async () => {
    const { receipt, made: after } = await made(undefined);
    assert.equal(after, undefined);
    assert.deepEqual([receipt.snapshotId, receipt.rowsInserted], [null, 2]);
  });
});

describe("names and targets", () => {
  test("our own tables have names that every catalog takes, and are asked for by ours", () => {
    assert.equal(physicalName("_ingest_files"), "tributary_ingest_files");
    assert.equal(logicalName("tributary_ingest_files"), "_ingest_files");
    assert.equal(logicalName(physicalName("sales")), "sales");
    for (const name of ["constructor", "valueof", "__proto__"]) {
      assert.equal(physicalName(name), name);
      assert.equal(logicalName(`tributary${name}`), `tributary${name}`);
      assert.equal(withPhysicalNames(`SELECT ${name} FROM "${name}"`, "s"), `SELECT ${name} FROM "${name}"`);
    }
    const sql = `SELECT '_ingest_files', x._ingest_files FROM "lakehouse"."_ingest_files" -- _ingest_files`;
    assert.equal(
      withPhysicalNames(sql, "other"),
      `SELECT '_ingest_files', x."tributary_ingest_files" FROM "other"."tributary_ingest_files" -- _ingest_files`,
    );
    assert.equal(
      withPhysicalNames('SELECT 1 FROM "_ingest_files$snapshots"', "s"),
      'SELECT 1 FROM "tributary_ingest_files$snapshots"',
    );
  });

  test("a URL names server, user, catalog and schema", () => {
    assert.deepEqual(targetOf("trino://me@host:8081/ice/lake"), {
      server: "http://host:8081",
      user: "me",
      catalog: "ice",
      schema: "lake",
    });
    assert.equal(targetOf("trino+https://me@host/ice").server, "https://host:443");
    assert.equal(targetOf("trino+https://me@host/ice", "secret").password, "secret");
    for (const url of ["trino://host", "trino+https://me:secret@host/ice", "trino:"]) {
      assert.throws(() => targetOf(url), { code: "CONFIG_INVALID" }, url);
    }
  });

  test("partitioning goes to Trino and comes back", () => {
    const partitioning = ["day", "month(at)", "bucket(id, 16)"];
    assert.deepEqual(partitionTexts({ ...LAYOUT, partitioning }), partitioning);
    assert.deepEqual(partitionTexts({ ...LAYOUT, partitioning: ["Odd name"] }), ['"Odd name"']);
    const created =
      "WITH (\n   format = 'PARQUET',\n   partitioning = ARRAY['day','month(at)','bucket(id, 16)'],\n   x = 1\n)";
    assert.deepEqual(partitioningIn(created), partitioning);
    assert.deepEqual(partitioningIn("WITH (format = 'PARQUET')"), []);
  });
});
