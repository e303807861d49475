import type { BigIntStats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isFileNameOf, readName } from "./names.ts";
import { compareKeys } from "../keys.ts";

/** Concurrent lstat calls. */
const STATS_AT_ONCE = 32;

export interface FileFound {
  key: string;
  stats: BigIntStats;
}

export interface FolderListing {
  /** Every listed key starts with it. */
  prefix: string;
  signal?: AbortSignal;
}

interface Entry {
  /** Ends with `/` for a folder, so that sorting entries sorts the keys inside them. */
  key: string;
  path: string;
  isFolder: boolean;
  aside: boolean;
}

/**
 * Every regular file below a folder, in the byte order of the keys. Memory holds only the names in the
 * current folder and its ancestors. Files deleted during the listing are omitted.
 */
export async function* listFolder(folder: string, folderKey: string, want: FolderListing): AsyncGenerator<FileFound> {
  const entries = (await entriesOf(folder, folderKey)).filter((entry) => isWanted(entry, want)).sort(inKeyOrder);
  let files: Entry[] = [];
  for (const [i, entry] of entries.entries()) {
    want.signal?.throwIfAborted();
    if (entry.isFolder) {
      yield* statAll(files);
      files = [];
      yield* listFolder(entry.path, entry.key, want);
    } else if (entry.key !== entries[i - 1]?.key) {
      files.push(entry);
      if (files.length < STATS_AT_ONCE) continue;
      yield* statAll(files);
      files = [];
    }
  }
  yield* statAll(files);
}

const isWanted = ({ key, isFolder }: Entry, { prefix }: FolderListing): boolean =>
  key.startsWith(prefix) || (isFolder && prefix.startsWith(key));

/** A file at its plain path sorts before a leftover copy at its aside path, which the listing then skips. */
const inKeyOrder = (a: Entry, b: Entry): number => compareKeys(a.key, b.key) || Number(a.aside) - Number(b.aside);

async function* statAll(files: Entry[]): AsyncGenerator<FileFound> {
  const found = await Promise.all(files.map(({ path }) => lstat(path, { bigint: true }).catch(ignoreVanished)));
  for (const [i, { key }] of files.entries()) {
    const stats = found[i];
    if (stats?.isFile()) yield { key, stats };
  }
}

/**
 * The entries of a folder. Recurses into the folders of split long names; `begun` is the name read so far.
 */
async function entriesOf(folder: string, folderKey: string, begun = { place: "", segment: "" }): Promise<Entry[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch(ignoreVanished);
  const entries: Entry[] = [];
  for (const file of found ?? []) {
    const name = readName(file.name);
    if (!name) continue;
    const path = join(folder, file.name);
    const place = begun.place + file.name;
    const segment = begun.segment + name.text;
    if (name.kind === "continued") {
      const more = file.isDirectory() ? await entriesOf(path, folderKey, { place: `${place}/`, segment }) : [];
      for (const entry of more) entries.push(entry);
    } else if ((file.isFile() || file.isDirectory()) && isFileNameOf(segment, place, name.aside)) {
      const isFolder = file.isDirectory();
      entries.push({ key: folderKey + segment + (isFolder ? "/" : ""), path, isFolder, aside: name.aside });
    }
  }
  return entries;
}

function ignoreVanished(error: unknown): undefined {
  if (!["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
}
