/** A large file in which one row is rejected, against the same file without it. */
import { createReadStream, createWriteStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { withTributary } from "../embedded.ts";
import { drop, expectCount, median, seconds, upload } from "../stack.ts";
import { bodyOf, generateSales } from "./sales-file.ts";

/** What a rejected row looks like: in a table without a contract, and in one with it. */
const CASES = {
  tooManyCells: { table: "orders", spoil: (cells: string[]): string[] => [...cells, "more"] },
  badValue: { table: "sales", spoil: (cells: string[]): string[] => cells.with(2, "unknown") },
};

/** The median of `rounds`, each into a new table, clean and bad in turn. Seconds, upload to visible. */
export function oneBadRow(options: { rows: number; rounds: number }): Promise<Record<string, OneBadRowResult>> {
  const { rows, rounds } = options;
  return withTributary(async ({ url }, folder) => {
    const gateway = { gateway: url };
    const clean = join(folder, "clean.csv");
    generateSales(clean, { rows });
    const load = async (table: string, file: string, accepted: number): Promise<number> => {
      const took = await seconds(() => upload(gateway, table, "orders.csv", bodyOf(file)));
      await expectCount(gateway, table, accepted);
      await drop(gateway, table);
      return took;
    };
    const results: Record<string, OneBadRowResult> = {};
    for (const [name, { table, spoil }] of Object.entries(CASES)) {
      const bad = join(folder, `${name}.csv`);
      await pipeline(Readable.from(withBadRow(clean, Math.ceil(rows / 2), spoil)), createWriteStream(bad));
      const [cleanS, badS]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        cleanS.push(await load(table, clean, rows));
        badS.push(await load(table, bad, rows - 1));
      }
      results[name] = resultOf(median(cleanS), median(badS));
    }
    return results;
  });
}

interface OneBadRowResult {
  cleanS: number;
  badS: number;
  ratio: number;
}

function resultOf(cleanS: number, badS: number): OneBadRowResult {
  const rounded = (value: number): number => Number(value.toFixed(3));
  return { cleanS: rounded(cleanS), badS: rounded(badS), ratio: rounded(badS / cleanS) };
}

/** The lines of the file, with line `number` spoiled. */
async function* withBadRow(csv: string, number: number, spoil: (cells: string[]) => string[]): AsyncGenerator<string> {
  let n = 0;
  let text = "";
  for await (const line of createInterface({ input: createReadStream(csv) })) {
    text += `${n++ === number ? spoil(line.split(",")).join(",") : line}\n`;
    if (text.length < 1 << 16) continue;
    yield text;
    text = "";
  }
  yield text;
}
