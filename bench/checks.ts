/** What a run of the sales checks costs as the one statement it is, and what it would cost check by check. */
import { DuckDBInstance } from "@duckdb/node-api";
import { fileURLToPath } from "node:url";
import { loadContracts } from "../lib/contract/load.ts";
import type { Dialect } from "../lib/warehouse/sql/sql.ts";
import { combinedQuery, measureOf } from "../services/committer/commands/checks.ts";
import { answersTo, percentile, statement, type Stack } from "./stack.ts";

const TABLE = "checks_bench";

/** What one statement took. */
interface Cost {
  ms: number;
  /** Of processors: what other load on the machine changes least. */
  cpuMs: number;
  rowsRead: number;
}

/** How the bench reaches a warehouse whose table TABLE is like sales. */
interface Subject {
  dialect: Dialect;
  measure: (sql: string) => Promise<Cost>;
}

export interface Comparison {
  checks: number;
  oneStatement: Cost;
  checkByCheck: Cost;
}

/** Sales rows made by the warehouse itself. */
const salesSelect = (numbers: string, days: string): string =>
  `SELECT concat('ORD-', CAST(n AS VARCHAR)) AS order_id, concat('CUST-', CAST(n % 5000 AS VARCHAR)) AS customer_id,
     CAST(n % 5000 + 1 AS DECIMAL(12,2)) AS amount, 'Italy' AS country, ${days} AS ingestion_date FROM ${numbers}`;

/** On DuckDB, in memory. Rows read are told by the plan: its scans, each of the whole table. */
export async function ofDuckDb(rows: number, rounds: number): Promise<Comparison> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    const select = salesSelect(`range(${rows}) t(n)`, "DATE '2024-01-01' + CAST(n % 30 AS INTEGER)");
    await connection.run(`CREATE SCHEMA lakehouse; CREATE TABLE lakehouse.${TABLE} AS ${select}`);
    return await compare(rounds, {
      dialect: "duckdb",
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

/** On the local stack's Trino, in a table of its own that is dropped. */
export async function ofTrino(stack: Stack, rows: number, rounds: number): Promise<Comparison> {
  const thousands = Math.ceil(rows / 1_000);
  const numbers = `(SELECT a * 1000 + b AS n FROM UNNEST(sequence(0, ${thousands - 1})) AS x(a), UNNEST(sequence(0, 999)) AS y(b))`;
  const select = salesSelect(numbers, "DATE '2024-01-01' + INTERVAL '1' DAY * (n % 30)");
  await statement(stack, `CREATE TABLE ${TABLE} AS ${select}`);
  try {
    return await compare(rounds, {
      dialect: "trino",
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
  const measures = checks.map((check) => measureOf(check, context));
  const together = combinedQuery(TABLE, measures);
  const alone = measures.map((one) => combinedQuery(TABLE, [one]));
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
