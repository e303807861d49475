import { accessSync, constants, mkdirSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf, TributaryError } from "./errors.ts";

/**
 * Creates a data folder if it is missing. Returns its path without symbolic links.
 * @throws FOLDER_UNUSABLE if it cannot be created or written, DISK_FULL
 */
export function writableFolder(folder: string): string {
  try {
    makeFolder(folder);
    const path = realpathSync(folder);
    accessSync(path, constants.W_OK);
    return path;
  } catch (thrown) {
    const full = ["ENOSPC", "EDQUOT"].includes((thrown as NodeJS.ErrnoException).code ?? "");
    const what = full
      ? `no space for the folder ${folder}`
      : `cannot write to the folder ${folder}: ${messageOf(thrown)}`;
    throw new TributaryError(full ? "DISK_FULL" : "FOLDER_UNUSABLE", what, { cause: thrown });
  }
}

/**
 * Creates a folder and its missing parents. Node's own recursive mkdir never returns where a file system
 * answers ENOENT although the parent exists, such as /proc or a folder that was deleted.
 * @throws the error of the file system
 */
export function makeFolder(folder: string): void {
  if (isFolder(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  try {
    mkdirSync(folder);
  } catch (error) {
    // Another process may have created it in between.
    if (!isFolder(folder)) throw error;
  }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
