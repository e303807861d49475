/** Large files beside PyIceberg, which reads the same file and appends it to a table of the same catalog. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pyIcebergCatalog, runPyIceberg } from "../scripts/stack/programs/pyiceberg.ts";
import { drop, expectCount, median, seconds, unique, upload, type Stack } from "./stack.ts";
import { bodyOf, generateSales } from "./large-files/sales-file.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const PARTITION = "ingestion_date";

/**
 * Loads `rows` sales into a new table without partitions, and into the empty sales table with its 26, in
 * turn with PyIceberg. Returns the medians in seconds, and how many times as fast as PyIceberg Tributary is.
 */
export async function besidePyIceberg(stack: Stack, options: { rows: number; rounds: number }): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
  try {
    const csv = join(folder, "sales.csv");
    const flat = await inTurn(stack, csv, options, null);
    return { rows: options.rows, flat, partitioned: await inTurn(stack, csv, options, PARTITION) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function inTurn(
  stack: Stack,
  csv: string,
  { rows, rounds }: { rows: number; rounds: number },
  partition: string | null,
): Promise<{ ours: number; pyIceberg: number; ratio: number }> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const table = partition === null ? unique("flat") : "sales";
    await drop(stack, table);
    // Content of its own: bytes that the store has already are not copied to their name.
    generateSales(csv, { rows, seed: Date.now() });
    ours.push(await seconds(() => upload(stack, table, unique("file"), bodyOf(csv))));
    await expectCount(stack, table, rows);
    theirs.push(await appendByPyIceberg(stack, csv, rows, partition));
  }
  const [own, other] = [median(ours), median(theirs)];
  return { ours: Number(own.toFixed(2)), pyIceberg: Number(other.toFixed(2)), ratio: Number((other / own).toFixed(2)) };
}

async function appendByPyIceberg(stack: Stack, csv: string, rows: number, partition: string | null): Promise<number> {
  const table = unique("pyiceberg");
  const request = { catalog: pyIcebergCatalog(stack), namespace: stack.schema, table, csv, partition };
  const answer = await runPyIceberg(here("append_csv.py"), request, (line) => console.error(line));
  const { seconds: took, rows: written } = answer as { seconds: number; rows: number };
  if (written !== rows) throw new Error(`PyIceberg wrote ${written} rows instead of ${rows}`);
  return took;
}
