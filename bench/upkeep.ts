/** What many small commits cost those who read the table, and what maintenance costs those who write it. On the local stack. */
import { openBlobStore } from "../lib/blob/open.ts";
import { openWarehouse } from "../lib/warehouse/open.ts";
import type { TableLayout, Warehouse } from "../lib/warehouse/warehouse.ts";
import { columns, fileVersion, type Row } from "../test/support/rows.ts";
import { percentile, statement, unique, upload, type Stack } from "./stack.ts";

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

/** The `n`th micro-batch: new orders of a few days, and corrections of old ones. */
function batch(n: number): Row[] {
  const order = (id: number, amount: number): Row => ({
    order_id: `ORD-${id}`,
    customer_id: `CUST-${id % 50}`,
    amount: `${amount}.50`,
    country: ["Italy", "Japan", "Brazil"][id % 3]!,
    ingestion_date: new Date(Date.UTC(2024, 0, 15 + (id % DAYS))).toISOString().slice(0, 10),
  });
  const fresh = Array.from({ length: ROWS_NEW }, (_, k) => order(n * ROWS_NEW + k, 10 + k));
  const old = Array.from({ length: n === 0 ? 0 : ROWS_CORRECTED }, (_, k) => order((n * 7919 + k * 104_729) % (n * ROWS_NEW), 1_000 + n)); // prettier-ignore
  return [...new Map([...fresh, ...old].map((row) => [row["order_id"], row])).values()];
}

const csvOf = (rows: readonly Row[]): string =>
  [NAMES.join(","), ...rows.map((row) => NAMES.map((name) => String(row[name])).join(","))].join("\n") + "\n";

/**
 * `batches` micro-batches into `sales`, through the gateway, with everything on that maintains it; beside it the first `neglected` ones by
 * the same adapter into a table that nobody maintains. After every tenth of the neglected ones, then of all, the tables are scanned beside a
 * freshly written copy. What the scans answer is compared with what was sent.
 */
export async function upkeep(stack: Stack, options: { batches: number; neglected: number }): Promise<object> {
  const { batches } = options;
  const neglected = Math.min(options.neglected, batches);
  const staging = await openBlobStore("s3://lakehouse-staging/bench", { s3: stack.s3 });
  const host = new URL(stack.trino).host;
  const url = `trino://bench@${host}/${stack.catalog}/${stack.schema}`;
  const warehouse = await openWarehouse(url, { trino: { staging } });
  const [off, fresh] = [unique("upkeep_off"), unique("upkeep_fresh")];
  const layout: TableLayout = { table: off, mode: "upsert", key: ["order_id"], deleteMissing: false, partitioning: ["ingestion_date"] }; // prettier-ignore
  try {
    await statement(stack, "DELETE FROM sales").catch(() => undefined); // the first run has no sales table yet
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
      const isNeglected = n < neglected;
      if (isNeglected) await commitAlone(warehouse, layout, n, rows);
      const step = Math.max(1, Math.floor((isNeglected ? neglected : batches) / 10));
      if ((n + 1) % step !== 0) continue;
      points.push(
        await scanned(stack, { off: isNeglected ? off : undefined, fresh, batches: n + 1, expected: summaryOf(sent) }),
      );
      process.stderr.write(`${JSON.stringify(points.at(-1))}\n`);
    }
    const last = points.at(-1)!;
    const worst = Math.max(...points.map(({ maintained }) => maintained));
    const lastNeglected = points.findLast(({ unmaintained }) => unmaintained !== undefined);
    const [health, runs] = await Promise.all([warehouse.health("sales"), maintenanceRuns(stack)]);
    const offHealth = await warehouse.health(off);
    return {
      batches,
      scanToFresh: { maintained: last.maintained, maintainedWorst: worst, unmaintained: lastNeglected?.unmaintained },
      neglected: lastNeglected?.batches,
      scanMs: last.ms,
      files: { maintained: filesText(health), unmaintained: filesText(offHealth) },
      maintenanceRuns: runs,
      uploadToVisibleMs: quantiles(waitsMs),
      points: points.map(({ batches: at, maintained, unmaintained }) => [at, maintained, unmaintained]),
    };
  } finally {
    for (const table of [off, fresh]) await statement(stack, `DROP TABLE IF EXISTS ${table}`);
    await warehouse.close();
    await staging.close();
  }
}

