/** What 100 changed rows cost in upsert tables of growing size, by the kind of their keys. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { uuidv7 } from "uuidv7";
import type { LoadPlan } from "../lib/messages/generated.ts";
import type { FileVersion, TableLayout } from "../lib/warehouse/warehouse.ts";
import { columns, fileVersion, outcomeOf, RECEIVED_AT_MS, type Row } from "../test/support/rows.ts";
import { median, unique } from "./stack.ts";
import { withSubjects, type Subject } from "./small-commits.ts";
import { cpuMsOf } from "./many-tables.ts";

export interface UpsertCost {
  /**
   * `newest`: numbers in the order of the rows, and the changes are in the newest rows. `growing`: the same
   * keys, and the changes are in the whole table. `random`: hashes as texts of 32 characters, there too.
   */
  keys: "newest" | "growing" | "random";
  rowsBefore: number;
  /** After a compaction of the table, with the position deletes of the commits before it. */
  isCompacted: boolean;
  p50Ms: number;
  /** Processor time of all processes for one commit. */
  cpuMs: number;
  /** Of p50Ms, to that of the smallest table with such keys, before or after its compaction. */
  ratio: number;
}

export interface UpsertScalingOptions {
  /** Rows of each table, smallest first. */
  sizes: readonly number[];
  /** Rows of one commit. */
  changed: number;
  commits: number;
  /** Default: all. */
  kinds?: readonly UpsertCost["keys"][];
}

const NUMBERED = columns({ order_id: "BIGINT", amount: "DECIMAL(10,2)" });
const COLUMNS = {
  newest: NUMBERED,
  growing: NUMBERED,
  random: columns({ order_id: "VARCHAR", amount: "DECIMAL(10,2)" }),
};
const WARM_UP = 2;
/** Among which `newest` changes rows. */
const NEWEST_ROWS = 10_000;

export async function upsertCosts(
  subject: Subject,
  options: UpsertScalingOptions,
  onCost: (cost: UpsertCost) => void = () => undefined,
): Promise<UpsertCost[]> {
  const costs: UpsertCost[] = [];
  for (const keys of options.kinds ?? (["newest", "growing", "random"] as const)) {
    const smallestMs = new Map<boolean, number>();
    for (const rowsBefore of options.sizes) {
      await costOf(subject, { keys, rowsBefore, options }, ({ p50Ms, cpuMs }, isCompacted) => {
        if (!smallestMs.has(isCompacted)) smallestMs.set(isCompacted, p50Ms);
        const ratio = Number((p50Ms / smallestMs.get(isCompacted)!).toFixed(2));
        const cost = { keys, rowsBefore, isCompacted, p50Ms: Math.round(p50Ms), cpuMs: Math.round(cpuMs), ratio };
        onCost(cost);
        costs.push(cost);
      });
    }
  }
  return costs;
}

/** The figures of a stack's `iceberg:` warehouse. Each is printed as it is known: the largest take long. */
export const upsertCostsOfStack = (folder: string, options: UpsertScalingOptions): Promise<object> =>
  withSubjects(folder, async ([iceberg]) => {
    const print = (cost: UpsertCost): void => void process.stderr.write(`${JSON.stringify(cost)}\n`);
    return { ...options, upserts: await upsertCosts(iceberg!, options, print) };
  });

interface FilledTable {
  keys: UpsertCost["keys"];
  rowsBefore: number;
  options: UpsertScalingOptions;
}

