import { statfsSync } from "node:fs";
import type { RootDatabase } from "lmdb";

/** Free bytes of the volume of a folder, for a process without privileges. */
export type DiskFreeBytes = (folder: string) => number;

export const diskFreeBytesOf: DiskFreeBytes = (folder) => {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
};

/** What LMDB reports of one database. lmdb declares it as an empty object. */
interface TreeStats {
  pageSize: number;
  treeBranchPageCount: number;
  treeLeafPageCount: number;
  overflowPages: number;
}

interface RootStats extends TreeStats {
  /** Last page of the file that was ever used. */
  lastPageNumber: number;
  /** The list of free pages, itself kept in pages. */
  free: TreeStats;
}

/** The pages at the start of the file that describe the environment. */
const META_PAGES = 2;

const pagesOf = (stats: TreeStats): number => stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;

/**
 * Bytes of the pages in the file that no database uses. `databases`: all of the environment besides the root.
 */
export function reusableBytes(root: RootDatabase, databases: readonly { getStats(): object }[]): number {
  const stats = root.getStats() as RootStats;
  const used = [stats, stats.free, ...databases.map((one) => one.getStats() as TreeStats)].map(pagesOf);
  const pages = stats.lastPageNumber + 1 - META_PAGES - used.reduce((sum, count) => sum + count, 0);
  return Math.max(0, pages) * stats.pageSize;
}
