import type { Clock } from "../../../lib/clock.ts";
import type { Contract, Contracts } from "../../../lib/contract/contract.ts";
import { fileStateOf, type FileFacts } from "../files/status.ts";
import type { FileView } from "../files/view.ts";
import type { FileOrigin } from "../../../lib/messages/generated.ts";

/** A file whose bytes are stored and whose event is not published yet. */
export interface Arriving {
  fileId: string;
  table: string;
  sourceFile: string;
  origin: FileOrigin;
  contentHash: string;
  /** See `declaredBy`. */
  declared: string;
  /** The sender wants a new version even if nothing has changed. */
  again: boolean;
}

/** Finds the version that an arriving file repeats. */
export interface Repeats {
  /** Whether every version of the table's files adds its rows. */
  isAppend(table: string): boolean;
  /**
   * The version on record in memory that the file repeats: the one with its id, or the newest of its name if
   * that has the same content. Undefined: the file is a new version.
   *
   * A version that failed is not repeated, and `again` and a deletion make a new version. In an append table
   * every version adds its rows, so a repetition is always answered with the version that is there. In other
   * tables a second version changes nothing, so one is made whenever it could have another outcome: for
   * drops, after rejected rows, a replay or a change of the contract.
   */
  of(file: Arriving): { fileId: string; offset: number; sizeBytes: number } | undefined;
}

/** Contracts in memory, to notice changes. */
const CONTRACTS_MAX = 10_000;

export function findRepeats(view: FileView, contracts: Contracts, clock: Clock): Repeats {
  const startedAtMs = clock.nowMs();
  const known = new Map<string, { text: string; sinceMs: number }>();
  /** Since when this gateway knows the contract as it is. */
  const sinceMs = (contract: Contract): number => {
    const text = JSON.stringify(contract);
    const before = known.get(contract.table);
    if (before?.text === text) return before.sinceMs;
    if (known.size >= CONTRACTS_MAX) known.clear();
    const since = before ? clock.nowMs() : startedAtMs;
    known.set(contract.table, { text, sinceMs: since });
    return since;
  };
  return {
    isAppend: (table) => contracts.of(table).writeMode === "append",
    of(file) {
      const same = view.facts(file.fileId);
      if (same?.arrival) return versionOf(file.fileId, same);
      const contract = contracts.of(file.table);
      const contractSinceMs = sinceMs(contract);
      const newest = view.newest(file.table, file.sourceFile);
      const facts = newest && view.facts(newest.fileId);
      if (!facts || file.again || !hasContentOf(facts, file)) return undefined;
      if (contract.writeMode === "append") return versionOf(newest.fileId, facts);
      const isSettled = newest.repeatedAt < newest.offset && facts.arrival!.receivedAtMs >= contractSinceMs;
      const rejected = facts.ending?.outcome.rowsRejected ?? 0;
      return file.origin !== "drop" && isSettled && rejected === 0 ? versionOf(newest.fileId, facts) : undefined;
    },
  };
}

/** Whether the version has this content, and its rows are in the table or on their way. */
function hasContentOf(facts: FileFacts, { contentHash, declared }: Arriving): boolean {
  const { arrival } = facts;
  if (arrival?.kind !== "put" || ["failed", "rejected"].includes(fileStateOf(facts))) return false;
  return arrival.contentHash === contentHash && arrival.declared === declared;
}

const versionOf = (fileId: string, { arrival }: FileFacts) => ({
  fileId,
  offset: arrival!.offset,
  sizeBytes: arrival!.sizeBytes,
});
