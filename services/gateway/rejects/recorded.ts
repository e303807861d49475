import type { Clock } from "../../../lib/clock.ts";
import { TributaryError } from "../../../lib/errors.ts";
import type { FileView } from "../files/view.ts";
import type { RejectLedger } from "./ledger.ts";

/** A commit older than this is on record, or its table has other trouble that waiting does not end. */
const RECENT_MS_MAX = 60_000;
const WAIT_MS_MAX = 5_000;
const POLL_MS = 50;

export interface RecordedDeps {
  view: FileView;
  clock: Clock;
  ledger: Pick<RejectLedger, "version">;
}

/**
 * The committer records the rejects of a file just after its commit, so that a client that has seen the
 * commit may ask before. Waits until the file of the table that ended last is on record; a table's files are
 * recorded in order. Returns the name of a file that is not on record in time.
 */
export async function unrecordedFile(
  { view, clock, ledger }: RecordedDeps,
  table: string,
): Promise<string | undefined> {
  const last = view.lastEnded(table);
  const ending = last === undefined ? undefined : view.facts(last)?.ending;
  if (last === undefined || !ending || clock.nowMs() - ending.commit.committedAtMs > RECENT_MS_MAX) return undefined;
  const startMs = clock.monotonicMs();
  while (!(await ledger.version(last))) {
    if (clock.monotonicMs() - startMs > WAIT_MS_MAX) return ending.outcome.sourceFile;
    await clock.sleep(POLL_MS);
  }
  return undefined;
}

/** As `unrecordedFile`. @throws REJECTS_PENDING if a file is not on record in time */
export async function assertRecorded(deps: RecordedDeps, table: string): Promise<void> {
  const file = await unrecordedFile(deps, table);
  if (file === undefined) return;
  throw new TributaryError(
    "REJECTS_PENDING",
    `the rejected rows of '${file}' of table '${table}' are not on record yet`,
  );
}
