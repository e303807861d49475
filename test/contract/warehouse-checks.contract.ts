import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { systemClock } from "../../lib/clock.ts";
import { contractSchema } from "../../lib/contract/contract.ts";
import { silentLogger } from "../../lib/process/logger.ts";
import { Registry } from "../../lib/process/metrics.ts";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";
import { committerMetrics } from "../../services/committer/metrics.ts";
import { runChecks, type CheckResult } from "../../services/committer/commands/quality.ts";
import { columns, type Row } from "../support/rows.ts";
import { READ_ALL, TestTable } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

const NOW_MS = Date.UTC(2024, 5, 15, 12);
const iso = (ms: number): string => new Date(ms).toISOString().slice(0, 23);
const HOUR = 3_600_000;

const COLUMNS = columns({
  id: "VARCHAR",
  amount: "DECIMAL(12,2)",
  n: "INTEGER",
  big: "BIGINT",
  ratio: "DOUBLE",
  ok: "BOOLEAN",
  day: "DATE",
  at: "TIMESTAMP",
  instant: "TIMESTAMP WITH TIME ZONE",
  'we"ird': "VARCHAR",
  nothing: "INTEGER",
});

const NAMES = COLUMNS.map(({ name }) => name);
const row = (...cells: Row[string][]): Row => Object.fromEntries(cells.map((cell, index) => [NAMES[index]!, cell]));
const ROWS: Row[] = [
  row("a", "1.00", 1, 2n ** 53n + 1n, 0.5, true, "2024-06-15", iso(NOW_MS), iso(NOW_MS), "x'y"),
  row("a", "-0.05", 2, 7, 1.5, false, "2024-06-16", iso(NOW_MS + HOUR), iso(NOW_MS + HOUR), "z"),
  row("b", "0.00", 3, 7, null, null, "2024-06-14", null, null, null),
  row("b", null, null, null, -1, true, null, iso(NOW_MS + 24 * HOUR), iso(NOW_MS + 24 * HOUR), "x'y"),
  row(null, "100000.01", 5, 5, 2, true, "2024-06-06", iso(NOW_MS - 1), iso(NOW_MS - 1), "X"),
];

/** A check and its failing rows. NULLs count for not_null alone; bounds are inclusive; text is compared as it is written. */
const CASES: [object, number][] = [
  [{ type: "uniqueness", column: "id" }, 2],
  [{ type: "uniqueness", column: "n" }, 0],
  [{ type: "uniqueness", column: "big" }, 1],
  [{ type: "uniqueness", column: "nothing" }, 0],
  [{ type: "not_null", column: "id" }, 1],
  [{ type: "not_null", column: "nothing" }, 5],
  [{ type: "not_null", column: "_source_file" }, 0],
  [{ type: "accepted_values", column: 'we"ird', accepted: ["x'y", "Z"] }, 2],
  [{ type: "accepted_values", column: 'we"ird', accepted: ["x'y", "z", "X"] }, 0],
  [{ type: "accepted_values", column: "n", accepted: [1, 2, "3"] }, 1],
  [{ type: "accepted_values", column: "big", accepted: ["9007199254740993", 5, 7] }, 0],
  [{ type: "accepted_values", column: "amount", accepted: [1, -0.05, "0.00"] }, 1],
  [{ type: "accepted_values", column: "ok", accepted: [true] }, 1],
  [{ type: "accepted_values", column: "day", accepted: ["2024-06-15"] }, 3],
  [{ type: "accepted_values", column: "nothing", accepted: [1] }, 0],
  [{ type: "positive", column: "amount" }, 2],
  [{ type: "positive", column: "ratio" }, 1],
  [{ type: "positive", column: "nothing" }, 0],
  [{ type: "range", column: "amount", min_value: 0.01, max_value: 100_000 }, 3],
  [{ type: "range", column: "amount", min_value: "-0.051", max_value: 100_000.01 }, 0],
  [{ type: "range", column: "amount", min_value: -0.05, max_value: "100000.01" }, 0],
  [{ type: "range", column: "n", min_value: 1.5 }, 1],
  [{ type: "range", column: "n", min_value: 1, max_value: 5 }, 0],
  [{ type: "range", column: "big", max_value: "9007199254740992" }, 1],
  [{ type: "range", column: "ratio", max_value: 1.5 }, 1],
  [{ type: "range", column: "day", min_value: "2024-06-14", max_value: "2024-06-15" }, 2],
  [{ type: "range", column: "day" }, 0],
  [{ type: "row_count_range", min_count: 5, max_count: 5 }, 0],
  [{ type: "row_count_range", min_count: 6 }, 1],
  [{ type: "row_count_range", max_count: 4 }, 1],
  [{ type: "no_future_dates", column: "day" }, 1],
  [{ type: "no_future_dates", column: "at" }, 1],
  [{ type: "no_future_dates", column: "instant" }, 1],
  [{ type: "regex", column: "id", pattern: "^[a']$" }, 2],
  [{ type: "regex", column: 'we"ird', pattern: "x" }, 2],
  [{ type: "regex", column: "n", pattern: "^[0-9]+$" }, 0],
  [{ type: "freshness", column: "at", max_age: "1h" }, 0],
  [{ type: "freshness", column: "instant", max_age: "1h" }, 0],
  [{ type: "freshness", column: "day", max_age: "1h" }, 0],
  [{ type: "freshness", max_age: "1h" }, 1],
  [{ type: "freshness", column: "day", max_age: "1ms" }, 0],
  [{ type: "referential", column: "id", references: { table: "$parents", column: "key" } }, 2],
  [{ type: "custom_sql", sql: "SELECT * FROM $t WHERE n > 1 -- all but one" }, 3],
  [{ type: "custom_sql", sql: " WITH x AS (SELECT id FROM $t) SELECT id FROM x; " }, 5],
  [{ type: "custom_sql", sql: "SELECT 1 FROM $t WHERE FALSE" }, 0],
];

