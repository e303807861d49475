import type { BigIntStats } from "node:fs";
import type { BlobInfo } from "../blob-store.ts";

/**
 * A replaced file has a different inode; a file rewritten in place has a different time or size. If both were
 * put back, the time of the last change of its state, which no program can set, is different.
 */
export function infoOf(key: string, stats: BigIntStats): BlobInfo {
  const etag = [stats.size, stats.mtimeNs, stats.ino].map((fact) => fact.toString(36)).join("-");
  const modifiedAtMs = Number(stats.mtimeNs / 1_000_000n);
  return { key, sizeBytes: Number(stats.size), etag, modifiedAtMs, revision: stats.ctimeNs.toString(36) };
}
