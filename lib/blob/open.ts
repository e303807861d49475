import { systemClock, type Clock } from "../clock.ts";
import { TributaryError } from "../errors.ts";
import type { BlobStore } from "./blob-store.ts";
import type { S3Options } from "./s3/s3-store.ts";

export interface BlobStoreOptions {
  /** For `s3:` URLs; what the URL itself says comes first. */
  s3?: S3Options;
  clock?: Clock;
}

/**
 * Opens the store that a URL names: `file:<folder>` (made if it is missing) or
 * `s3://bucket[/prefix][?endpoint=http://host:port&region=…&pathStyle=true]`. Opening an S3 store sends nothing; call `ready`.
 * @throws URL_SCHEME_UNKNOWN for any other scheme, CONFIG_INVALID for a URL that lacks its bucket or folder.
 */
export async function openBlobStore(url: string, options: BlobStoreOptions = {}): Promise<BlobStore> {
  const clock = options.clock ?? systemClock;
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === "file") return (await import("./file/file-store.ts")).openFileStore(url, clock);
  if (scheme === "s3") return (await import("./s3/s3-store.ts")).openS3Store(url, clock, options.s3);
  throw new TributaryError("URL_SCHEME_UNKNOWN", `no blob store for '${url}': use file:<folder> or s3://bucket/prefix`);
}
