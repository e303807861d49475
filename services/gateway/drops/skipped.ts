import type { SkippedCause } from "../../../lib/blob/blob-store.ts";

/** Why an object is not ingested. In metrics: `reason`. */
export type SkipKind =
  /** The object is in no table's folder, or the folder gives no table name. */
  | "folder"
  /** The name's ending is of no supported format. */
  | "format"
  | "name"
  /** Another object is the same file of the same table. */
  | "duplicate"
  | "link"
  | "special"
  | "hidden"
  /** The name is that of an unfinished or temporary file. */
  | "unfinished"
  /** Reading or storing it failed. */
  | "failed";

export const SKIP_KINDS: readonly SkipKind[] = [
  ...(["folder", "format", "name", "duplicate", "link", "special"] as const),
  ...(["hidden", "unfinished", "failed"] as const),
];

/** Kinds that somebody has probably chosen, such as `.gitkeep`. */
export const ON_PURPOSE: ReadonlySet<SkipKind> = new Set<SkipKind>(["hidden", "unfinished"]);

export interface SkippedObject {
  key: string;
  kind: SkipKind;
  /** With the remedy. */
  reason: string;
}

/** For entries that are no objects. */
export const CAUSES: Record<SkippedCause, string> = {
  hidden: "a name that begins with a dot is hidden: rename it to have it loaded",
  link: "symbolic links are not followed: put the file itself into the folder",
  special: "it is not a regular file: put a regular file there",
  name: "its name is not UTF-8, or begins with %%, %+ or %=: rename it",
};

/** Skipped objects in memory, so that each is logged once; beyond, they are only counted. */
const KEPT_MAX = 10_000;
/** Objects of each list in the published state. */
const SHOWN_MAX = 50;

export interface SkippedSummary {
  /** Objects that somebody should see to. */
  unfit: SkippedObject[];
  unfitCount: number;
  /** Hidden and unfinished objects. */
  ignored: SkippedObject[];
  ignoredCount: number;
}

/** Objects that are not ingested, until a listing lacks them. */
export class SkippedObjects {
  readonly #objects = new Map<string, SkippedObject & { listing: number }>();
  /** Of the current listing, without those in `#objects`. */
  readonly #beyond = new Map<SkipKind, number>();

  /** Begins a listing: what is not noted in it is forgotten at its end. */
  begin(): void {
    this.#beyond.clear();
  }

  /** Returns whether the object is new here. */
  note(object: SkippedObject, listing: number): boolean {
    const known = this.#objects.get(object.key);
    if (!known && this.#objects.size >= KEPT_MAX) {
      this.#beyond.set(object.kind, (this.#beyond.get(object.kind) ?? 0) + 1);
      return false;
    }
    this.#objects.set(object.key, { ...object, listing });
    return known?.kind !== object.kind;
  }

  forget(key: string): void {
    this.#objects.delete(key);
  }

  /** Forgets the objects that this listing did not note. */
  keepSince(listing: number): void {
    for (const [key, one] of this.#objects) if (one.listing < listing) this.#objects.delete(key);
  }

  counts(): Map<SkipKind, number> {
    const counts = new Map(SKIP_KINDS.map((kind) => [kind, this.#beyond.get(kind) ?? 0]));
    for (const { kind } of this.#objects.values()) counts.set(kind, counts.get(kind)! + 1);
    return counts;
  }

  summary(): SkippedSummary {
    const all = [...this.#objects.values()].map(({ key, kind, reason }) => ({ key, kind, reason }));
    const counts = this.counts();
    const countOf = (onPurpose: boolean): number =>
      [...counts].reduce((sum, [kind, count]) => sum + (ON_PURPOSE.has(kind) === onPurpose ? count : 0), 0);
    return {
      unfit: all.filter(({ kind }) => !ON_PURPOSE.has(kind)).slice(0, SHOWN_MAX),
      unfitCount: countOf(false),
      ignored: all.filter(({ kind }) => ON_PURPOSE.has(kind)).slice(0, SHOWN_MAX),
      ignoredCount: countOf(true),
    };
  }
}
