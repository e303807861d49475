import { systemClock } from "../../../lib/clock.ts";
import { statement, type Session } from "../../../scripts/stack/statement.ts";
import { TABLES } from "./tables.ts";

const PAUSE_MS = 500;

/** Observations of the readers during the storm. */
export interface Seen {
  reads: number;
  /** Files that a reader saw only in part, or parts of two versions. */
  torn: string[];
}

/**
 * Repeatedly reads the tables that guarantee whole files, as a Trino client. Every row holds the row count of
 * its file version, so the reader can detect a partial version. Failed reads (Trino is unavailable) do not
 * count.
 */
export async function readDuringStorm(trino: string, session: Session, signal: AbortSignal): Promise<Seen> {
  const seen: Seen = { reads: 0, torn: [] };
  const whole = TABLES.filter(({ mode }) => mode !== "upsert");
  for (let n = 0; !signal.aborted; n++) {
    const { name, mode } = whole[n % whole.length]!;
    const version = mode === "append" ? "_source_file, stamp" : "_source_file";
    try {
      const torn = await statement(
        trino,
        `SELECT ${version}, count(*), count(DISTINCT stamp), min(size), max(size) FROM ${name} GROUP BY ${version}
         HAVING count(DISTINCT stamp) <> 1 OR count(*) <> min(size) OR count(*) <> max(size)`,
        session,
      );
      seen.reads += 1;
      for (const row of torn) seen.torn.push(`${name}: ${row.join(", ")}`);
    } catch {
      // Trino is unavailable, or the table does not exist yet.
    }
    await systemClock.sleep(PAUSE_MS, signal);
  }
  return seen;
}
