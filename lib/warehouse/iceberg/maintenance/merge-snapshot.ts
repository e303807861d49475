import { randomUUID } from "node:crypto";
import type { Buckets } from "../tables/buckets.ts";
import type { AvroRecord } from "../manifests/avro-file.ts";
import { encodedList, writeManifest, writeManifestList } from "../manifests/manifests.ts";
import type { Entry, Manifest, NewManifest, NewSnapshotPlace } from "../manifests/manifests.ts";
import type { Contents } from "./rewrite-files.ts";

/** A manifest of at least this size is kept as it is if all its files stay. */
const CARRIED_BYTES_MIN = 4 * 1024 * 1024;

/** The snapshot that a compaction makes. */
export interface MergeOf {
  buckets: Buckets;
  /** Of the snapshot that was compacted. */
  manifests: readonly Manifest[];
  /** The files that go. */
  gone: ReadonlySet<Entry>;
  /** The files with the rows of the data files that go. */
  added: readonly FilesLike[];
}

/** Files, and what a manifest that lists them is like. */
export type FilesLike = Pick<Manifest, "specId" | "isData" | "sequenceNumber" | "metadata" | "entries">;

/**
 * Writes the manifests and the manifest list of a snapshot that has the written files instead of those that
 * go. Files that stay keep their sequence numbers, and the snapshot that has added them. Small manifests
 * become one, so that a reader has few to read.
 */
export async function mergeSnapshot(
  { buckets, manifests, gone, added }: MergeOf,
  ids: Omit<NewSnapshotPlace, "buckets">,
): Promise<Contents> {
  const place = { ...ids, buckets };
  const carried = manifests.filter((one) => isCarried(one, gone));
  const others = manifests.filter((one) => !isCarried(one, gone));
  const fresh = grouped(added).map(([like, entries]): NewManifest => {
    return { like, added: entries, existing: [], deleted: [] };
  });
  const kept = grouped(others).map(([like, entries]): NewManifest => {
    const [deleted, existing] = [entries.filter((one) => gone.has(one)), entries.filter((one) => !gone.has(one))];
    return { like, added: [], existing, deleted };
  });
  const unique = randomUUID();
  const listed: AvroRecord[] = carried.map((one) => one.listed);
  for (const [index, one] of [...kept, ...fresh].entries())
    listed.push(await writeManifest(place, `${unique}-m${index}.avro`, one));
  const manifestList = await writeManifestList(place, `snap-${place.snapshotId}-0-${unique}.avro`, encodedList(listed));
  const before = manifests.flatMap(({ entries }) => entries);
  const after = added.flatMap(({ entries }) => entries);
  return { manifestList, summary: summaryOf(before, gone, after) };
}

const isCarried = ({ entries, listed }: Manifest, gone: ReadonlySet<Entry>): boolean =>
  Number(listed["f501"]) >= CARRIED_BYTES_MIN && !entries.some((one) => gone.has(one));

/**
 * The entries of manifests that can be one: of one partition spec, one kind and one Avro schema. The first of
 * each pair is the newest of them.
 */
function grouped(manifests: readonly FilesLike[]): [FilesLike, Entry[]][] {
  const groups = new Map<string, [FilesLike, Entry[]]>();
  for (const one of manifests) {
    if (one.entries.length === 0) continue;
    const key = JSON.stringify([one.specId, one.isData, String(one.metadata["avro.schema"])]);
    const [like, entries] = groups.get(key) ?? [one, []];
    groups.set(key, [like.sequenceNumber > one.sequenceNumber ? like : one, [...entries, ...one.entries]]);
  }
  return [...groups.values()];
}

function summaryOf(
  before: readonly Entry[],
  gone: ReadonlySet<Entry>,
  added: readonly Entry[],
): Record<string, string> {
  const after = [...before.filter((one) => !gone.has(one)), ...added];
  const data = (entries: Iterable<Entry>): Entry[] => [...entries].filter(({ isData }) => isData);
  const deletes = (entries: Iterable<Entry>): Entry[] => [...entries].filter(({ isData }) => !isData);
  const rows = (entries: readonly Entry[]): number => entries.reduce((sum, one) => sum + one.rows, 0);
  const counts = {
    "added-data-files": added.length,
    "deleted-data-files": data(gone).length,
    "added-records": rows(added),
    "deleted-records": rows(data(gone)),
    "removed-delete-files": deletes(gone).length,
    "removed-position-deletes": rows(deletes(gone)),
    "total-data-files": data(after).length,
    "total-delete-files": deletes(after).length,
    "total-position-deletes": rows(deletes(after)),
    "total-records": rows(data(after)),
  };
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, String(count)]));
}
