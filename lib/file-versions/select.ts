import { contentOf, isRepetition, versionOf, type VersionEvent } from "../messages/repetition.ts";
import type { WriteMode } from "../warehouse/warehouse.ts";

/** Selects past file events to publish again. Bounds are inclusive; an undefined one does not limit. */
export interface ReplayRange {
  fromOffset?: number;
  toOffset?: number;
  fromMs?: number;
  toMs?: number;
  /** Start at the first event of this source file. */
  fromFile?: string;
  /** Only this source file. */
  onlyFile?: string;
}

/** Sorts corrections to the position of the version they correct. */
const byVersion = (a: VersionEvent, b: VersionEvent): number => versionOf(a) - versionOf(b) || a.offset - b.offset;

/**
 * The events to publish again, oldest version first. Skips repetitions, because their originals are
 * selected. A replace table needs only the newest version of each file. Upsert and append tables need every
 * version in order to reach the same contents.
 */
export function selectReplays(past: readonly VersionEvent[], mode: WriteMode, range: ReplayRange): VersionEvent[] {
  const originals = past.filter((item) => !isRepetition(item)).sort(byVersion);
  const first =
    range.fromFile === undefined ? 0 : originals.findIndex(({ event }) => event.sourceFile === range.fromFile);
  if (first < 0) return [];
  const chosen = originals
    .slice(first)
    .filter(({ offset }) => offset >= (range.fromOffset ?? 0) && offset <= (range.toOffset ?? Infinity))
    .filter(
      ({ event }) =>
        event.receivedAtMs >= (range.fromMs ?? -Infinity) && event.receivedAtMs <= (range.toMs ?? Infinity),
    )
    .filter(({ event }) => range.onlyFile === undefined || event.sourceFile === range.onlyFile);
  if (mode !== "replace") return chosen;
  const newest = new Map(chosen.map((item) => [item.event.sourceFile, item.offset]));
  return chosen.filter(({ offset, event }) => newest.get(event.sourceFile) === offset);
}

/**
 * The events to publish again to retry rejected rows, oldest first: the last attempt of each file (in append
 * tables of each version of a file), if `fileIds`, the file versions with rejects, includes it.
 */
export function selectRejected(
  past: readonly VersionEvent[],
  mode: WriteMode,
  fileIds: ReadonlySet<string>,
): VersionEvent[] {
  const attempts = new Map<string, VersionEvent>();
  for (const item of past.toSorted((a, b) => a.offset - b.offset)) {
    const { sourceFile, fileId, kind } = item.event;
    if (mode !== "append" && !fileIds.has(fileId)) continue;
    if (kind === "put") attempts.set(mode === "append" ? `${versionOf(item)} ${sourceFile}` : fileId, item);
  }
  return [...attempts.values()].filter(({ event }) => fileIds.has(event.fileId)).sort(byVersion);
}

/** Whether a version has the content of its file's newest version among `past`. */
export function newestIn(past: readonly VersionEvent[]): (item: VersionEvent) => boolean {
  const contents = new Map(past.toSorted(byVersion).map((item) => [item.event.sourceFile, contentOf(item)]));
  return (item) => contents.get(item.event.sourceFile) === contentOf(item);
}
