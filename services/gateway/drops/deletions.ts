/** Deletions that wait for an operator's confirmation. */
export interface HeldFolder {
  /** The folder, with its final slash; empty: the whole store. */
  folder: string;
  /** Known objects of the folder that are missing, without those of its own held folders. */
  missing: number;
  /** Known objects of the folder. */
  known: number;
}

export interface Brake {
  held: HeldFolder[];
  /** The folder that holds the key's deletion; undefined: the deletion may take place. */
  folderOf(key: string): string | undefined;
}

/** A single missing object is a deletion. From two on, the share of the folder decides. */
const MISSING_MIN = 2;

/**
 * Holds deletions in folders where more than `percentMax` of the known objects are missing at once: a
 * volume that is not mounted, a prefix that may not be listed or a mistaken command look like that. The
 * deepest such folder holds its objects; they no longer count for the folders above.
 */
export function brake(known: Iterable<string>, missing: ReadonlySet<string>, percentMax: number): Brake {
  if (missing.size < MISSING_MIN || percentMax >= 100) return { held: [], folderOf: () => undefined };
  const counts = new Map<string, { known: number; missing: number }>();
  const count = (key: string, field: "known" | "missing", by: number): void => {
    for (const folder of foldersOf(key)) {
      const one = counts.get(folder) ?? { known: 0, missing: 0 };
      one[field] += by;
      counts.set(folder, one);
    }
  };
  for (const key of known) count(key, "known", 1);
  for (const key of missing) count(key, "missing", 1);
  const holders = new Map<string, string>();
  const held: HeldFolder[] = [];
  const deepestFirst = [...counts.keys()].toSorted((a, b) => depthOf(b) - depthOf(a) || (a < b ? -1 : 1));
  for (const folder of deepestFirst) {
    const { known: all, missing: gone } = counts.get(folder)!;
    if (gone < MISSING_MIN || gone * 100 <= all * percentMax) continue;
    held.push({ folder, missing: gone, known: all });
    for (const key of missing) {
      if (!key.startsWith(folder) || holders.has(key)) continue;
      holders.set(key, folder);
      count(key, "missing", -1);
    }
  }
  return { held, folderOf: (key) => holders.get(key) };
}

/** All folders of a key, the store itself first. */
function foldersOf(key: string): string[] {
  const folders = [""];
  for (let at = key.indexOf("/"); at >= 0; at = key.indexOf("/", at + 1)) folders.push(key.slice(0, at + 1));
  return folders;
}

const depthOf = (folder: string): number => folder.split("/").length;

/** Finds the deletions among known keys, listing by listing. */
export class Deletions {
  readonly #percentMax: number;
  readonly #settleMs: number;
  /** Known keys that the last complete listing lacked, and since when (monotonic). */
  #missing = new Map<string, number>();
  /** Missing keys whose deletion an operator has confirmed. */
  #confirmed = new Set<string>();
  #brake: Brake = { held: [], folderOf: () => undefined };

  constructor({ percentMax, settleMs }: { percentMax: number; settleMs: number }) {
    this.#percentMax = percentMax;
    this.#settleMs = settleMs;
  }

  get held(): readonly HeldFolder[] {
    return this.#brake.held;
  }

  /**
   * The keys that this and the previous listing lacked (in a folder: for `settleMs`) and that are not held.
   * `nowMs` is monotonic.
   */
  after(known: ReadonlyMap<string, unknown>, seen: ReadonlySet<string>, nowMs: number): string[] {
    const missing = new Map<string, number>();
    for (const key of known.keys()) if (!seen.has(key)) missing.set(key, this.#missing.get(key) ?? nowMs);
    const due = [...missing].flatMap(([key, sinceMs]) =>
      this.#missing.has(key) && nowMs - sinceMs >= this.#settleMs ? [key] : [],
    );
    this.#missing = missing;
    this.#confirmed = new Set([...this.#confirmed].filter((key) => missing.has(key)));
    const unconfirmed = new Set([...missing.keys()].filter((key) => !this.#confirmed.has(key)));
    this.#brake = brake(known.keys(), unconfirmed, this.#percentMax);
    return due.filter((key) => this.#brake.folderOf(key) === undefined);
  }

  /** Releases what is held of the folder, if it is at most `missing` objects. Returns whether it did. */
  confirm(folder: string, missing: number): boolean {
    const held = this.#brake.held.find((one) => one.folder === folder);
    if (!held || held.missing > missing) return false;
    for (const key of this.#missing.keys()) if (this.#brake.folderOf(key) === folder) this.#confirmed.add(key);
    return true;
  }
}
