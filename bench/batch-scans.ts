/**
 * Scans of large tables that have received many micro-batches on the local stack, beside scans of fresh
 * copies.
 */
import { Readable } from "node:stream";
import { openScans, type Scans } from "./scans.ts";
import { median, unique, upload, type Stack } from "./stack.ts";

const NEW = 80;
const CORRECTED = 20;
const DAYS = 7;
const COUNTRIES = ["Italy", "Japan", "Brazil"];
const SCANS = 9;
const POINTS = 5;
const HEADER = "order_id,customer_id,amount,country,ingestion_date\n";
const CHUNK_CHARS = 65_536;

/** An order's number, and its amount without the cents. */
type Change = readonly [id: number, whole: number];

const dayOf = (id: number): string => `2024-01-${15 + (id % DAYS)}`;
const lineOf = ([id, whole]: Change): string =>
  `ORD-${id},CUST-${id % 50},${whole}.50,${COUNTRIES[id % 3]},${dayOf(id)}\n`;

/** The orders that a table has before the first micro-batch. */
function* ordersBefore(count: number): Generator<Change> {
  for (let id = 0; id < count; id++) yield [id, 10 + (id % 990)];
}

/** The `n`th micro-batch: new orders, and corrections of orders of the whole table. */
function batch(n: number, before: number): Change[] {
  const known = before + n * NEW;
  const fresh = Array.from({ length: NEW }, (_, k): Change => [known + k, 10 + k]);
  const old = Array.from({ length: CORRECTED }, (_, k): Change => [(n * 7919 + k * 104_729) % known, 1_000 + n]);
  return [...new Map([...fresh, ...old])];
}

function* chunksOf(changes: Iterable<Change>): Generator<string> {
  let text = HEADER;
  for (const change of changes) {
    text += lineOf(change);
    if (text.length < CHUNK_CHARS) continue;
    yield text;
    text = "";
  }
  yield text;
}

/** What a table must hold, by country. `isKeyed`: a correction replaces the order. */
class Expected {
  readonly #isKeyed: boolean;
  readonly #wholes: number[] = [];
  readonly #countries = COUNTRIES.map(() => ({ orders: 0, halves: 0, last: 0 }));

  constructor(isKeyed: boolean) {
    this.#isKeyed = isKeyed;
  }

  add(changes: Iterable<Change>): void {
    for (const [id, whole] of changes) {
      const one = this.#countries[id % COUNTRIES.length]!;
      const before = this.#isKeyed ? this.#wholes[id] : undefined;
      if (before === undefined) one.orders += 1;
      one.halves += 2 * whole + 1 - (before === undefined ? 0 : 2 * before + 1);
      one.last = Math.max(one.last, id % DAYS);
      if (this.#isKeyed) this.#wholes[id] = whole;
    }
  }

  get text(): string {
    const rows = this.#countries.map(({ orders, halves, last }, n) => {
      return [COUNTRIES[n], orders, (halves / 2).toFixed(2), dayOf(last)];
    });
    return JSON.stringify(rows.toSorted(([a], [b]) => (a! < b! ? -1 : 1)));
  }
}

interface Scanned {
  table: string;
  fresh: string;
  partitioning: string | undefined;
  expected: Expected;
  points: { batches: number; ms: number; freshMs: number; toFresh: number }[];
}

/**
 * Uploads `rows` orders and then `batches` files of 100 rows, one after the other, into `sales` (upsert) and
 * into a table that is only appended to. Both are maintained. Compares each table's scans with those of a
 * fresh copy.
 */
export async function batchScans(stack: Stack, { rows, batches }: { rows: number; batches: number }): Promise<object> {
  const scans = await openScans(stack);
  const tables: Scanned[] = [["sales", "ingestion_date"] as const, [unique("appended"), undefined] as const].map(
    ([table, partitioning]) => ({
      ...{ table, partitioning, fresh: unique(`fresh_${partitioning ? "sales" : "appended"}`) },
      ...{ expected: new Expected(partitioning !== undefined), points: [] },
    }),
  );
  try {
    // The first run has no sales table yet.
    await scans.rows("DELETE FROM sales").catch(() => undefined);
    const run = unique("scans");
    const send = async (name: string, changes: () => Iterable<Change>): Promise<void> => {
      await Promise.all(tables.map(({ table }) => upload(stack, table, name, Readable.from(chunksOf(changes())))));
      for (const { expected } of tables) expected.add(changes());
    };
    await send(`${run}.csv`, () => ordersBefore(rows));
    for (let n = 0; n < batches; n++) {
      await send(`${run}-${n}.csv`, () => batch(n, rows));
      if ((n + 1) % Math.ceil(batches / POINTS) !== 0 && n + 1 < batches) continue;
      for (const one of tables) await measure(scans, one, n + 1);
    }
    const found = await Promise.all(tables.map(async (one) => [one.table, await resultOf(scans, one)] as const));
    return { rows, batches, ...Object.fromEntries(found) };
  } finally {
    for (const { fresh } of tables) await scans.drop(fresh);
    await scans.close();
  }
}

/** Scans the table and its fresh copy in turn. @throws Error if a table does not hold the rows sent */
async function measure(
  scans: Scans,
  { table, fresh, partitioning, expected, points }: Scanned,
  batches: number,
): Promise<void> {
  await scans.drop(fresh);
  await scans.copy(table, fresh, partitioning);
  const took: Record<string, number[]> = { [table]: [], [fresh]: [] };
  for (let round = 0; round < SCANS; round++) {
    for (const [name, times] of Object.entries(took)) {
      const startedMs = performance.now();
      const found = await scans.rows(
        `SELECT country, CAST(count(*) AS INTEGER), sum(amount), max(ingestion_date) FROM ${name} GROUP BY country ORDER BY country`,
      );
      times.push(performance.now() - startedMs);
      if (JSON.stringify(found) !== expected.text)
        throw new Error(`after ${batches} batches ${name} holds ${JSON.stringify(found)}, expected ${expected.text}`);
    }
  }
  const [ms, freshMs] = [median(took[table]!), median(took[fresh]!)];
  points.push({
    batches,
    ms: Math.round(ms),
    freshMs: Math.round(freshMs),
    toFresh: Number((ms / freshMs).toFixed(2)),
  });
  process.stderr.write(`${table} ${JSON.stringify(points.at(-1))}\n`);
}

async function resultOf(scans: Scans, { table, points }: Scanned): Promise<object> {
  const { dataFiles, deleteFiles, snapshots } = await scans.warehouse.health(table);
  const runs = await scans.rows(
    `SELECT concat(operation, ' ', status), count(*) FROM tributary_maintenance_log WHERE table_name = '${table}' GROUP BY 1`,
  );
  return {
    points,
    dataFiles,
    deleteFiles,
    snapshots,
    maintenanceRuns: Object.fromEntries(runs.map(([a, b]) => [String(a), Number(b)])),
  };
}
