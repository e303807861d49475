/**
 * Benchmarks of maintenance on the local stack: scan cost after many small commits, write latency during
 * optimize.
 */
import type { TableLayout, Warehouse } from "../lib/warehouse/warehouse.ts";
import { columns, fileVersion, type Row } from "../test/support/rows.ts";
import { percentile, unique, upload, type Stack } from "./stack.ts";
import { openScans, type Scans } from "./scans.ts";

const COLUMNS = columns({
  order_id: "VARCHAR",
  customer_id: "VARCHAR",
  amount: "DECIMAL(12,2)",
  country: "VARCHAR",
  ingestion_date: "DATE",
});
const NAMES = COLUMNS.map(({ name }) => name);
const ROWS_NEW = 80;
const ROWS_CORRECTED = 20;
const DAYS = 7;
const SCANS = 7;

/** The `n`th micro-batch: new orders of a few days, and corrections of older orders. */
function batch(n: number): Row[] {
  const order = (id: number, amount: number): Row => ({
    order_id: `ORD-${id}`,
    customer_id: `CUST-${id % 50}`,
    amount: `${amount}.50`,
    country: ["Italy", "Japan", "Brazil"][id % 3]!,
    ingestion_date: new Date(Date.UTC(2024, 0, 15 + (id % DAYS))).toISOString().slice(0, 10),
  });
  const fresh = Array.from({ length: ROWS_NEW }, (_, k) => order(n * ROWS_NEW + k, 10 + k));
  const old = Array.from({ length: n === 0 ? 0 : ROWS_CORRECTED }, (_, k) =>
    order((n * 7919 + k * 104_729) % (n * ROWS_NEW), 1_000 + n),
  );
  return [...new Map([...fresh, ...old].map((row) => [row["order_id"], row])).values()];
}

const csvOf = (rows: readonly Row[]): string =>
  [NAMES.join(","), ...rows.map((row) => NAMES.map((name) => String(row[name])).join(","))].join("\n") + "\n";

/**
 * Sends `batches` micro-batches through the gateway into `sales`, which is maintained. The first
 * `baselineBatches` also go into a table without maintenance (the unmaintained baseline), by the same
 * adapter. After each tenth of the baseline's batches, and then of all batches, it scans both tables and a
 * freshly written copy, and compares the results with the rows sent.
 */
export async function upkeep(stack: Stack, options: { batches: number; baselineBatches: number }): Promise<object> {
  const { batches } = options;
  const baselineBatches = Math.min(options.baselineBatches, batches);
  const scans = await openScans(stack);
  const { warehouse } = scans;
  const [baseline, fresh] = [unique("upkeep_baseline"), unique("upkeep_fresh")];
  const layout: TableLayout = {
    table: baseline,
    mode: "upsert",
    key: ["order_id"],
    deleteMissing: false,
    partitioning: ["ingestion_date"],
  };
  try {
    // The first run has no sales table yet.
    await scans.rows("DELETE FROM sales").catch(() => undefined);
    const run = unique("upkeep");
    const waitsMs: number[] = [];
    const points: ScanPoint[] = [];
    const sent = new Map<string, Row>();
    for (let n = 0; n < batches; n++) {
      const rows = batch(n);
      const startedMs = performance.now();
      await upload(stack, "sales", `${run}-${n}.csv`, csvOf(rows));
      waitsMs.push(performance.now() - startedMs);
      for (const row of rows) sent.set(row["order_id"] as string, row);
      const isInBaseline = n < baselineBatches;
      if (isInBaseline) await commitToBaseline(warehouse, layout, n, rows);
      const step = Math.max(1, Math.floor((isInBaseline ? baselineBatches : batches) / 10));
      if ((n + 1) % step !== 0) continue;
      const tables = { baseline: isInBaseline ? baseline : undefined, fresh };
      points.push(await measureScans(scans, { ...tables, batches: n + 1, expected: summaryOf(sent) }));
      process.stderr.write(`${JSON.stringify(points.at(-1))}\n`);
    }
    const last = points.at(-1)!;
    const worst = Math.max(...points.map(({ maintained }) => maintained));
    const lastOfBaseline = points.findLast(({ unmaintained }) => unmaintained !== undefined);
    const [health, runs] = await Promise.all([warehouse.health("sales"), maintenanceRuns(scans)]);
    const baselineHealth = await warehouse.health(baseline);
    return {
      batches,
      scanToFresh: { maintained: last.maintained, maintainedWorst: worst, unmaintained: lastOfBaseline?.unmaintained },
      baselineBatches: lastOfBaseline?.batches,
      scanMs: last.ms,
      files: { maintained: filesText(health), unmaintained: filesText(baselineHealth) },
      maintenanceRuns: runs,
      uploadToVisibleMs: quantiles(waitsMs),
      points: points.map(({ batches: at, maintained, unmaintained }) => [at, maintained, unmaintained]),
    };
  } finally {
    for (const table of [baseline, fresh]) await scans.drop(table);
    await scans.close();
  }
}

