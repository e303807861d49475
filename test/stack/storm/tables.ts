import { createHash } from "node:crypto";

/** Write mode of a table, and its contract (undefined: the default contract). */
export interface StormTable {
  name: string;
  mode: "replace" | "upsert" | "append";
  deleteMissing?: boolean;
  /** Files are dropped into the bucket; deleting a file deletes its rows. */
  dropped?: boolean;
  /** Some of its rows are invalid and must be rejected. */
  rejects?: boolean;
  contract?: object;
}

const COLUMNS = [
  { name: "id", type: "INTEGER" },
  { name: "stamp", type: "VARCHAR" },
  { name: "size", type: "INTEGER" },
  { name: "amount", type: "DECIMAL(12,2)" },
  { name: "day", type: "DATE" },
];

/** One table per write mode and per way of delivery. */
export const TABLES: readonly StormTable[] = [
  { name: "plain", mode: "replace" },
  { name: "days", mode: "replace", contract: { columns: COLUMNS, partitioning: ["day"] } },
  { name: "strict", mode: "replace", rejects: true, contract: { columns: COLUMNS } },
  { name: "keyed", mode: "upsert", rejects: true, contract: { columns: COLUMNS, writeMode: "upsert", key: ["id"] } },
  {
    name: "mirror",
    mode: "upsert",
    deleteMissing: true,
    contract: { columns: COLUMNS, writeMode: "upsert", key: ["id"], deleteMissing: true },
  },
  { name: "journal", mode: "append", contract: { columns: COLUMNS, writeMode: "append" } },
  { name: "dropped", mode: "replace", dropped: true, contract: { columns: COLUMNS, onDelete: "remove" } },
];

/** A row as text. Rejected rows are not expected in the table. */
export type StormRow = readonly [id: string, stamp: string, size: string, amount: string, day: string];

/** Content of one file. It is unique, because every row holds the stamp. */
export interface Content {
  table: string;
  file: string;
  text: string;
  hash: string;
  /** Row n + 1 of the file; null if it must be rejected. */
  rows: readonly (StormRow | null)[];
}

const FILES = 4;
/** More than 1 MiB of text, so that the rows load by a plan. */
const LARGE_ROWS = 40_000;
const LARGE_SHARE = 0.02;
const KEYS = 500;

/**
 * A new version of one of the table's files: mostly small, sometimes so large that its rows load by a plan.
 */
export function newContent(table: StormTable, sender: number, stamp: string, random: () => number): Content {
  const below = (n: number): number => Math.floor(random() * n);
  const count = random() < LARGE_SHARE ? LARGE_ROWS + below(5_000) : below(120);
  const bad = new Set(table.rejects ? Array.from({ length: below(3) }, () => below(count)) : []);
  const size = String(count - [...bad].filter((index) => index < count).length);
  const rows = Array.from({ length: count }, (_, index): StormRow => {
    const id = table.mode === "upsert" ? below(KEYS) + (count > KEYS ? index * KEYS : 0) : index;
    const day = `2024-${String(1 + below(12)).padStart(2, "0")}-${String(1 + below(28)).padStart(2, "0")}`;
    return [String(id), stamp, size, `${below(100_000)}.${String(below(100)).padStart(2, "0")}`, day];
  });
  const lines = rows.map((row, index) => (bad.has(index) ? row.with(3, BAD) : row).join(","));
  const text = ["id,stamp,size,amount,day", ...lines, ""].join("\n");
  return {
    table: table.name,
    file: table.dropped ? `f${below(FILES)}-${sender}.csv` : `f${below(FILES)}.csv`,
    text,
    hash: createHash("sha256").update(text).digest("hex"),
    // Read from the text each time: the rows of an hour are more than Node's heap holds.
    get rows() {
      return rowsIn(text);
    },
  };
}

/** An invalid amount. */
const BAD = "much";

const rowsIn = (text: string): (StormRow | null)[] =>
  text
    .split("\n")
    .slice(1, -1)
    .map((line) => {
      const cells = line.split(",") as unknown as StormRow;
      return cells[3] === BAD ? null : cells;
    });
