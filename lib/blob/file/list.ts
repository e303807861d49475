import type { BigIntStats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isFileNameOf, readName } from "./names.ts";
import { compareKeys } from "../keys.ts";

/** Files looked at (lstat) together. */
const LOOKS_AT_ONCE = 32;

export interface FileFound {
  key: string;
  stats: BigIntStats;
}

export interface FolderListing {
  /** What every key begins with. */
  prefix: string;
  signal?: AbortSignal;
}

interface Entry {
  /** A folder's ends with `/`, as the keys in it go on; so sorting the entries sorts the keys. */
  key: string;
  path: string;
  isFolder: boolean;
  aside: boolean;
}

/**
 * Every regular file below a folder, in the order of the keys' bytes. In memory at a time: the names in the folders on the way to
 * the current file. What vanishes meanwhile is left out.
 */
export async function* listFolder(folder: string, folderKey: string, want: FolderListing): AsyncGenerator<FileFound> {
  const entries = (await entriesOf(folder, folderKey)).filter((entry) => isWanted(entry, want)).sort(inKeyOrder);
  let files: Entry[] = [];
  for (const [i, entry] of entries.entries()) {
    want.signal?.throwIfAborted();
    if (entry.isFolder) {
      yield* lookAt(files);
      files = [];
      yield* listFolder(entry.path, entry.key, want);
    } else if (entry.key !== entries[i - 1]?.key) {
      files.push(entry);
      if (files.length < LOOKS_AT_ONCE) continue;
      yield* lookAt(files);
      files = [];
    }
  }
  yield* lookAt(files);
}

const isWanted = ({ key, isFolder }: Entry, { prefix }: FolderListing): boolean =>
  key.startsWith(prefix) || (isFolder && prefix.startsWith(key));

/** A file that stands in its plain place comes before a leftover of it aside, which is then passed over. */
const inKeyOrder = (a: Entry, b: Entry): number => compareKeys(a.key, b.key) || Number(a.aside) - Number(b.aside);

async function* lookAt(files: Entry[]): AsyncGenerator<FileFound> {
  const looks = await Promise.all(files.map(({ path }) => lstat(path, { bigint: true }).catch(ignoreVanished)));
  for (const [i, { key }] of files.entries()) {
    const stats = looks[i];
    if (stats?.isFile()) yield { key, stats };
  }
}

/** What stands in a folder, the folders that long names are cut into included. `begun` is the name up to here, cut and whole. */
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