/** What cannot be asked, or must not be. */
const BROKEN: [object, RegExp][] = [
  [{ type: "positive", column: "gone" }, /has no column 'gone'/],
  [{ type: "positive", column: "id" }, /positive needs a number; 'id' is VARCHAR/],
  [{ type: "no_future_dates", column: "n" }, /needs a date or timestamp/],
  [{ type: "range", column: "n", min_value: "one" }, /'one' is not a number/],
  [{ type: "regex", column: "id", pattern: "(" }, /./],
  [{ type: "referential", column: "id", references: { table: "no_such_table", column: "key" } }, /no_such_table/i],
  [{ type: "custom_sql", sql: "SELECT nonsense FROM $t" }, /nonsense/],
  [{ type: "custom_sql", sql: "DELETE FROM $t" }, /./],
  [
    { type: "custom_sql", sql: "SELECT 1) AS c) AS q0 (n); DELETE FROM $t; SELECT 1 FROM (SELECT 1 FROM (SELECT 1" },
    /syntax error|several statements/,
  ],
  ...[
    "SELECT * FROM (VALUES (1)) v(a)) AS x, (SELECT 1",
    "SELECT 1) UNION ALL (SELECT 1",
    "SELECT 1 FROM $t WHERE FALSE) AS c CROSS JOIN (SELECT 1 FROM $t",
    "SELECT 1 WHERE 1 = 0) AS c) AS q0 (n) CROSS JOIN (SELECT 0 FROM (SELECT 1",
  ].map((sql): [object, RegExp] => [{ type: "custom_sql", sql }, /syntax error|expects the end/]),
  [{ type: "custom_sql", sql: "SELECT 1 /* to the end" }, /comment|expects/],
];

/** The run of a contract's checks as the committer does it. */
async function run(
  warehouse: Warehouse,
  table: string,
  checks: readonly object[],
  timeoutMs = 60_000,
): Promise<{ status: string; results: CheckResult[]; statements: number }> {
  const contract = contractSchema.parse({ table, checks });
  let statements = 0;
  const counting = new Proxy(warehouse, {
    get(object, name) {
      const member: unknown = Reflect.get(object, name, object);
      if (typeof member !== "function") return member;
      if (name === "measure") statements += 1;
      return member.bind(object) as unknown;
    },
  });
  const signal = new AbortController().signal;
  const outcome = await runChecks({
    command: { commandId: `run of ${table}`, table, kind: "checks", reason: "", requestedAtMs: 0, argumentsJson: "{}" },
    writer: {
      warehouse: counting,
      contract,
      signal,
      persist: (_step, attempt) => attempt(),
      confirmOwner: async () => undefined,
      mustYield: () => false,
      cancels: {
        of: () => undefined,
        begin: async () => undefined,
        isTooLate: async () => false,
        unlessCancelled: (_fileId, load) => load(signal),
      },
      description: "unknown",
      incomplete: "unknown",
    },
    signal,
    clock: { ...systemClock, nowMs: () => NOW_MS },
    settings: {
      checksTimeoutMs: timeoutMs,
      retentionMs: 0,
      snapshotsMax: 1,
      maintenanceHoldMs: 1,
      commandsAtOnceMax: 1,
    },
    metrics: committerMetrics(new Registry(), systemClock),
    logger: silentLogger(),
  });
  return { ...(JSON.parse(outcome.resultJson) as { status: string; results: CheckResult[] }), statements };
}

