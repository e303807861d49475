/** Benchmarks of the embedded default: a child process as in `tributary serve`, driven by HTTP. */
import { createReadStream, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { Readable } from "node:stream";
import { parse } from "csv-parse";
import { isCompiled } from "../bin/compiled.mjs";
import { ROOT } from "../scripts/stack/paths.ts";
import { COMPILED, startTributary, type TributaryProcess } from "../scripts/tributary-process.ts";
import { generateSales } from "./large-files/sales-file.ts";

export interface BigFileResult {
  rows: number;
  csvParseRowsPerS: number;
  uploadToQueryableRowsPerS: number;
  ratio: number;
  peakRssMb: number;
}

/**
 * One big sales file: upload to queryable, and csv-parse reading the same file. Alternates `rounds` times;
 * medians.
 */
export async function bigFile(options: { rows: number; rounds: number; table: string }): Promise<BigFileResult> {
  return inTempFolder(async (folder) => {
    const csv = join(folder, "big.csv");
    generateSales(csv, options);
    const reads: number[] = [];
    const loads: number[] = [];
    let peakRssMb = 0;
    for (let round = 0; round < options.rounds; round++) {
      reads.push(options.rows / (await seconds(() => readWithCsvParse(csv))));
      const tributary = await startCompiled(join(folder, `data-${round}`));
      try {
        loads.push(options.rows / (await seconds(() => uploadAndWait(tributary, options.table, "big.csv", csv))));
        await expectCount(tributary, options.table, options.rows);
        peakRssMb = Math.max(peakRssMb, peakRss(tributary));
      } finally {
        await tributary.stop();
      }
    }
    const [csvParseRowsPerS, uploadToQueryableRowsPerS] = [median(reads), median(loads)];
    return {
      rows: options.rows,
      csvParseRowsPerS: Math.round(csvParseRowsPerS),
      uploadToQueryableRowsPerS: Math.round(uploadToQueryableRowsPerS),
      ratio: Number((uploadToQueryableRowsPerS / csvParseRowsPerS).toFixed(3)),
      peakRssMb,
    };
  });
}

export interface LatencyResult {
  files: number;
  medianMs: number;
  p95Ms: number;
}

/** Files of 100 rows, one after the other: upload to queryable. */
export async function smallFileLatency(options: { files: number }): Promise<LatencyResult> {
  return withTributary(async (tributary, folder) => {
    const tookMs: number[] = [];
    for (let n = 0; n < options.files + 1; n++) {
      const csv = join(folder, `small-${n}.csv`);
      writeFileSync(csv, smallCsv(n, 100));
      const tookS = await seconds(() => uploadAndWait(tributary, "small", `small-${n}.csv`, csv));
      if (n > 0) tookMs.push(tookS * 1000); // the first file creates the table
    }
    await expectCount(tributary, "small", (options.files + 1) * 100);
    return { files: options.files, medianMs: Math.round(median(tookMs)), p95Ms: Math.round(percentile(tookMs, 0.95)) };
  });
}

export interface ManyFilesResult {
  files: number;
  tables: number;
  filesPerS: number;
  lost: number;
}

/** Many small files into many tables, eight uploads at a time. `lost` counts missing rows. */
export async function manyFiles(options: {
  files: number;
  tables: number;
  rowsPerFile: number;
}): Promise<ManyFilesResult> {
  return withTributary(async (tributary) => {
    const { files, tables, rowsPerFile } = options;
    const took = await seconds(async () => {
      let next = 0;
      const worker = async (): Promise<void> => {
        for (let n = next++; n < files; n = next++) {
          const body = smallCsv(n, rowsPerFile);
          await put(tributary, `/v1/tables/t${n % tables}/files/f${n}.csv`, Readable.from([body]));
        }
      };
      await Promise.all(Array.from({ length: 8 }, worker));
      await untilCommitted(tributary, files);
    });
    let found = 0;
    for (let t = 0; t < Math.min(tables, files); t++) found += await countRows(tributary, `t${t}`);
    return { files, tables, filesPerS: Math.round(files / took), lost: files * rowsPerFile - found };
  });
}

export function smallCsv(seed: number, rows: number): string {
  const lines = Array.from(
    { length: rows },
    (_, i) => `${seed * rows + i},name ${i},${(i * 1.25).toFixed(2)},2024-01-${String((i % 28) + 1).padStart(2, "0")}`,
  );
  return `id,name,amount,day\n${lines.join("\n")}\n`;
}

async function readWithCsvParse(csv: string): Promise<void> {
  let rows = 0;
  for await (const _ of createReadStream(csv).pipe(parse())) rows++;
  if (rows === 0) throw new Error("csv-parse read nothing");
}

export async function put(
  tributary: TributaryProcess,
  path: string,
  body: Readable,
): Promise<{ status: number; text: string }> {
  const response = await fetch(tributary.url + path, {
    method: "PUT",
    body: Readable.toWeb(body) as ReadableStream,
    duplex: "half",
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} responded with status ${response.status}: ${text}`);
  return { status: response.status, text };
}

async function uploadAndWait(tributary: TributaryProcess, table: string, name: string, csv: string): Promise<void> {
  const path = `/v1/tables/${table}/files/${name}?wait=committed&timeout=300s`;
  const { status, text } = await put(tributary, path, createReadStream(csv, { highWaterMark: 1 << 20 }));
  if (status !== 200) throw new Error(`${statSync(csv).size} bytes were not committed in time: ${text}`);
}

async function query(tributary: TributaryProcess, sql: string): Promise<unknown[][]> {
  const response = await fetch(`${tributary.url}/v1/query`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql }),
  });
  const body = (await response.json()) as { rows?: unknown[][]; detail?: string };
  if (!body.rows) throw new Error(`query failed: ${body.detail ?? response.status}`);
  return body.rows;
}

const countRows = async (tributary: TributaryProcess, table: string): Promise<number> =>
  Number((await query(tributary, `SELECT count(*) FROM ${table}`))[0]![0]);

async function expectCount(tributary: TributaryProcess, table: string, rows: number): Promise<void> {
  const found = await countRows(tributary, table);
  if (found !== rows) throw new Error(`${table} holds ${found} rows, expected ${rows}`);
}

async function untilCommitted(tributary: TributaryProcess, files: number): Promise<void> {
  const deadline = performance.now() + 300_000;
  for (;;) {
    const [row] = await query(tributary, "SELECT count(*) FROM _ingest_files WHERE status = 'committed'").catch(() => [
      [0],
    ]);
    if (Number(row![0]) >= files) return;
    if (performance.now() > deadline)
      throw new Error(`only ${String(row![0])} of ${files} files were committed in time`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Peak resident memory in MB; 0 without /proc. */
function peakRss(tributary: TributaryProcess): number {
  try {
    const status = execFileSync("cat", [`/proc/${tributary.process.pid ?? 0}/status`], { encoding: "utf8" });
    return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}

/**
 * As an installation runs, if `dist` is up to date: `npm run bench` builds it first. From sources, a file
 * waits until its worker has loaded TypeScript.
 */
const startCompiled = (dataDir: string): Promise<TributaryProcess> =>
  startTributary(dataDir, {}, [], ...(isCompiled(ROOT) ? [COMPILED] : []));

export async function withTributary<T>(body: (tributary: TributaryProcess, folder: string) => Promise<T>): Promise<T> {
  return inTempFolder(async (folder) => {
    const tributary = await startCompiled(join(folder, "data"));
    try {
      return await body(tributary, folder);
    } finally {
      await tributary.stop();
    }
  });
}

async function inTempFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
  mkdirSync(join(folder, "data"), { recursive: true });
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
}

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
export const median = (values: readonly number[]): number => percentile(values, 0.5);
