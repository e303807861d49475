/**
 * Benchmarks of the local stack (Kafka, SeaweedFS, Trino, the services as processes). Start it first:
 * `npm run stack -- --detach --data DIR`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Engine } from "../scripts/stack/stack.ts";
import type { RestCatalogSettings } from "../scripts/stack/settings.ts";
import * as trino from "../scripts/stack/statement.ts";
import { bodyOf, generateSales } from "./large-files/sales-file.ts";

/** Where the gateway is: of a stack, or of the embedded default. */
export interface Gateway {
  gateway: string;
}

export interface Stack extends Gateway {
  engine: Engine;
  trino: string;
  kafka: string;
  s3: { endpoint: string; region: string; accessKey: string; secretKey: string };
  restCatalog: RestCatalogSettings;
  catalog: string;
  schema: string;
  pids: number[];
}

export const readStack = (folder: string): Stack =>
  JSON.parse(readFileSync(join(folder, "stack.json"), "utf8")) as Stack;

/** Runs one statement on Trino and returns its rows. */
export const statement = (stack: Stack, sql: string): Promise<unknown[][]> => trino.statement(stack.trino, sql, stack);

/** As `statement`, with the cost on the server. */
export const answersTo = (stack: Stack, sql: string): Promise<trino.Answer> => trino.answersTo(stack.trino, sql, stack);

export async function upload(stack: Gateway, table: string, name: string, body: Readable | string): Promise<void> {
  const url = `${stack.gateway}/v1/tables/${table}/files/${name}?${WAIT}`;
  const init =
    typeof body === "string"
      ? { method: "PUT", body }
      : ({ method: "PUT", body: Readable.toWeb(body) as ReadableStream, duplex: "half" } as RequestInit);
  let answer = await statusOf(url, init);
  // Repeat the request until the file has ended, because the gateway limits the wait of one request.
  while (!ENDED.includes(answer.status)) answer = await statusOf(`${stack.gateway}/v1/files/${answer.fileId}?${WAIT}`);
  if (answer.status !== "committed") throw new Error(`${name} ended as ${answer.status}`);
}

async function statusOf(url: string, init?: RequestInit): Promise<{ fileId: string; status: string }> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} responded with status ${response.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text) as { fileId: string; status: string };
}

const ENDED = ["committed", "rejected", "failed"];
const WAIT = "wait=committed&timeout=2m";

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
}

