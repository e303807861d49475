import type { BigIntStats, Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ListOptions, SkippedCause } from "../blob-store.ts";
import { isFileNameOf, readName, type NameRead } from "./names.ts";
import { TEMPORARY_FOLDER } from "./temporary.ts";
import { compareKeys } from "../keys.ts";

/** Concurrent lstat calls. */
const STATS_AT_ONCE = 32;

export interface FileFound {
  key: string;
  stats: BigIntStats;
}

export interface FolderListing extends ListOptions {
  /** Every listed key starts with it. */
  prefix: string;
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
  const found = await entriesOf(folder, { folderKey, place: "", segment: "" }, want);
  const entries = found.filter((entry) => isWanted(entry, want)).sort(inKeyOrder);
  let files: Entry[] = [];
  for (const [i, entry] of entries.entries()) {
    want.signal?.throwIfAborted();
    if (entry.isFolder) {
      yield* statAll(files, want);
      files = [];
      if (isUnreadable(entry.key) && !(await lstat(entry.path).catch(ignoreVanished))) {
        want.onSkipped?.(entry.key, "name");
        continue;
      }
      yield* listFolder(entry.path, entry.key, want);
    } else if (entry.key !== entries[i - 1]?.key) {
      files.push(entry);
      if (files.length < STATS_AT_ONCE) continue;
      yield* statAll(files, want);
      files = [];
    }
  }
  yield* statAll(files, want);
}

const isWanted = ({ key, isFolder }: Entry, { prefix }: FolderListing): boolean =>
  key.startsWith(prefix) || (isFolder && prefix.startsWith(key));

/** A file at its plain path sorts before a leftover copy at its aside path, which the listing then skips. */
const inKeyOrder = (a: Entry, b: Entry): number => compareKeys(a.key, b.key) || Number(a.aside) - Number(b.aside);

/** The name has bytes that are not UTF-8, if it leads to no file: Node shows them as U+FFFD. */
const isUnreadable = (key: string): boolean => key.includes("\ufffd");

async function* statAll(files: Entry[], want: FolderListing): AsyncGenerator<FileFound> {
  const found = await Promise.all(files.map(({ path }) => lstat(path, { bigint: true }).catch(ignoreVanished)));
  for (const [i, { key }] of files.entries()) {
    const stats = found[i];
    if (stats?.isFile()) yield { key, stats };
    else if (!stats && isUnreadable(key)) want.onSkipped?.(key, "name");
  }
}

/** Where in a folder of the store the entries are: the name read so far, in pieces for a long one. */
interface Begun {
  folderKey: string;
  place: string;
  segment: string;
}

/** The entries of a folder. Recurses into the folders of split long names. */
async function entriesOf(folder: string, begun: Begun, want: FolderListing): Promise<Entry[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch(ignoreVanished);
  const entries: Entry[] = [];
  for (const file of found ?? []) {
    const isFolder = file.isDirectory();
    const name = readName(file.name);
    const path = join(folder, file.name);
    const place = begun.place + file.name;
    const segment = begun.segment + (name?.text ?? file.name);
    const key = begun.folderKey + segment + (isFolder ? "/" : "");
    if (name?.kind === "continued" && isFolder) {
      for (const entry of await entriesOf(path, { ...begun, place: `${place}/`, segment }, want)) entries.push(entry);
    } else if (name?.kind === "name" && (file.isFile() || isFolder) && isFileNameOf(segment, place, name.aside)) {
      entries.push({ key, path, isFolder, aside: name.aside });
    } else if (key !== `${TEMPORARY_FOLDER}/` && key.startsWith(want.prefix)) {
      want.onSkipped?.(name ? begun.folderKey + place : key, causeOf(file, name));
    }
  }
  return entries;
}

function causeOf(file: Dirent, name: NameRead | undefined): SkippedCause {
  if (!name) return "hidden";
  if (file.isSymbolicLink()) return "link";
  return file.isFile() || file.isDirectory() ? "name" : "special";
}

function ignoreVanished(error: unknown): undefined {
  if (!["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
}
