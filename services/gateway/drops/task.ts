import type { BlobInfo } from "../../../lib/blob/blob-store.ts";

/** An object version to ingest, or a deletion. */
export interface Task {
  table: string;
  sourceFile: string;
  key: string;
  version: BlobInfo | "gone";
  /** The version's id, from what the memory knew when it found the version. */
  fileId: string;
  /** The version before; if the memory has another one by now, the task is out of date. */
  before: string | undefined;
}

/** What tells versions of an object apart. */
type VersionFacts = Pick<BlobInfo, "etag" | "sizeBytes" | "revision">;

/** Without a revision the etag decides: object stores have none, and earlier versions recorded none. */
export const isSame = (a: VersionFacts, b: VersionFacts): boolean =>
  a.etag === b.etag && a.sizeBytes === b.sizeBytes && (!a.revision || !b.revision || a.revision === b.revision);

/**
 * Oldest first, so that the newest of several files with the same primary key wins; then by name; deletions
 * last.
 */
export function byAge(a: Task, b: Task): number {
  const ageOf = ({ version }: Task): number => (version === "gone" ? Infinity : version.modifiedAtMs);
  if (ageOf(a) !== ageOf(b)) return ageOf(a) < ageOf(b) ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}
