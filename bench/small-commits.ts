/** What a file of 100 rows costs the warehouse: its commit and its ledger write. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { uuidv7 } from "uuidv7";
import { openBlobStore } from "../lib/blob/open.ts";
import type { BlobStore } from "../lib/blob/blob-store.ts";
import { openWarehouse } from "../lib/warehouse/open.ts";
import type { FileVersion, TableLayout, Warehouse } from "../lib/warehouse/warehouse.ts";
import { duckdbExtensions } from "../scripts/stack/programs/duckdb-extensions.ts";
import { cacheDir } from "../scripts/stack/programs/install.ts";
import { HOST } from "../scripts/stack/ports.ts";
import { CATALOG, readSettings, restCatalogOf } from "../scripts/stack/settings.ts";
import { columns, fileVersion, outcomeOf, type Row } from "../test/support/rows.ts";
import { cpuMsOf } from "./many-tables.ts";
import { median, percentile, unique } from "./stack.ts";

/** A warehouse, and the servers whose processor time counts beside that of this process. */
export interface Subject {
  name: string;
  warehouse: Warehouse;
  pids: readonly number[];
}

export interface CommitCost {
  warehouse: string;
  mode: "append" | "upsert";
  /** Processor time of all processes for one file. */
  cpuMsPerFile: number;
  /** The share of this process. */
  ownCpuMsPerFile: number;
  p50Ms: number;
  p95Ms: number;
}

export interface CommitsOptions {
  /** Files that are measured in each table. */
  files: number;
  /** Rows that an upsert table has before. */
  rowsBefore: number;
}

const COLUMNS = columns({ order_id: "BIGINT", customer: "VARCHAR", amount: "DECIMAL(10,2)", day: "DATE" });
const ROWS_PER_FILE = 100;
const WARM_UP_FILES = 5;

/** In turn, so that other work on the machine meets all of them. */
export async function commitCosts(subjects: readonly Subject[], options: CommitsOptions): Promise<CommitCost[]> {
  const lanes: Lane[] = [];
  for (const subject of subjects) {
    for (const mode of ["append", "upsert"] as const) lanes.push(await prepared(subject, mode, options.rowsBefore));
  }
  for (let n = 0; n < WARM_UP_FILES; n++) for (const lane of lanes) await load(lane);
  for (const lane of lanes) lane.costs = [];
  for (let n = 0; n < options.files; n++) for (const lane of lanes) await load(lane);
  return lanes.map(({ subject, layout, costs }) => {
    const mean = (values: readonly number[]): number =>
      Math.round(values.reduce((sum, value) => sum + value, 0) / values.length);
    const tookMs = costs.map((cost) => cost.tookMs);
    return {
      warehouse: subject.name,
      mode: layout.mode as CommitCost["mode"],
      cpuMsPerFile: mean(costs.map(({ ownMs, serversMs }) => ownMs + serversMs)),
      ownCpuMsPerFile: mean(costs.map(({ ownMs }) => ownMs)),
      p50Ms: Math.round(median(tookMs)),
      p95Ms: Math.round(percentile(tookMs, 0.95)),
    };
  });
}

interface Lane {
  subject: Subject;
  layout: TableLayout;
  rowsBefore: number;
  sent: number;
  costs: { ownMs: number; serversMs: number; tookMs: number }[];
}

async function prepared(subject: Subject, mode: CommitCost["mode"], rowsBefore: number): Promise<Lane> {
  const table = unique(`commits_${mode}`);
  const layout = { table, mode, key: mode === "upsert" ? ["order_id"] : [], deleteMissing: false, partitioning: [] };
  await subject.warehouse.ensureTable(layout, COLUMNS);
  const lane = { subject, layout, rowsBefore: mode === "upsert" ? rowsBefore : 0, sent: 0, costs: [] };
  for (let first = 0; first < lane.rowsBefore; first += ROWS_AT_ONCE)
    await apply(lane, rowsFrom(first, Math.min(ROWS_AT_ONCE, lane.rowsBefore - first), "before"));
  return lane;
}

const ROWS_AT_ONCE = 100_000;

/** Keys that grow: half of an upsert file's rows change rows that the table has, spread over it. */
async function load(lane: Lane): Promise<void> {
  const { layout, rowsBefore, sent } = lane;
  const news = layout.mode === "append" ? ROWS_PER_FILE : ROWS_PER_FILE / 2;
  const step = Math.max(1, Math.floor(rowsBefore / ROWS_PER_FILE));
  const changed = Array.from({ length: ROWS_PER_FILE - news }, (_, k) => rowOf(k * step, `changed ${sent}`));
  await apply(lane, [...rowsFrom(rowsBefore + sent * news, news, `new ${sent}`), ...changed]);
}