const filesText = ({ dataFiles, deleteFiles, snapshots }: Awaited<ReturnType<Warehouse["health"]>>): string =>
  `${dataFiles} data, ${deleteFiles} delete, ${snapshots} snapshots`;

const quantiles = (values: readonly number[]): object => ({
  p50: Math.round(percentile(values, 0.5)),
  p95: Math.round(percentile(values, 0.95)),
  max: Math.round(Math.max(...values)),
});

async function commitToBaseline(
  warehouse: Warehouse,
  layout: TableLayout,
  n: number,
  rows: readonly Row[],
): Promise<void> {
  await warehouse.ensureTable(layout, COLUMNS);
  const file = { sourceFile: `${n}.csv`, sourceOffset: n + 1, columns: COLUMNS, rows };
  const version = await fileVersion(warehouse, layout.table, file);
  await warehouse.commit({ layout, files: [version] });
  await version.stage!.discard();
}

async function maintenanceRuns(scans: Scans): Promise<Record<string, number>> {
  const sql =
    "SELECT concat(operation, ' ', status), count(*) FROM tributary_maintenance_log " +
    "WHERE table_name = 'sales' GROUP BY 1";
  const rows = await scans.rows(sql);
  return Object.fromEntries(rows.map(([run, count]) => [String(run), Number(count)]));
}

interface ScanPoint {
  batches: number;
  /** Scan times as multiples of the fresh copy's scan time. */
  maintained: number;
  unmaintained: number | undefined;
  ms: { maintained: number; unmaintained: number | undefined; fresh: number };
}

/** The expected result of the scan: per country the number of orders, their amount and the last day. */
function summaryOf(sent: ReadonlyMap<string, Row>): string {
  const countries = new Map<string, { orders: number; cents: number; lastDay: string }>();
  for (const { country, amount, ingestion_date } of sent.values()) {
    const one = countries.get(country as string) ?? { orders: 0, cents: 0, lastDay: "" };
    one.orders++;
    one.cents += Math.round(Number(amount) * 100);
    if ((ingestion_date as string) > one.lastDay) one.lastDay = ingestion_date as string;
    countries.set(country as string, one);
  }
  const names = [...countries.keys()].sort();
  return JSON.stringify(
    names.map((name) => {
      const { orders, cents, lastDay } = countries.get(name)!;
      return [name, orders, (cents / 100).toFixed(2), lastDay];
    }),
  );
}

interface ScanTarget {
  baseline: string | undefined;
  fresh: string;
  batches: number;
  expected: string;
}

