import type { HeldFolder } from "./deletions.ts";

/** What the watcher tells all gateways. */
export interface DropState {
  /** Deletions that wait for a confirmation. */
  held: HeldFolder[];
  /** Objects that cannot be ingested: the first UNFIT_SHOWN_MAX of them. */
  unfit: { key: string; reason: string }[];
  unfitCount: number;
  /** Offset of the newest confirmation that the watcher has applied. */
  confirmedUpTo: number;
}

const UNFIT_SHOWN_MAX = 50;
/** Unfit keys in memory, so that each is logged once. */
const UNFIT_MAX = 10_000;

const EMPTY: DropState = { held: [], unfit: [], unfitCount: 0, confirmedUpTo: -1 };

/** Only the watcher writes this text; one that cannot be read is no state. */
export function readState(json: string | undefined): DropState {
  if (json === undefined) return EMPTY;
  try {
    return { ...EMPTY, ...(JSON.parse(json) as Partial<DropState>) };
  } catch {
    return EMPTY;
  }
}

/** Objects that cannot be ingested, until a listing lacks them. */
export class UnfitObjects {
  readonly #objects = new Map<string, { reason: string; listing: number }>();

  /** Returns whether the object is new here. */
  note(key: string, reason: string, listing: number): boolean {
    const isNew = !this.#objects.has(key);
    if (isNew && this.#objects.size >= UNFIT_MAX) this.#objects.clear();
    this.#objects.set(key, { reason, listing });
    return isNew;
  }

  /** Forgets the objects that this listing did not note. */
  keepSince(listing: number): void {
    for (const [key, one] of this.#objects) if (one.listing < listing) this.#objects.delete(key);
  }

  summary(): Pick<DropState, "unfit" | "unfitCount"> {
    const shown = [...this.#objects].slice(0, UNFIT_SHOWN_MAX);
    return { unfit: shown.map(([key, { reason }]) => ({ key, reason })), unfitCount: this.#objects.size };
  }
}
