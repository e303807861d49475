import type { HeldFolder } from "./deletions.ts";
import type { SkippedObject, SkippedSummary } from "./skipped.ts";

/** What the watcher tells all gateways. */
export interface DropState extends SkippedSummary {
  /** Deletions that wait for a confirmation. */
  held: HeldFolder[];
  /** Why the store cannot be listed; null: it can. */
  fault: string | null;
  /** Offset of the newest confirmation that the watcher has applied. */
  confirmedUpTo: number;
}

const EMPTY: DropState = {
  held: [],
  unfit: [],
  unfitCount: 0,
  ignored: [],
  ignoredCount: 0,
  fault: null,
  confirmedUpTo: -1,
};

/** Only a watcher writes this text, also one of an older version; text that cannot be read is no state. */
export function readState(json: string | undefined): DropState {
  if (json === undefined) return EMPTY;
  try {
    const state = { ...EMPTY, ...(JSON.parse(json) as Partial<DropState>) };
    // Older versions published no kind.
    const unfit = state.unfit.map((one: Omit<SkippedObject, "kind">): SkippedObject => ({ kind: "name", ...one }));
    return { ...state, unfit };
  } catch {
    return EMPTY;
  }
}
