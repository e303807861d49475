/** Cost of the sales checks as one statement, compared with one statement per check. */
import { DuckDBInstance } from "@duckdb/node-api";
import { fileURLToPath } from "node:url";
import { loadContracts } from "../lib/contract/load.ts";
import { duckdb } from "../lib/warehouse/duckdb-engine/dialect.ts";
import { checkSql, measureStatement } from "../lib/warehouse/reads/checks.ts";
import type { Dialect } from "../lib/warehouse/sql/dialect.ts";
import { trino } from "../lib/warehouse/trino/dialect.ts";
import { measurementOf } from "../services/committer/commands/checks.ts";
import { answersTo, percentile, statement, type Stack } from "./stack.ts";

const TABLE = "checks_bench";

/** Cost of one statement. */
interface Cost {
  ms: number;
  /** Processor time; depends least on other load on the machine. */
  cpuMs: number;
  rowsRead: number;
}

/** A warehouse with a table TABLE that has the columns of sales. */
interface Subject {
  dialect: Dialect;
  measure: (sql: string) => Promise<Cost>;
}

export interface Comparison {
  checks: number;
  oneStatement: Cost;
  checkByCheck: Cost;
}

/** A query that generates sales rows in the warehouse. */
const salesSelect = (numbers: string, days: string): string =>
  `SELECT concat('ORD-', CAST(n AS VARCHAR)) AS order_id, concat('CUST-', CAST(n % 5000 AS VARCHAR)) AS customer_id,
     CAST(n % 5000 + 1 AS DECIMAL(12,2)) AS amount, 'Italy' AS country, ${days} AS ingestion_date FROM ${numbers}`;

/** On DuckDB, in memory. Rows read: number of scans in the plan, each of the whole table. */
export async function ofDuckDb(rows: number, rounds: number): Promise<Comparison> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    const select = salesSelect(`range(${rows}) t(n)`, "DATE '2024-01-01' + CAST(n % 30 AS INTEGER)");
    await connection.run(`CREATE SCHEMA lakehouse; CREATE TABLE lakehouse.${TABLE} AS ${select}`);
    return await compare(rounds, {
      dialect: duckdb,
      async measure(sql) {
        const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
        await connection.runAndReadAll(sql);
        const ms = performance.now() - startedMs;
        const { user, system } = process.cpuUsage(cpu);
        const plan = JSON.stringify((await connection.runAndReadAll(`EXPLAIN ${sql}`)).getRows());
        return { ms, cpuMs: (user + system) / 1000, rowsRead: rows * (plan.match(/SEQ_SCAN/g)?.length ?? 0) };
      },
    });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** On the local stack's Trino, in a temporary table. */
export async function ofTrino(stack: Stack, rows: number, rounds: number): Promise<Comparison> {
  const thousands = Math.ceil(rows / 1_000);
  const sequences = `UNNEST(sequence(0, ${thousands - 1})) AS x(a), UNNEST(sequence(0, 999)) AS y(b)`;
  const numbers = `(SELECT a * 1000 + b AS n FROM ${sequences})`;
  const select = salesSelect(numbers, "DATE '2024-01-01' + INTERVAL '1' DAY * (n % 30)");
  await statement(stack, `CREATE TABLE ${TABLE} AS ${select}`);
  try {
    return await compare(rounds, {
      dialect: trino,
      async measure(sql) {
        const startedMs = performance.now();
        const { processedRows: rowsRead, cpuMs } = await answersTo(stack, sql);
        return { ms: performance.now() - startedMs, cpuMs, rowsRead };
      },
    });
  } finally {
    await statement(stack, `DROP TABLE ${TABLE}`);
  }
}

async function compare(rounds: number, { dialect, measure }: Subject): Promise<Comparison> {
  const { checks, columns } = loadContracts(fileURLToPath(new URL("../contracts", import.meta.url))).of("sales");
  const context = { table: TABLE, columns, dialect, nowMs: Date.now() };
  const parts = checks.flatMap((check) => {
    const measurement = measurementOf(check);
    return measurement.by === "broken" ? [] : [checkSql(measurement.measured, context)];
  });
  const together = measureStatement(TABLE, parts);
  const alone = parts.map((one) => measureStatement(TABLE, [one]));
  const costs: { oneStatement: Cost[]; checkByCheck: Cost[] } = { oneStatement: [], checkByCheck: [] };
  for (let round = 0; round < rounds; round++) {
    costs.oneStatement.push(await measure(together));
    const each: Cost[] = [];
    for (const sql of alone) each.push(await measure(sql));
    costs.checkByCheck.push(sumOf(each));
  }
  return {
    checks: checks.length,
    oneStatement: medians(costs.oneStatement),
    checkByCheck: medians(costs.checkByCheck),
  };
}

const sumOf = (costs: readonly Cost[]): Cost =>
  costs.reduce((sum, one) => ({
    ms: sum.ms + one.ms,
    cpuMs: sum.cpuMs + one.cpuMs,
    rowsRead: sum.rowsRead + one.rowsRead,
  }));

function medians(costs: readonly Cost[]): Cost {
  const median = (of: (cost: Cost) => number): number => Math.round(percentile(costs.map(of), 0.5));
  return {
    ms: median(({ ms }) => ms),
    cpuMs: median(({ cpuMs }) => cpuMs),
    rowsRead: median(({ rowsRead }) => rowsRead),
  };
}