/** Median scan times; scans the tables in turn. @throws Error if a table does not hold the rows sent */
async function measureScans(scans: Scans, target: ScanTarget): Promise<ScanPoint> {
  const { baseline, fresh, batches, expected } = target;
  await scans.drop(fresh);
  await scans.copy("sales", fresh, "ingestion_date");
  const scan = (table: string): string =>
    `SELECT country, CAST(count(*) AS INTEGER), sum(amount), max(ingestion_date) FROM ${table} GROUP BY country ORDER BY country`;
  const baselineTook = baseline === undefined ? {} : { [baseline]: [] };
  const took: Record<string, number[]> = { sales: [], ...baselineTook, [fresh]: [] };
  for (let round = 0; round < SCANS; round++) {
    for (const table of Object.keys(took)) {
      const startedMs = performance.now();
      const answer = JSON.stringify(await scans.rows(scan(table)));
      took[table]!.push(performance.now() - startedMs);
      if (answer !== expected)
        throw new Error(`after ${batches} batches ${table} holds ${answer}, expected ${expected}`);
    }
  }
  const median = (table: string): number => Math.round(percentile(took[table]!, 0.5));
  const ms = {
    maintained: median("sales"),
    unmaintained: baseline === undefined ? undefined : median(baseline),
    fresh: median(fresh),
  };
  const toFresh = (medianMs: number): number => Number((medianMs / ms.fresh).toFixed(2));
  const unmaintained = ms.unmaintained === undefined ? undefined : toFresh(ms.unmaintained);
  return { batches, maintained: toFresh(ms.maintained), unmaintained, ms };
}

/**
 * Uploads small files one after the other for `forS` seconds into a table of `rows` rows in many small data
 * files: first without maintenance (`alone`), then during repeated optimize runs (`duringOptimize`).
 * Measures upload to visible.
 */
export async function maintainedLatency(stack: Stack, options: { rows: number; forS: number }): Promise<object> {
  const { rows, forS } = options;
  const perFile = Math.ceil(rows / 40);
  const fill = async (table: string): Promise<void> => {
    for (let n = 0; n < 40; n++) await upload(stack, table, `big-${n}.csv`, bigCsv(n, perFile));
  };
  const table = unique("maintained");
  await fill(table);
  const alone = await sendFor(stack, table, forS, "alone");
  let steps = 0;
  const statuses: Record<string, number> = {};
  let isRunning = true;
  const maintaining = (async () => {
    while (isRunning) {
      const { status } = await maintain(stack, table);
      statuses[status] = (statuses[status] ?? 0) + 1;
      steps += 1;
      // Change the big files, so that the next optimize has work.
      if (isRunning) for (let n = 0; n < 8; n++) await upload(stack, table, `big-${n}.csv`, bigCsv(n, perFile, steps));
    }
  })();
  const duringOptimize = await sendFor(stack, table, forS, "during");
  isRunning = false;
  await maintaining;
  return { rows, alone, duringOptimize, optimizes: statuses };
}

function bigCsv(seed: number, rows: number, version = 0): string {
  const lines = Array.from(
    { length: rows },
    (_, i) => `${seed * rows + i},name ${(i * 7919) % 9973},${(i + version) % 1000}.25`,
  );
  return `id,name,amount\n${lines.join("\n")}\n`;
}

async function sendFor(stack: Stack, table: string, forS: number, name: string): Promise<object> {
  const tookMs: number[] = [];
  const endMs = performance.now() + forS * 1_000;
  for (let n = 0; performance.now() < endMs; n++) {
    const startedMs = performance.now();
    await upload(stack, table, `${name}-${n}.csv`, `id,name,amount\n-${n},small,1.25\n`);
    tookMs.push(performance.now() - startedMs);
  }
  return { files: tookMs.length, ...quantiles(tookMs) };
}

async function maintain(stack: Stack, table: string): Promise<{ status: string }> {
  const response = await fetch(`${stack.gateway}/v1/tables/${table}/maintenance/run`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ operations: ["optimize"], timeout: "10m" }),
  });
  return (await response.json()) as { status: string };
}
