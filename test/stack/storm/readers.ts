import { systemClock } from "../../../lib/clock.ts";
import type { RunningStack } from "../../../scripts/stack/stack.ts";
import { statement, type Session } from "../../../scripts/stack/statement.ts";
import { attachOptions, openIcebergDuckdb } from "../../support/iceberg-duckdb.ts";
import { TABLES } from "./tables.ts";

const PAUSE_MS = 500;

/** Reads the stack's tables by SQL, past Tributary's own code. */
export interface StormReader {
  rows(sql: string): Promise<unknown[][]>;
  close(): void;
}

export const trinoReader = (trino: string, session: Session): StormReader => ({
  rows: (sql) => statement(trino, sql, session),
  close: () => undefined,
});

/** DuckDB on the REST catalog itself: neither through the gate nor through a proxy that loses requests. */
export async function duckdbReader({ file }: Pick<RunningStack, "file">, extensions: string): Promise<StormReader> {
  const options = `${attachOptions(file.restCatalog)}, READ_ONLY`;
  const duckdb = await openIcebergDuckdb(file.restCatalog.warehouse, options, { extensions, s3: file.s3 });
  // A statement holds a thread of this process while a server is away.
  await duckdb.run("SET http_timeout = 10");
  await duckdb.run("SET http_retries = 1");
  await duckdb.run(`USE ice.${file.schema}`);
  return duckdb;
}

/** Observations of the readers during the storm. */
export interface Seen {
  reads: number;
  /** Files that a reader saw only in part, or parts of two versions. */
  torn: string[];
}

/**
 * Repeatedly reads the tables that guarantee whole files. Every row holds the row count of its file version,
 * so the reader can detect a partial version. Failed reads (a server is unavailable) do not count.
 */
export async function readDuringStorm(reader: StormReader, signal: AbortSignal): Promise<Seen> {
  const seen: Seen = { reads: 0, torn: [] };
  const whole = TABLES.filter(({ mode }) => mode !== "upsert");
  for (let n = 0; !signal.aborted; n++) {
    const { name, mode } = whole[n % whole.length]!;
    const version = mode === "append" ? "_source_file, stamp" : "_source_file";
    try {
      const torn = await reader.rows(
        `SELECT ${version}, count(*), count(DISTINCT stamp), min(size), max(size) FROM ${name} GROUP BY ${version}
         HAVING count(DISTINCT stamp) <> 1 OR count(*) <> min(size) OR count(*) <> max(size)`,
      );
      seen.reads += 1;
      for (const row of torn) seen.torn.push(`${name}: ${row.join(", ")}`);
    } catch {
      // A server is unavailable, or the table does not exist yet.
    }
    await systemClock.sleep(PAUSE_MS, signal);
  }
  return seen;
}
