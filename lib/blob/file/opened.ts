import { lstat, readlink, type FileHandle } from "node:fs/promises";
import { sep } from "node:path";

/**
 * Whether the open file is inside the root. A folder of its path may have been replaced by a link between the
 * check of the path and the opening. Undefined without /proc if the path still leads to this file: then the
 * caller checks the path again.
 */
export async function isOpenedInside(handle: FileHandle, path: string, root: string): Promise<boolean | undefined> {
  const opened = await readlink(`/proc/self/fd/${handle.fd}`).catch(() => undefined);
  if (opened !== undefined) return opened.startsWith(root === sep ? sep : root + sep);
  const file = await handle.stat({ bigint: true });
  const now = await lstat(path, { bigint: true }).catch(() => undefined);
  return now?.ino === file.ino && now.dev === file.dev ? undefined : false;
}
