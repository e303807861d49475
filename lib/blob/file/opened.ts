import { lstat, readlink, realpath, type FileHandle } from "node:fs/promises";
import { sep } from "node:path";

/**
 * Whether the open file is inside the root. A folder of its path may have been replaced by a link between the
 * check of the path and the opening.
 */
export async function isOpenedInside(handle: FileHandle, path: string, root: string): Promise<boolean> {
  const isInside = (place: string): boolean => place.startsWith(root === sep ? sep : root + sep);
  const opened = await readlink(`/proc/self/fd/${handle.fd}`).catch(() => undefined);
  if (opened !== undefined) return isInside(opened);
  // Without /proc: the path still leads to this file, and is inside the root.
  const file = await handle.stat({ bigint: true });
  const [now, place] = await Promise.all([
    lstat(path, { bigint: true }).catch(() => undefined),
    realpath(path).catch(() => undefined),
  ]);
  return now?.ino === file.ino && now.dev === file.dev && place !== undefined && isInside(place);
}
