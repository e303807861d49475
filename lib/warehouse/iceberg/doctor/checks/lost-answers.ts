import type { TableChange } from "../../catalog/commit.ts";
import { CatalogError } from "../../catalog/errors.ts";
import type { TableIdentifier } from "../../catalog/schemas.ts";
import type { Loss, LossyTransport } from "../lossy-transport.ts";
import type { Finding } from "../report.ts";
import type { Scratch, Via } from "../scratch.ts";
import { snapshotIdOf } from "../scratch-commit.ts";
import { holds, isConflict, isUnknown, viasOf } from "./commits.ts";

const ROUNDS = 12;
const ATTEMPTS_MAX = 10;
const PAUSE_MS = 100;

/**
 * Loses the answer of a commit, then does what a careful client does: it repeats the identical commit until
 * the answer is definite, and on 409 looks for its own snapshot. Whatever happened, the snapshot must be
 * there once, and the next commit must stand on it.
 */
export async function checkLostAnswers(scratch: Scratch, transport: LossyTransport): Promise<Finding> {
  let applied = 0;
  let rounds = 0;
  for (const via of viasOf(scratch)) {
    const table = await scratch.table();
    const made: bigint[] = [];
    const startMs = scratch.clock.monotonicMs();
    made.push(await scratch.append(table, via));
    const commitMs = Math.max(2, scratch.clock.monotonicMs() - startMs);
    for (let n = 0; n < ROUNDS && !scratch.signal.aborted; n++) {
      // Closed at moments over the whole commit.
      const midway: Loss = { kind: "midway", ms: Math.max(1, Math.round((commitMs * (n + 1)) / ROUNDS)) };
      const change = scratch.change(table, await scratch.load(table));
      const problem = await lose(scratch, { transport, loss: n % 3 === 0 ? { kind: "after" } : midway, via, change });
      if (problem === "applied") applied++;
      else if (problem !== undefined) return { status: "no", details: `${via} commit: ${problem}` };
      rounds++;
      const id = snapshotIdOf(change);
      const outcome = await settle(scratch, { table, change, via });
      if (outcome !== "applied") return { status: "no", details: `${via} commit: ${outcome}` };
      made.push(id);
    }
    const { snapshots, currentSnapshotId } = await scratch.load(table);
    const found = snapshots.map(({ id }) => id);
    if (new Set(found).size !== found.length) return { status: "no", details: `a ${via} commit is applied twice` };
    if (currentSnapshotId !== made.at(-1)) return { status: "no", details: `a ${via} commit is not the newest one` };
  }
  const outcome = `${applied} had been applied, ${rounds - applied} not`;
  return { status: "yes", details: `${rounds} answers dropped: ${outcome}; each was found out, none applied twice` };
}

/** Returns `applied`, undefined if it is not applied, or what is wrong. */
async function lose(
  scratch: Scratch,
  { transport, loss, via, change }: { transport: LossyTransport; loss: Loss; via: Via; change: TableChange },
): Promise<string | undefined> {
  const droppedStatus = transport.lose(loss);
  try {
    await scratch.commit([change], via, scratch.lossy);
    return "the answer could not be dropped";
  } catch (error) {
    // Closed before there was a connection, the commit was not even sent.
    if (!(error instanceof CatalogError) || error.httpStatus !== undefined) throw error;
  }
  const isThere = await holds(scratch, change.identifier, snapshotIdOf(change));
  const status = droppedStatus();
  if (status !== undefined && status < 300 && !isThere) return "acknowledged, and its snapshot is not there";
  return isThere ? "applied" : undefined;
}

interface Unsettled {
  table: TableIdentifier;
  change: TableChange;
  via: Via;
}

async function settle(scratch: Scratch, { table, change, via }: Unsettled): Promise<string> {
  for (let n = 0; n < ATTEMPTS_MAX; n++) {
    try {
      await scratch.commit([change], via);
      // An acknowledged commit is there.
      return (await holds(scratch, table, snapshotIdOf(change))) ? "applied" : "acknowledged, and not there";
    } catch (error) {
      if (isConflict(error)) {
        if (await holds(scratch, table, snapshotIdOf(change))) return "applied";
        return "answered with 409 although no other writer is there, and not applied";
      }
      if (!isUnknown(error)) throw error;
    }
    await scratch.clock.sleep(PAUSE_MS, scratch.signal);
  }
  return `no definite answer to ${ATTEMPTS_MAX} repetitions`;
}
