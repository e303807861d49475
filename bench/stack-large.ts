/** Long benchmarks of the local stack: upserts into tables of two sizes, and a file larger than memory. */
import { createReadStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { drop, expectCount, median, seconds, unique, upload, type Stack } from "./stack.ts";
import { bodyOf, generateSales } from "./large-files/sales-file.ts";

const CHUNK_BYTES = 1 << 20;

/**
 * Merges `changed` orders with new amounts into the sales table while it holds `small` and `large` orders,
 * three times each, and then all `large` orders with new amounts. Returns the medians and their ratio, how
 * long the large files took, and the peak memory of each service.
 */
export async function upsertScaling(
  stack: Stack,
  processes: string,
  { small, large, changed }: { small: number; large: number; changed: number },
): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
  try {
    const took: number[] = [];
    let intoEmptyS = NaN;
    for (const rows of [small, large]) {
      await drop(stack, "sales");
      const csv = salesFile(folder, rows, 1);
      intoEmptyS = await seconds(() => uploadSales(stack, csv));
      const rounds: number[] = [];
      for (let round = 0; round < 3; round++) {
        const changes = await changedOrders(csv, rows, changed, round);
        rounds.push(await seconds(() => upload(stack, "sales", unique(`changes${round}`), changes)));
      }
      await expectCount(stack, "sales", rows);
      took.push(median(rounds));
    }
    const all = salesFile(folder, large, 2);
    const intoAllS = await seconds(() => uploadSales(stack, all));
    await expectCount(stack, "sales", large);
    const [smallS, largeS] = took as [number, number];
    return {
      ...{ changed, small, smallS: toMs(smallS), large, largeS: toMs(largeS), ratio: toMs(largeS / smallS) },
      ...{ largeIntoEmptyS: toMs(intoEmptyS), largeIntoLargeS: toMs(intoAllS) },
      peakRssMb: peakRssOfServices(processes),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Merges a tenth of the orders with new amounts into the sales table, three times. Returns the median. */
export async function mergeOfATenth(stack: Stack, rows: number): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
  try {
    await drop(stack, "sales");
    const csv = salesFile(folder, rows, 1);
    await uploadSales(stack, csv);
    const rounds: number[] = [];
    for (let round = 0; round < 3; round++) {
      const changes = await changedOrders(csv, rows, Math.ceil(rows / 10), round);
      rounds.push(await seconds(() => upload(stack, "sales", unique(`tenth${round}`), changes)));
    }
    await expectCount(stack, "sales", rows);
    return { rows, changed: Math.ceil(rows / 10), tookS: toMs(median(rounds)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function salesFile(folder: string, rows: number, seed: number): string {
  const csv = join(folder, `${rows}_${seed}.csv`);
  generateSales(csv, { rows, seed });
  return csv;
}

const uploadSales = (stack: Stack, csv: string): Promise<void> => upload(stack, "sales", unique("whole"), bodyOf(csv));

const toMs = (value: number): number => Number(value.toFixed(3));

/** `count` orders of the file with new amounts, evenly spread; each round starts at another row. */
async function changedOrders(csv: string, rows: number, count: number, round: number): Promise<string> {
  const step = Math.floor(rows / count);
  const lines: string[] = [];
  let number = -1;
  for await (const line of createInterface({ input: createReadStream(csv) })) {
    if (number < 0) lines.push(line);
    else if (number % step === round % step && lines.length <= count) {
      const cells = line.split(",");
      cells[2] = `${round + 1}.${String(number % 100).padStart(2, "0")}`;
      lines.push(cells.join(","));
    }
    number++;
  }
  return `${lines.join("\n")}\n`;
}

/**
 * Uploads one file of `bytes`, generated while it is sent. Returns its duration and the peak memory per
 * service.
 */
export async function hugeFile(stack: Stack, folder: string, bytes: number): Promise<object> {
  const table = unique("huge");
  const generated = { rows: 0 };
  const tookS = await seconds(() => upload(stack, table, "huge.csv", Readable.from(wideRows(bytes, generated))));
  await expectCount(stack, table, generated.rows);
  return {
    gigabytes: toMs(bytes / 1e9),
    rows: generated.rows,
    tookS: toMs(tookS),
    megabytesPerS: Math.round(bytes / 1e6 / tookS),
    peakRssMb: peakRssOfServices(folder),
  };
}

/** Rows of about 600 bytes, in chunks, `bytes` in total. Counts them in `generated`. */
function* wideRows(bytes: number, generated: { rows: number }): Generator<Buffer> {
  const text = "a field of some length as free text in exports is. ".repeat(5);
  let left = bytes;
  let chunk = "id,name,amount,day,note,remark\n";
  for (let id = 0; left > 0; id++) {
    const [amount, day] = [`${id % 1_000}.${(id % 90) + 10}`, `2024-01-${(id % 18) + 10}`];
    chunk += `${id},customer ${id % 9_973},${amount},${day},${id} ${text},${text}${id % 77}\n`;
    generated.rows += 1;
    if (chunk.length < CHUNK_BYTES) continue;
    left -= chunk.length;
    yield Buffer.from(chunk);
    chunk = "";
  }
}

/** Peak resident memory (VmHWM) of every service of the stack in the folder, in MB. */
function peakRssOfServices(folder: string): Record<string, number> {
  const servers = ["kafka", "seaweedfs", "trino"];
  const processes = JSON.parse(readFileSync(join(folder, "processes.json"), "utf8")) as { name: string; pid: number }[];
  return Object.fromEntries(
    processes
      .filter(({ name }) => !servers.includes(name))
      .map(({ name, pid }) => {
        const [, kib] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))!;
        return [name, Math.round(Number(kib) / 1024)];
      }),
  );
}