/** Asks the gateway, whatever engine answers. */
export async function count(stack: Gateway, table: string): Promise<number> {
  const body = JSON.stringify({ sql: `SELECT count(*) FROM ${table}` });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${stack.gateway}/v1/query`, { method: "POST", headers, body });
  if (!response.ok) throw new Error(`the query of ${table} got ${response.status}: ${await response.text()}`);
  const { rows } = (await response.json()) as { rows: unknown[][] };
  return Number(rows[0]![0]);
}

/** Drops the table, if there is one. */
export async function drop(stack: Gateway, table: string): Promise<void> {
  const response = await fetch(`${stack.gateway}/v1/tables/${table}?confirm=${table}`, { method: "DELETE" });
  if (response.status !== 200 && response.status !== 404)
    throw new Error(`dropping ${table} got ${response.status}: ${await response.text()}`);
  await response.text();
}

export async function expectCount(stack: Gateway, table: string, rows: number): Promise<void> {
  const found = await count(stack, table);
  if (found !== rows) throw new Error(`${table} holds ${found} rows, expected ${rows}`);
}

export const unique = (prefix: string): string => `${prefix}_${Date.now().toString(36)}`;
export const median = (values: readonly number[]): number => percentile(values, 0.5);
export const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

/**
 * A big sales file, loaded in three ways: as the first version of a file of an unpartitioned table
 * (adopted); into the sales table (upsert, partitioned, MERGE); and for comparison the same rows merged by
 * Trino alone from existing Parquet files into a table like sales.
 */
export async function bigFile(stack: Stack, rows: number): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
  try {
    const csv = join(folder, "big.csv");
    generateSales(csv, { rows });
    const adopted = unique("orders");
    const file = (): Readable => bodyOf(csv);
    const adoptS = await seconds(() => upload(stack, adopted, "big.csv", file()));
    await expectCount(stack, adopted, rows);
    // The first run has no sales table yet.
    await statement(stack, "DELETE FROM sales").catch(() => undefined);
    const mergeS = await seconds(() => upload(stack, "sales", unique("big"), file()));
    await expectCount(stack, "sales", rows);
    const target = unique("alone");
    const columns =
      "order_id, customer_id, amount, country, ingestion_date, _source_file, _source_offset, _source_row, _ingested_at";
    await statement(
      stack,
      `CREATE TABLE ${target} WITH (partitioning = ARRAY['ingestion_date'])
         AS SELECT ${columns} FROM sales WITH NO DATA`,
    );
    const values = columns
      .split(", ")
      .map((name) => `s.${name}`)
      .join(", ");
    const aloneS = await seconds(() =>
      statement(
        stack,
        `MERGE INTO ${target} t USING (SELECT ${columns} FROM ${adopted}) s ON t.order_id = s.order_id
         WHEN MATCHED THEN UPDATE SET amount = s.amount WHEN NOT MATCHED THEN INSERT (${columns}) VALUES (${values})`,
      ),
    );
    await statement(stack, `DROP TABLE ${target}`);
    const rate = (took: number): number => Math.round(rows / took);
    return {
      rows,
      adoptedRowsPerS: rate(adoptS),
      mergedRowsPerS: rate(mergeS),
      trinoAloneRowsPerS: rate(aloneS),
      mergedToTrinoAlone: Number((aloneS / mergeS).toFixed(2)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function smallCsv(seed: number, rows: number): string {
  const lines = Array.from(
    { length: rows },
    (_, i) => `${seed * rows + i},name ${i},${(i * 1.25).toFixed(2)},2024-01-${String((i % 28) + 1).padStart(2, "0")}`,
  );
  return `id,name,amount,day\n${lines.join("\n")}\n`;
}

/** Files of 100 rows, one after the other: upload to visible. */
export async function smallFileLatency(stack: Stack, files: number): Promise<object> {
  const table = unique("small");
  const tookMs: number[] = [];
  for (let n = 0; n <= files; n++) {
    const took = await seconds(() => upload(stack, table, `f${n}.csv`, smallCsv(n, 100)));
    if (n > 0) tookMs.push(took * 1000); // the first file creates the table
  }
  await expectCount(stack, table, (files + 1) * 100);
  return { files, medianMs: Math.round(percentile(tookMs, 0.5)), p95Ms: Math.round(percentile(tookMs, 0.95)) };
}

/**
 * Loads `tables` tables concurrently with `filesPerS` files per second in total for `forS` seconds. Returns
 * the time from upload to visible and the number of snapshots.
 */
export async function steadyLoad(
  stack: Stack,
  options: { tables: number; filesPerS: number; forS: number },
): Promise<object> {
  const { tables, filesPerS, forS } = options;
  const names = Array.from({ length: tables }, (_, t) => `${unique("steady")}_${t}`);
  await Promise.all(names.map((name) => upload(stack, name, "first.csv", smallCsv(0, 100))));
  const tookMs: number[] = [];
  const pending: Promise<void>[] = [];
  const startedMs = performance.now();
  for (let n = 0; n < filesPerS * forS; n++) {
    const dueMs = startedMs + (n * 1000) / filesPerS;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const sent = upload(stack, names[n % tables]!, `f${n}.csv`, smallCsv(n + 1, 100));
    pending.push(sent.then(() => void tookMs.push(performance.now() - dueMs)));
  }
  await Promise.all(pending);
  const tookS = (performance.now() - startedMs) / 1000;
  let rows = 0;
  let snapshots = 0;
  const hasTrino = stack.engine !== "iceberg";
  for (const name of names) {
    rows += await count(stack, name);
    // Without Trino nothing counts snapshots.
    if (hasTrino) snapshots += Number((await statement(stack, `SELECT count(*) FROM "${name}$snapshots"`))[0]![0]);
  }
  const expected = (filesPerS * forS + tables) * 100;
  return {
    tables,
    files: filesPerS * forS,
    medianMs: Math.round(percentile(tookMs, 0.5)),
    p95Ms: Math.round(percentile(tookMs, 0.95)),
    lostRows: expected - rows,
    ...(hasTrino ? { snapshotsPerTableAndS: Number((snapshots / tables / tookS).toFixed(2)) } : {}),
  };
}

/** Baseline of common batch pipelines: MERGE with 50 literal rows per statement. */
export async function literalMerges(stack: Stack, rows: number): Promise<object> {
  const table = unique("literals");
  await statement(
    stack,
    `CREATE TABLE ${table}
       (order_id varchar, customer_id varchar, amount double, country varchar, ingestion_date date)
       WITH (partitioning = ARRAY['ingestion_date'])`,
  );
  const took = await seconds(async () => {
    for (let from = 0; from < rows; from += 50) {
      const values = Array.from(
        { length: 50 },
        (_, i) =>
          `('ORD-${from + i}', 'CUST-${i}', DOUBLE '${i}.5', 'Italy', DATE '2024-01-${String((i % 26) + 1).padStart(2, "0")}')`,
      );
      await statement(
        stack,
        `MERGE INTO ${table} t
         USING (VALUES ${values.join(", ")}) s (order_id, customer_id, amount, country, ingestion_date)
         ON t.order_id = s.order_id
         WHEN MATCHED THEN UPDATE SET amount = s.amount
         WHEN NOT MATCHED THEN
           INSERT VALUES (s.order_id, s.customer_id, s.amount, s.country, s.ingestion_date)`,
      );
    }
  });
  await statement(stack, `DROP TABLE ${table}`);
  return { rows, rowsPerS: Math.round(rows / took) };
}
