/** What a table costs: time, processor time and memory of a file as the number of tables grows. Embedded. */
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { median, put, seconds, smallCsv, withTributary } from "./embedded.ts";
import type { TributaryProcess } from "../scripts/tributary-process.ts";

/** Files measured at each number of tables, one after the other, each into a new table. */
const MEASURED = 20;
const UPLOADS_AT_ONCE = 8;
/** USER_HZ: the unit of /proc/<pid>/stat on Linux. */
const TICKS_PER_S = 100;

export interface ManyTablesResult {
  tables: number;
  medianMs: number;
  /** Processor time of the whole process for one file. */
  cpuMsPerFile: number;
  rssMb: number;
}

/** Uploads one small file into each of many new tables. Measures at each of the given numbers of tables. */
export async function manyTables(counts: readonly number[]): Promise<{ points: ManyTablesResult[] }> {
  return withTributary(async (tributary) => {
    let made = 0;
    const upload = async (): Promise<void> => {
      const n = made++;
      await put(
        tributary,
        `/v1/tables/t${n}/files/f.csv?wait=committed&timeout=300s`,
        Readable.from([smallCsv(n, 20)]),
      );
    };
    const points: ManyTablesResult[] = [];
    for (const tables of counts) {
      const fill = async (): Promise<void> => {
        while (made < tables - MEASURED) await upload();
      };
      await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, fill));
      const before = usage(tributary);
      const tookMs: number[] = [];
      for (let n = 0; n < MEASURED; n++) tookMs.push((await seconds(upload)) * 1000);
      const after = usage(tributary);
      points.push({
        tables: made,
        medianMs: Math.round(median(tookMs)),
        cpuMsPerFile: Math.round((after.cpuMs - before.cpuMs) / MEASURED),
        rssMb: after.rssMb,
      });
    }
    return { points };
  });
}

function usage(tributary: TributaryProcess): { cpuMs: number; rssMb: number } {
  const path = `/proc/${tributary.process.pid}`;
  const fields = readFileSync(`${path}/stat`, "latin1").split(") ")[1]!.split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`${path}/status`, "latin1"));
  return { cpuMs: (ticks * 1000) / TICKS_PER_S, rssMb: Math.round(Number(rss?.[1]) / 1024) };
}
