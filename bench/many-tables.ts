/** What a table costs: time, processor time and memory of a file as the number of tables grows. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { median, put, seconds, smallCsv, withTributary } from "./embedded.ts";
import { unique, upload, type Stack } from "./stack.ts";

/** Files measured at each number of tables, one after the other, each into a new table. */
const MEASURED = 20;
const UPLOADS_AT_ONCE = 8;
/** USER_HZ: the unit of /proc/<pid>/stat on Linux. */
const TICKS_PER_S = 100;

export interface ManyTablesResult {
  tables: number;
  medianMs: number;
  /** Processor time of all processes for one file. */
  cpuMsPerFile: number;
  rssMb: number;
}

/** Where the files go, and the processes that load them. */
interface Loader {
  upload(table: string, csv: string): Promise<unknown>;
  pids: readonly number[];
}

/** Uploads one small file into each of many new tables. Measures at each of the given numbers of tables. */
export const manyTables = (counts: readonly number[]): Promise<{ points: ManyTablesResult[] }> =>
  withTributary((tributary) => {
    const upload = (table: string, csv: string): Promise<unknown> =>
      put(tributary, `/v1/tables/${table}/files/f.csv?wait=committed&timeout=300s`, Readable.from([csv]));
    return measured({ upload, pids: [tributary.process.pid!] }, counts);
  });

/** The same on a stack. Processor time and memory are those of all its processes together. */
export function manyTablesOfStack(
  stack: Stack,
  folder: string,
  counts: readonly number[],
): Promise<{ points: ManyTablesResult[] }> {
  const prefix = unique("many");
  const processes = JSON.parse(readFileSync(join(folder, "processes.json"), "utf8")) as { pid: number }[];
  const send = (table: string, csv: string): Promise<unknown> => upload(stack, `${prefix}_${table}`, "f.csv", csv);
  return measured({ upload: send, pids: processes.map(({ pid }) => pid) }, counts);
}

async function measured(loader: Loader, counts: readonly number[]): Promise<{ points: ManyTablesResult[] }> {
  let made = 0;
  const upload = async (): Promise<void> => {
    const n = made++;
    await loader.upload(`t${n}`, smallCsv(n, 20));
  };
  const points: ManyTablesResult[] = [];
  for (const tables of counts) {
    const fill = async (): Promise<void> => {
      while (made < tables - MEASURED) await upload();
    };
    await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, fill));
    const before = usage(loader.pids);
    const tookMs: number[] = [];
    for (let n = 0; n < MEASURED; n++) tookMs.push((await seconds(upload)) * 1000);
    const after = usage(loader.pids);
    const cpuMsPerFile = Math.round((after.cpuMs - before.cpuMs) / MEASURED);
    points.push({ tables: made, medianMs: Math.round(median(tookMs)), cpuMsPerFile, rssMb: after.rssMb });
    process.stderr.write(`${JSON.stringify(points.at(-1))}\n`);
  }
  return { points };
}

function usage(pids: readonly number[]): { cpuMs: number; rssMb: number } {
  let rssKib = 0;
  for (const pid of pids) rssKib += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
  return { cpuMs: cpuMsOf(pids), rssMb: Math.round(rssKib / 1024) };
}

/** Processor time of running processes, in steps of 10 ms each. */
export function cpuMsOf(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return (ticks * 1000) / TICKS_PER_S;
}