const filesText = ({ dataFiles, deleteFiles, snapshots }: Awaited<ReturnType<Warehouse["health"]>>): string =>
  `${dataFiles} data, ${deleteFiles} delete, ${snapshots} snapshots`;

const quantiles = (values: readonly number[]): object => ({
  p50: Math.round(percentile(values, 0.5)),
  p95: Math.round(percentile(values, 0.95)),
  max: Math.round(Math.max(...values)),
});

async function commitAlone(warehouse: Warehouse, layout: TableLayout, n: number, rows: readonly Row[]): Promise<void> {
  await warehouse.ensureTable(layout, COLUMNS);
  const version = await fileVersion(warehouse, layout.table, { sourceFile: `${n}.csv`, sourceOffset: n + 1, columns: COLUMNS, rows }); // prettier-ignore
  await warehouse.commit({ layout, files: [version] });
  await version.stage!.discard();
}

async function maintenanceRuns(stack: Stack): Promise<Record<string, number>> {
  const sql = `SELECT concat(operation, ' ', status), count(*) FROM tributary_maintenance_log WHERE table_name = 'sales' GROUP BY 1`;
  return Object.fromEntries(await statement(stack, sql)) as Record<string, number>;
}

interface ScanPoint {
  batches: number;
  /** Times of a scan as multiples of the fresh copy's. */
  maintained: number;
  unmaintained: number | undefined;
  ms: { maintained: number; unmaintained: number | undefined; fresh: number };
}

/** What the scan must answer: of every country how many orders, for how much, and the last day. */
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

interface Scanned {
  off: string | undefined;
  fresh: string;
  batches: number;
  expected: string;
}

/** Medians of scans, the tables by turns; throws if one of them does not hold what was sent. */
async function scanned(stack: Stack, { off, fresh, batches, expected }: Scanned): Promise<ScanPoint> {
  await statement(stack, `DROP TABLE IF EXISTS ${fresh}`);
  await statement(stack, `CREATE TABLE ${fresh} WITH (partitioning = ARRAY['ingestion_date']) AS SELECT * FROM sales`);
  const scan = (table: string): string =>
    `SELECT country, count(*), sum(amount), max(ingestion_date) FROM ${table} GROUP BY country ORDER BY country`;
  const took: Record<string, number[]> = { sales: [], ...(off === undefined ? {} : { [off]: [] }), [fresh]: [] };
  for (let round = 0; round < SCANS; round++) {
    for (const table of Object.keys(took)) {
      const startedMs = performance.now();
      const answer = JSON.stringify(await statement(stack, scan(table)));
      took[table]!.push(performance.now() - startedMs);
      if (answer !== expected)
        throw new Error(`after ${batches} batches ${table} holds ${answer}, sent was ${expected}`);
    }
  }
  const median = (table: string): number => Math.round(percentile(took[table]!, 0.5));
  const ms = { maintained: median("sales"), unmaintained: off === undefined ? undefined : median(off), fresh: median(fresh) }; // prettier-ignore
  const times = (one: number): number => Number((one / ms.fresh).toFixed(2));
  const unmaintained = ms.unmaintained === undefined ? undefined : times(ms.unmaintained);
  return { batches, maintained: times(ms.maintained), unmaintained, ms };
}

/**
 * Small files into a table of `rows` rows in many small data files, one after the other for `forS` seconds: once left alone, once while it is
 * optimised again and again. Upload to visible.
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
  let going = true;
  const maintaining = (async () => {
    while (going) {
      const { status } = await maintain(stack, table);
      statuses[status] = (statuses[status] ?? 0) + 1;
      steps += 1;
      // Something to do for the next: the big files again, changed.
      if (going) for (let n = 0; n < 8; n++) await upload(stack, table, `big-${n}.csv`, bigCsv(n, perFile, steps));
    }
  })();
  const meanwhile = await sendFor(stack, table, forS, "meanwhile");
  going = false;
  await maintaining;
  return { rows, alone, meanwhile, optimizes: statuses };
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