async function costOf(
  { warehouse, pids }: Subject,
  { keys, rowsBefore, options: { changed, commits } }: FilledTable,
  onCost: (cost: { p50Ms: number; cpuMs: number }, isCompacted: boolean) => void,
): Promise<void> {
  const table = unique(`scaling_${keys}`);
  const key = ["order_id"];
  const layout: TableLayout = { table, mode: "upsert", key, deleteMissing: false, partitioning: [] };
  await warehouse.ensureTable(layout, COLUMNS[keys]);
  const rowOf = (n: number, amount: string): Row => ({ order_id: keys === "random" ? hashed(n) : n, amount });
  await commitAndRecord(await filledWith(subjectOf(0)));

  const among = keys === "newest" ? Math.min(NEWEST_ROWS, rowsBefore) : rowsBefore;
  const step = Math.max(1, Math.floor(among / changed));
  const numberOf = (k: number, n: number): number => rowsBefore - among + ((k * step + n * 7) % among);
  let sourceOffset = 0;
  onCost(await measured(), false);
  await compact(warehouse, table);
  onCost(await measured(), true);
  await warehouse.drop(table);

  async function measured(): Promise<{ p50Ms: number; cpuMs: number }> {
    const tookMs: number[] = [];
    let cpuMs = 0;
    for (let n = 1; n <= WARM_UP + commits; n++) {
      const at = ++sourceOffset;
      const rows = Array.from({ length: changed }, (_, k) => rowOf(numberOf(k, at), `${at}.25`));
      const version = await fileVersion(warehouse, table, { columns: COLUMNS[keys], rows, ...subjectOf(at) });
      const before = { atMs: performance.now(), own: process.cpuUsage(), serversMs: cpuMsOf(pids) };
      const receipt = await commitAndRecord(version);
      if (receipt.rowsUpdated !== changed) throw new Error(`${receipt.rowsUpdated} of ${changed} rows are updated`);
      if (n <= WARM_UP) continue;
      const { user, system } = process.cpuUsage(before.own);
      tookMs.push(performance.now() - before.atMs);
      cpuMs += ((user + system) / 1_000 + cpuMsOf(pids) - before.serversMs) / commits;
    }
    return { p50Ms: median(tookMs), cpuMs };
  }

  function subjectOf(sourceOffset: number) {
    return { fileId: uuidv7(), sourceFile: `f${sourceOffset}.csv`, sourceOffset };
  }

  /** One file, so that the table is what one commit writes. It loads by a plan: JavaScript takes an hour. */
  async function filledWith(origin: ReturnType<typeof subjectOf>): Promise<FileVersion> {
    const folder = await mkdtemp(join(tmpdir(), "tributary-bench-"));
    try {
      const path = join(folder, "rows.csv");
      await writeCsv(path, keys, rowsBefore);
      const stage = warehouse.stage(table, origin.fileId);
      await stage.load({ plan: planOf(keys, rowsBefore, origin.sourceOffset), path, compression: "none", ...origin });
      return { ...origin, columns: COLUMNS[keys], stage };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async function commitAndRecord(version: FileVersion) {
    const receipt = await warehouse.commit({ layout, files: [version] });
    await warehouse.record(table, [outcomeOf(version)], Date.now());
    await version.stage?.discard();
    return receipt;
  }
}

/** All steps of a compaction. */
async function compact(warehouse: Subject["warehouse"], table: string): Promise<void> {
  let cursor: string | undefined;
  do {
    const { status, details, next } = await warehouse.maintain(table, "optimize", {
      retentionMs: 0,
      ...(cursor === undefined ? {} : { cursor }),
    });
    if (status !== "completed") throw new Error(`the compaction is ${status}: ${details}`);
    cursor = next;
  } while (cursor !== undefined);
}

const hashed = (n: number): string => createHash("md5").update(String(n)).digest("hex");

/** The rows of `rowOf`. */
async function writeCsv(path: string, keys: UpsertCost["keys"], rows: number): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:", { memory_limit: "512MB" });
  const connection = await instance.connect();
  const key = keys === "random" ? "md5(CAST(range AS VARCHAR))" : "range";
  await connection.run(`COPY (SELECT ${key}, 0.25 FROM range(${rows})) TO '${path}' (FORMAT csv, HEADER)`);
  connection.closeSync();
  instance.closeSync();
}

const planOf = (keys: UpsertCost["keys"], rowCount: number, rowsOffset: number): LoadPlan => ({
  ...{ blobKey: "raw", contentHash: "", delimiter: ",", quote: '"', header: true },
  fields: COLUMNS[keys].map(({ name, type }) => ({ column: name, type, nullMarkers: [], padded: false })),
  ...{ rowCount, excluded: [], ragged: [], recordBytesMax: 1_000, textBytes: rowCount },
  ...{ rowsOffset, receivedAtMs: RECEIVED_AT_MS },
});