/** Every type of check against a real table: what it counts, what it costs, and what becomes of broken ones. */
export function checksContract(opened: Opened): void {
  describe("checks", () => {
    let tables: Promise<{ table: TestTable; parents: TestTable }> | undefined;
    const prepared = () =>
      (tables ??= (async () => {
        const table = new TestTable(opened.warehouse, COLUMNS);
        const receivedAtMs = NOW_MS - 2 * HOUR;
        await table.ingest({ sourceFile: "f", sourceOffset: 1, receivedAtMs, rows: ROWS });
        const parents = new TestTable(opened.warehouse, columns({ key: "VARCHAR" }));
        await parents.ingest({ sourceFile: "f", sourceOffset: 1, rows: [{ key: "a" }, { key: null }] });
        return { table, parents };
      })());
    /** The cases as checks named by their place. */
    const named = async (given: readonly object[]): Promise<object[]> => {
      const { table, parents } = await prepared();
      const text = JSON.stringify(given.map((one, index) => ({ name: `check ${index}`, ...one })));
      return JSON.parse(text.replaceAll("$t", table.name).replaceAll("$parents", parents.name)) as object[];
    };

    test("all types, together: each counts what it should, and those of the table alone share one statement", async () => {
      const { table } = await prepared();
      const checks = await named(CASES.map(([given]) => given));
      const { status, results, statements } = await run(opened.warehouse, table.name, checks);
      assert.equal(status, "failed");
      const found = results.map(({ status, failing_rows: failing, total_rows: total, details }, index) => ({ case: CASES[index]![0], status, failing, total, details })); // prettier-ignore
      const expected = CASES.map(([given, failing], index) => ({ case: given, status: failing > 0 ? "failed" : "passed", failing, total: 5, details: found[index]?.details })); // prettier-ignore
      assert.deepEqual(found, expected);
      const alone = CASES.filter(([given]) => /referential|custom_sql/.test(JSON.stringify(given))).length;
      assert.equal(statements, 1 + alone);
    });

    test("broken checks are errors with their message, hide no other, and change nothing", async () => {
      const { table } = await prepared();
      const checks = await named([{ type: "not_null", column: "id" }, ...BROKEN.map(([given]) => given)]);
      const { status, results } = await run(opened.warehouse, table.name, checks);
      assert.equal(status, "error");
      const [good, ...broken] = results;
      assert.deepEqual([good?.status, good?.failing_rows, good?.total_rows], ["failed", 1, 5]);
      for (const [index, [given, message]] of BROKEN.entries()) {
        const { status, details, failing_rows: failing } = broken[index]!;
        assert.deepEqual([status, failing], ["error", 0], JSON.stringify(given));
        assert.match(details, message);
        assert.match(details, /^Error: /);
      }
      assert.deepEqual(await table.query("SELECT count(*) FROM $t"), [[5]]);
    });

    test("what each found is on record", async () => {
      const { table } = await prepared();
      const checks = await named([
        { type: "not_null", column: "id" },
        { type: "positive", column: "gone" },
      ]);
      await run(opened.warehouse, table.name, checks);
      const sql = `SELECT check_name, check_type, table_name, column_name, status, failing_rows, total_rows, details, run_id, executed_at
        FROM _quality_results WHERE table_name = '${table.name}' AND (details = '1 of 5 rows fail' OR column_name = 'gone')
        ORDER BY check_name, status`;
      const { columns: seen, rows } = await opened.warehouse.query(sql, READ_ALL);
      assert.equal(seen.length, 10);
      const runId = `run of ${table.name}`;
      const at = "2024-06-15T12:00:00";
      const note = ["check 0", "not_null", table.name, "id", "failed", 1, 5, "1 of 5 rows fail", runId, at];
      const error = [
        "check 1",
        "positive",
        table.name,
        "gone",
        "error",
        0,
        5,
        `Error: table ${table.name} has no column 'gone'`,
        runId,
        at,
      ];
      assert.deepEqual(rows.filter(([name]) => name === "check 1").slice(-1), [error]);
      assert.deepEqual(rows.filter(([name]) => name === "check 0").slice(-1), [note]);
    });

    test("an empty table fails no check of its rows", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      await opened.warehouse.ensureTable(table.layout, COLUMNS);
      const given = [
        { type: "uniqueness", column: "id" },
        { type: "not_null", column: "id" },
        { type: "positive", column: "amount" },
        { type: "row_count_range", min_count: 0 },
        { type: "row_count_range", min_count: 1 },
        { type: "freshness", column: "at", max_age: "1h" },
      ];
      const { results } = await run(opened.warehouse, table.name, await named(given));
      assert.deepEqual(
        results.map(({ status }) => status),
        ["passed", "passed", "passed", "passed", "failed", "failed"],
      );
    });

    test("SQL of a user's that runs on is given up, and the checks after it still run or say why not", async () => {
      const { table } = await prepared();
      const endless =
        opened.subject.sql === "trino"
          ? "SELECT 1 FROM UNNEST(sequence(1, 10000)) AS a(x), UNNEST(sequence(1, 10000)) AS b(y), UNNEST(sequence(1, 10000)) AS c(z) WHERE x * y * z = 7"
          : "SELECT 1 FROM range(100000) a(x), range(100000) b(y), range(100000) c(z) WHERE x * y * z = 7";
      const checks = await named([
        { type: "custom_sql", sql: endless },
        { type: "custom_sql", sql: "SELECT 1 FROM $t WHERE FALSE" },
        { type: "not_null", column: "id" },
      ]);
      const startedMs = performance.now();
      const { results } = await run(opened.warehouse, table.name, checks, 4_000);
      assert.ok(performance.now() - startedMs < 30_000, "the time limit is not kept");
      assert.deepEqual(
        results.map(({ status }) => status),
        ["error", "error", "failed"],
      );
      assert.match(results[0]!.details, /ran longer than \d+ ms|no end after \d+ ms/);
      assert.match(results[1]!.details, /TRIBUTARY_CHECKS_TIMEOUT/);
    });
  });
}
