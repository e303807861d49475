/**
 * `npm run demo`: starts Tributary on a temporary data folder, uploads one CSV by HTTP, drops a second one
 * into the watched folder, and queries both. Prints revenue by country and exits with 0; exits with 1 and a
 * message on failure.
 */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";
import { startTributary } from "./tributary-process.ts";

const DROP_MS_MAX = 30_000;
const sample = fileURLToPath(new URL("../data/sales_sample.csv", import.meta.url));
const say = (line: string) => process.stdout.write(`${line}\n`);
const dataDir = mkdtempSync(join(tmpdir(), "tributary-demo-"));
const tributary = await startTributary(dataDir);

interface FileStatus {
  fileId: string;
  status: string;
  rowsCommitted: number;
  rowsRejected: number;
  sourceFile: string;
}

async function api<T>(path: string, init?: RequestInit): Promise<T> {
  const response = await fetch(tributary.url + path, init);
  const body = (await response.json()) as T & { detail?: string };
  if (!response.ok) throw new Error(`${path} responded with status ${response.status}: ${body.detail ?? ""}`);
  return body;
}

async function upload(): Promise<void> {
  const startedMs = performance.now();
  const status = await api<FileStatus>("/v1/tables/sales/files/sales_sample.csv?wait=committed&timeout=30s", {
    method: "PUT",
    body: readFileSync(sample),
  });
  const tookMs = Math.round(performance.now() - startedMs);
  say(`uploaded  sales_sample.csv   ${status.status}: ${status.rowsCommitted} rows in ${tookMs} ms`);
}

/** Drops a second file of the same table into the watched folder: two corrected orders and one new order. */
async function drop(): Promise<void> {
  const [header, first = "", second = ""] = readFileSync(sample, "utf8").split("\n");
  const corrected = [first, second].map((line) => line.replace(/,(\d+)\.(\d\d),/, ",$1.99,"));
  const folder = join(dataDir, "drops", "sales");
  mkdirSync(folder, { recursive: true });
  const lines = [header, ...corrected, "ORD-201,CUST-149,1000.00,Italy,2024-02-10"];
  writeFileSync(join(folder, ".corrections.csv.part"), `${lines.join("\n")}\n`);
  renameSync(join(folder, ".corrections.csv.part"), join(folder, "corrections.csv"));
  const startedMs = performance.now();
  for (;;) {
    const { files } = await api<{ files: FileStatus[] }>("/v1/files?table=sales&status=committed");
    const dropped = files.find(({ sourceFile }) => sourceFile === "corrections.csv");
    if (dropped) {
      const tookMs = Math.round(performance.now() - startedMs);
      say(`dropped   corrections.csv    ${dropped.status}: ${dropped.rowsCommitted} rows in ${tookMs} ms`);
      say("          (1 new order; 2 replace orders of the first file: contracts/sales.yml upserts by order_id)");
      return;
    }
    if (performance.now() - startedMs > DROP_MS_MAX) throw new Error("the dropped file was not committed in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function report(): Promise<void> {
  const sql =
    "SELECT country, count(*) AS orders, CAST(sum(amount) AS DECIMAL(18,2)) AS revenue " +
    "FROM sales GROUP BY country ORDER BY revenue DESC, country";
  const { rows } = await api<{ rows: [string, number, string][] }>("/v1/query", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql }),
  });
  const table = new Table({
    head: ["country", "orders", "revenue"],
    colAligns: ["left", "right", "right"],
    style: { head: [], border: [] },
  });
  table.push(...rows);
  say(`\n${sql}\n${table.toString()}`);
  const orders = rows.reduce((sum, [, count]) => sum + count, 0);
  const cents = rows.reduce((sum, [, , revenue]) => sum + BigInt(revenue.replace(".", "")), 0n);
  say(`total: ${orders} orders, revenue ${String(cents).replace(/(\d\d)$/, ".$1")}`);
  if (orders !== 201) throw new Error(`expected 201 orders (200 + 1 new, 2 replaced), found ${orders}`);
}

try {
  say(`Tributary at ${tributary.url}, data in ${dataDir}`);
  await upload();
  await drop();
  await report();
} catch (error) {
  process.stderr.write(`demo failed: ${(error as Error).message}\n${tributary.log()}`);
  process.exitCode = 1;
} finally {
  await tributary.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
