import type { BlobInfo } from "../../../lib/blob/blob-store.ts";
import { isSame } from "./task.ts";

interface Failure {
  version: BlobInfo;
  failures: number;
  /** Monotonic; Infinity: not before the object changes. */
  retryAtMs: number;
  listing: number;
  reason: string;
}

/** The same bytes, and not written again: that may have corrected the object's Content-Type. */
const isUnchanged = (a: BlobInfo, b: BlobInfo): boolean => isSame(a, b) && a.modifiedAtMs === b.modifiedAtMs;

const BACKOFF_MS_MIN = 1_000;
const BACKOFF_MS_MAX = 60_000;

export const backoffMs = (failures: number): number => Math.min(BACKOFF_MS_MIN * 2 ** (failures - 1), BACKOFF_MS_MAX);

/** Object versions whose ingest failed, until it succeeds or a listing lacks the object. */
export class FailedVersions {
  readonly #failed = new Map<string, Failure>();

  /** The failure of this version, while it is not to be tried again. */
  pending(version: BlobInfo, nowMs: number, listing: number): Failure | undefined {
    const failure = this.#failed.get(version.key);
    if (!failure) return undefined;
    failure.listing = listing;
    return isUnchanged(failure.version, version) && nowMs < failure.retryAtMs ? failure : undefined;
  }

  /** Adds a failure. Returns how often this version has failed. */
  add(version: BlobInfo, why: Pick<Failure, "listing" | "reason"> & { retries: boolean; nowMs: number }): number {
    const before = this.#failed.get(version.key);
    const failures = before && isSame(before.version, version) ? before.failures + 1 : 1;
    const retryAtMs = why.retries ? why.nowMs + backoffMs(failures) : Infinity;
    this.#failed.set(version.key, { version, failures, retryAtMs, listing: why.listing, reason: why.reason });
    return failures;
  }

  delete(key: string): void {
    this.#failed.delete(key);
  }

  /** Forgets the objects that this listing lacks, but those in `busy`. */
  keepSince(listing: number, busy: ReadonlySet<string>): void {
    for (const [key, one] of this.#failed) if (one.listing !== listing && !busy.has(key)) this.#failed.delete(key);
  }
}