async function apply(lane: Lane, rows: readonly Row[]): Promise<void> {
  const { subject, layout, costs } = lane;
  const { warehouse } = subject;
  const { table } = layout;
  const sourceOffset = lane.sent++;
  const origin = { fileId: uuidv7(), sourceFile: `f${sourceOffset}.csv`, sourceOffset };
  const version = await fileVersion(warehouse, table, { columns: COLUMNS, rows, ...origin });
  const before = { own: process.cpuUsage(), serversMs: cpuMsOf(subject.pids), atMs: performance.now() };
  await commitAndRecord(warehouse, layout, version);
  const tookMs = performance.now() - before.atMs;
  const { user, system } = process.cpuUsage(before.own);
  costs.push({ ownMs: (user + system) / 1_000, serversMs: cpuMsOf(subject.pids) - before.serversMs, tookMs });
  await version.stage?.discard();
}

async function commitAndRecord(warehouse: Warehouse, layout: TableLayout, version: FileVersion): Promise<void> {
  const records = { ended: [outcomeOf(version)], recordedAtMs: Date.now() };
  const { isRecorded } = await warehouse.commit({ layout, files: [version], records });
  if (!isRecorded) await warehouse.record(layout.table, records.ended, records.recordedAtMs);
}

/** Texts longer than 16 bytes, as in most tables. */
const rowOf = (key: number, what: string): Row => ({
  order_id: key,
  customer: `customer of order ${key} ${what}`,
  amount: `${key % 1_000}.50`,
  day: "2026-01-02",
});

const rowsFrom = (first: number, count: number, what: string): Row[] =>
  Array.from({ length: count }, (_, k) => rowOf(first + k, what));

/** The figure of a stack: `iceberg:`, and `trino:` where it runs. */
export const commitCostsOfStack = (folder: string, options: CommitsOptions): Promise<object> =>
  withSubjects(folder, async (subjects) => ({ ...options, commits: await commitCosts(subjects, options) }));

/** Opens the warehouses of a stack, DuckDB's Iceberg writer first, each with a namespace of its own. */
export async function withSubjects<T>(folder: string, use: (subjects: readonly Subject[]) => Promise<T>): Promise<T> {
  const settings = await readSettings(folder);
  if (!settings) throw new Error(`${folder} has no settings of a stack`);
  const { s3, buckets, ports } = settings;
  const { hasTrino, pidsOf } = processesOf(folder);
  const { uri, warehouse, credential, oauth2ServerUri } = restCatalogOf(settings);
  const opened: BlobStore[] = [];
  const openBucket = async (url: string): Promise<BlobStore> => {
    const bucket = await openBlobStore(url, { s3 });
    opened.push(bucket);
    return bucket;
  };
  const extensionsFolder = await duckdbExtensions(cacheDir(process.env), () => undefined);
  const iceberg = { catalog: { credential, oauth2ServerUri }, s3, extensionsFolder, openBucket };
  const icebergUrl = `iceberg:${uri}?warehouse=${warehouse}&namespace=${unique("bench")}`;
  const subjects = [
    { name: "iceberg", warehouse: await openWarehouse(icebergUrl, { iceberg }), pids: pidsOf("seaweedfs") },
  ];
  if (hasTrino) {
    const trino = { staging: await openBucket(`s3://${buckets.staging}`) };
    const trinoUrl = `trino://tributary@${HOST}:${ports.trino}/${CATALOG}/${unique("bench")}`;
    const trinoWarehouse = await openWarehouse(trinoUrl, { trino });
    subjects.push({ name: "trino", warehouse: trinoWarehouse, pids: pidsOf("seaweedfs", "trino") });
  }
  try {
    return await use(subjects);
  } finally {
    for (const subject of subjects) await subject.warehouse.close();
    for (const bucket of opened) await bucket.close();
  }
}

function processesOf(folder: string) {
  const processes = JSON.parse(readFileSync(join(folder, "processes.json"), "utf8")) as { name: string; pid: number }[];
  const pidsOf = (...names: string[]): number[] =>
    processes.filter(({ name }) => names.includes(name)).map(({ pid }) => pid);
  return { hasTrino: pidsOf("trino").length > 0, pidsOf };
}
