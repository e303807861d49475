/**
 * The synthetic sales sample. The same seed gives the same rows on every machine. All rows conform to
 * contracts/sales.yml. Every date occurs from 26 rows on, every customer and country from 50 rows on.
 */
export interface SalesOptions {
  rows: number;
  seed: number;
}

export const SALES_HEADER = "order_id,customer_id,amount,country,ingestion_date";
export const COUNTRIES = [
  "Italy",
  "Germany",
  "France",
  "United States",
  "Spain",
  "United Kingdom",
  "Netherlands",
  "Japan",
  "Canada",
  "Brazil",
] as const;

const CUSTOMERS = 50;
const FIRST_CUSTOMER = 100;
const FIRST_DAY_MS = Date.UTC(2024, 0, 15);
const DAYS = 26;
const DAY_MS = 24 * 60 * 60 * 1000;
const CENTS_MIN = 1_250;
const CENTS_MAX = 565_000;
const CHUNK_ROWS = 2_000;

/** The file in chunks of whole lines. Exactly one order, at a random position, has the highest amount. */
export function* salesCsv({ rows, seed }: SalesOptions): Generator<string> {
  const random = randomOf(seed);
  const days = Array.from({ length: DAYS }, (_, day) =>
    new Date(FIRST_DAY_MS + day * DAY_MS).toISOString().slice(0, 10),
  );
  const peak = Math.floor(random() * rows);
  let customers: number[] = [];
  let chunk = `${SALES_HEADER}\n`;
  for (let row = 0; row < rows; row++) {
    if (customers.length === 0) customers = shuffled(CUSTOMERS, random);
    const customer = customers.pop()!;
    const country = COUNTRIES[customer % COUNTRIES.length]!;
    // Small orders are common, large ones rare.
    const share = random() ** 3;
    const cents = row === peak ? CENTS_MAX : CENTS_MIN + Math.floor(share * (CENTS_MAX - CENTS_MIN));
    const day = days[Math.floor((row * DAYS) / rows)]!;
    const order = `ORD-${String(row + 1).padStart(3, "0")}`;
    chunk += `${order},CUST-${FIRST_CUSTOMER + customer},${money(cents)},${country},${day}\n`;
    if (row % CHUNK_ROWS === CHUNK_ROWS - 1) {
      yield chunk;
      chunk = "";
    }
  }
  if (chunk !== "") yield chunk;
}

const money = (cents: number): string => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;

/** mulberry32: a generator with 32 bits of state, sufficient for samples and portable. Values in [0, 1). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 0 … length − 1 in random order. */
function shuffled(length: number, random: () => number): number[] {
  const items = Array.from({ length }, (_, index) => index);
  for (let last = length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other]!, items[last]!];
  }
  return items;
}
