import type { TableChange } from "../../catalog/commit.ts";
import type { TableIdentifier, TableMetadata } from "../../catalog/schemas.ts";
import type { Finding } from "../report.ts";
import type { Scratch, Via } from "../scratch.ts";
import { snapshotIdOf } from "../scratch-commit.ts";
import { isConflict, isUnknown } from "./commits.ts";

export interface RaceOptions {
  writers: number;
  /** Length of one race. */
  ms: number;
}

/** Enough to see losses, and few enough that the table's metadata stays small. */
const COMMITS_MAX = 400;

interface Tally {
  /** By table: snapshots whose commit was acknowledged. */
  acknowledged: Map<TableIdentifier, bigint[]>;
  /** Transactions, whatever their answer: one snapshot of each table. */
  together: bigint[][];
  acknowledgedCommits: number;
  refused: number;
  /** Commits without a definite answer: they may be there or not. */
  unknown: number;
}

/** Writers append to the tables until the time is over. Each commits to `targets` at once. */
async function race(
  scratch: Scratch,
  { ms }: RaceOptions,
  writers: readonly { targets: readonly TableIdentifier[]; via: Via }[],
): Promise<Tally> {
  const tables = new Set(writers.flatMap(({ targets }) => targets));
  const tally: Tally = {
    acknowledged: new Map([...tables].map((table) => [table, []])),
    together: [],
    acknowledgedCommits: 0,
    refused: 0,
    unknown: 0,
  };
  const endMs = scratch.clock.monotonicMs() + ms;
  const goesOn = (): boolean =>
    scratch.clock.monotonicMs() < endMs && tally.acknowledgedCommits < COMMITS_MAX && !scratch.signal.aborted;
  const write = async (targets: readonly TableIdentifier[], via: Via): Promise<void> => {
    while (goesOn()) {
      const bases = await Promise.all(targets.map((table) => scratch.load(table)));
      const changes = targets.map((table, n) => scratch.change(table, bases[n]!));
      await commitOnce(scratch, changes, { via, tally });
    }
  };
  await Promise.all(writers.map(({ targets, via }) => write(targets, via)));
  return tally;
}

async function commitOnce(
  scratch: Scratch,
  changes: readonly TableChange[],
  { via, tally }: { via: Via; tally: Tally },
): Promise<void> {
  if (changes.length > 1) tally.together.push(changes.map(snapshotIdOf));
  try {
    await scratch.commit(changes, via);
    tally.acknowledgedCommits++;
    for (const change of changes) tally.acknowledged.get(change.identifier)!.push(snapshotIdOf(change));
  } catch (error) {
    if (isConflict(error)) tally.refused++;
    else if (isUnknown(error)) tally.unknown++;
    else throw error;
  }
}

/** The snapshots from the current one back to the first. */
function chainOf({ snapshots, currentSnapshotId }: TableMetadata): Set<bigint> {
  const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]));
  const chain = new Set<bigint>();
  for (let id = currentSnapshotId; id !== undefined && !chain.has(id); id = byId.get(id)?.parentId) chain.add(id);
  return chain;
}

/**
 * Acknowledged commits on which the newest snapshot does not stand. A catalog without a history still tells
 * how many commits it applied: each has a sequence number.
 */
function lostOf(metadata: TableMetadata, acknowledged: readonly bigint[]): number {
  const chain = chainOf(metadata);
  const missing = acknowledged.filter((id) => !chain.has(id)).length;
  if (metadata.snapshots.length > 1 || acknowledged.length <= 1) return missing;
  return Math.max(0, acknowledged.length - metadata.lastSequenceNumber);
}

const countsOf = ({ acknowledgedCommits, refused, unknown }: Tally): string =>
  `${acknowledgedCommits} acknowledged, ${refused} refused with 409` +
  (unknown > 0 ? `, ${unknown} without a definite answer` : "");

/** Writers append to one table. */
export async function checkRace(scratch: Scratch, options: RaceOptions, via: Via): Promise<Finding> {
  if (via === "transaction" && !scratch.catalog.has("commitTransaction")) {
    return { status: "not offered", details: "no transactions" };
  }
  const table = await scratch.table();
  const writers = Array.from({ length: options.writers }, () => ({ targets: [table], via }));
  const tally = await race(scratch, options, writers);
  const lost = lostOf(await scratch.load(table), tally.acknowledged.get(table)!);
  const counts = `${options.writers} writers: ${countsOf(tally)}`;
  if (lost > 0) return { status: "no", details: `loses commits: ${lost} of ${counts}` };
  if (tally.acknowledgedCommits === 0 || tally.refused + tally.unknown === 0) {
    return { status: "unknown", details: `${counts}: the writers did not race; let them race longer` };
  }
  return { status: "yes", details: `${counts}, 0 lost` };
}

/** Transactions over two tables race with commits to each of them alone. */
export async function checkRaceOfTransactions(scratch: Scratch, options: RaceOptions): Promise<Finding> {
  if (!scratch.catalog.has("commitTransaction")) return { status: "not offered", details: "no transactions" };
  const [a, b] = [await scratch.table(), await scratch.table()];
  const pair = { targets: [a, b], via: "transaction" as const };
  const alone = [a, b].map((table) => ({ targets: [table], via: "table" as const }));
  const tally = await race(scratch, options, [pair, pair, ...alone]);
  const loaded = [await scratch.load(a), await scratch.load(b)];
  const lost = loaded.map((metadata, n) => lostOf(metadata, tally.acknowledged.get([a, b][n]!)!));
  const chains = loaded.map(chainOf);
  const torn = tally.together.filter((ids) => {
    const there = ids.filter((id, n) => chains[n]!.has(id)).length;
    return there > 0 && there < ids.length;
  }).length;
  const counts = countsOf(tally);
  const wrong = [
    ...(lost[0]! + lost[1]! > 0 ? [`${lost[0]! + lost[1]!} commits are lost`] : []),
    ...(torn > 0 ? [`${torn} transactions are in one of their two tables only`] : []),
  ];
  if (wrong.length > 0) return { status: "no", details: `${wrong.join(", ")} (${counts})` };
  return { status: "yes", details: `${counts}, 0 lost, 0 torn` };
}
