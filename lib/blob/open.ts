import { systemClock, type Clock } from "../clock.ts";
import { TributaryError } from "../errors.ts";
import type { BlobStore } from "./blob-store.ts";
import type { S3Options } from "./s3/s3-store.ts";

export interface BlobStoreOptions {
  /** For `s3:` URLs. Options in the URL take precedence. */
  s3?: S3Options;
  clock?: Clock;
}

/**
 * Opens the store named by a URL: `file:<folder>` (created if missing) or
 * `s3://bucket[/prefix][?endpoint=http://host:port&region=…&pathStyle=true]`. Opening an S3 store sends no
 * request; call `ready` to test it.
 * @throws URL_SCHEME_UNKNOWN for any other scheme, CONFIG_INVALID for a URL without its bucket or folder
 */
export async function openBlobStore(url: string, options: BlobStoreOptions = {}): Promise<BlobStore> {
  const clock = options.clock ?? systemClock;
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === "file") return (await import("./file/file-store.ts")).openFileStore(url, clock);
  if (scheme === "s3") return (await import("./s3/s3-store.ts")).openS3Store(url, clock, options.s3);
  throw new TributaryError(
    "URL_SCHEME_UNKNOWN",
    `invalid blob store '${url}': use file:<folder> or s3://bucket/prefix`,
  );
}
