/** A large file beside small files of other tables: how much each delays the other. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { smallCsv } from "../embedded.ts";
import { expectCount, percentile, seconds, unique, upload, type Gateway } from "../stack.ts";
import { generateSales } from "./sales-file.ts";

const cli = fileURLToPath(new URL("../../bin/tributary.mjs", import.meta.url));
const TABLES = 4;
const ROWS_OF_SMALL = 100;

export interface IsolationOptions {
  /** Of the large file. */
  rows: number;
  smallFilesPerS: number;
  /** How long small files arrive without a large one. */
  aloneS: number;
}

export interface IsolationResult {
  rows: number;
  smallFiles: { alone: Latency; beside: Latency; p95Ratio: number };
  largeFile: { aloneS: number; besideS: number; ratio: number };
}

interface Latency {
  files: number;
  p50Ms: number;
  p95Ms: number;
  maxMs: number;
}

/**
 * Small files of four tables at a steady rate, upload to visible: alone, and while a large file of another
 * table is loaded. The same large file alone for comparison. A process of its own sends the large file.
 */
export async function isolation(gateway: Gateway, options: IsolationOptions): Promise<IsolationResult> {
  const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
  try {
    const csv = join(folder, "large.csv");
    generateSales(csv, options);
    const tables = Array.from({ length: TABLES }, (_, n) => `${unique("isolated")}_${n}`);
    const sender = new SmallFiles(gateway, tables);
    await sender.first();
    const alone = await sender.send(options.smallFilesPerS, sleep(options.aloneS * 1000));
    const largeAloneS = await seconds(() => uploadLarge(gateway, csv, options.rows));
    let largeBesideS = NaN;
    const large = seconds(() => uploadLarge(gateway, csv, options.rows)).then((took) => (largeBesideS = took));
    const beside = await sender.send(options.smallFilesPerS, large);
    await sender.expectAll();
    const twoDigits = (value: number): number => Number(value.toFixed(2));
    return {
      rows: options.rows,
      smallFiles: { alone, beside, p95Ratio: twoDigits(beside.p95Ms / alone.p95Ms) },
      largeFile: {
        aloneS: twoDigits(largeAloneS),
        besideS: twoDigits(largeBesideS),
        ratio: twoDigits(largeBesideS / largeAloneS),
      },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function uploadLarge(gateway: Gateway, csv: string, rows: number): Promise<void> {
  const table = unique("large");
  const options = ["--url", gateway.gateway, "upload", table, csv, "--wait", "--timeout", "30m"];
  await promisify(execFile)(process.execPath, [cli, ...options]);
  await expectCount(gateway, table, rows);
}

/** Sends small files to tables in turn, whether or not earlier ones have ended. */
class SmallFiles {
  readonly #gateway: Gateway;
  readonly #tables: readonly string[];
  #sent = 0;

  constructor(gateway: Gateway, tables: readonly string[]) {
    this.#gateway = gateway;
    this.#tables = tables;
  }

  /** The first file of a table creates it. */
  async first(): Promise<void> {
    for (let n = 0; n < this.#tables.length; n++) await this.#one();
  }

  async send(filesPerS: number, until: Promise<unknown>): Promise<Latency> {
    let ended = false;
    void until.then(
      () => (ended = true),
      () => (ended = true),
    );
    const tookMs: Promise<number>[] = [];
    const startedMs = performance.now();
    while (!ended || tookMs.length === 0) {
      const dueMs = startedMs + (tookMs.length * 1000) / filesPerS;
      await sleep(Math.max(0, dueMs - performance.now()));
      tookMs.push(this.#one().then(() => performance.now() - dueMs));
    }
    await until;
    const all = await Promise.all(tookMs);
    return {
      files: all.length,
      p50Ms: Math.round(percentile(all, 0.5)),
      p95Ms: Math.round(percentile(all, 0.95)),
      maxMs: Math.round(Math.max(...all)),
    };
  }

  /** @throws Error if a row is missing */
  async expectAll(): Promise<void> {
    for (const [n, table] of this.#tables.entries()) {
      const files = Math.ceil((this.#sent - n) / this.#tables.length);
      await expectCount(this.#gateway, table, files * ROWS_OF_SMALL);
    }
  }

  #one(): Promise<void> {
    const n = this.#sent++;
    return upload(this.#gateway, this.#tables[n % this.#tables.length]!, `f${n}.csv`, smallCsv(n, ROWS_OF_SMALL));
  }
}
