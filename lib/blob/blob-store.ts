import type { Readable } from "node:stream";

export interface BlobInfo {
  key: string;
  sizeBytes: number;
  /** Changes whenever the content does. */
  etag: string;
  modifiedAtMs: number;
  /**
   * In stores whose etag is made of facts, not of the content: changes also if another program writes other
   * bytes over the object and puts size and time back (`cp -p`, `rsync --inplace -t`), or only its state.
   */
  revision?: string;
  /**
   * The charset that the object's writer declared; in stores that keep one, and only from `get` of an object
   * that is not empty.
   */
  charset?: string;
}

/** Why a listing leaves out an entry that another program made. */
export type SkippedCause =
  /** Its name, or a folder's, begins with a dot. */
  | "hidden"
  | "link"
  /** A pipe, socket or device. */
  | "special"
  /** Its name is not UTF-8, or begins with marks of this store. */
  | "name";

export interface ListOptions {
  signal?: AbortSignal;
  /**
   * Called for each entry that is not an object; `key` is its path, with a final slash for a folder and
   * U+FFFD for bytes that are not UTF-8.
   */
  onSkipped?: (key: string, cause: SkippedCause) => void;
}

export interface PutOptions {
  /** Fail with BLOB_EXISTS if the key exists, and change nothing. */
  ifAbsent?: boolean;
  /** Expected length. A body of another length fails with UPLOAD_INCOMPLETE and stores nothing. */
  sizeBytes?: number;
  signal?: AbortSignal;
}

export interface GetOptions {
  /** Fail with BLOB_CHANGED if the object has a different etag. */
  ifMatch?: string;
  /** First byte, inclusive. Default 0. */
  start?: number;
  /** Last byte, exclusive. Default: the object's size. */
  end?: number;
  signal?: AbortSignal;
}

/**
 * A map from keys to bytes for raw files and staged files. Keys are relative Unicode paths with `/`. Keys
 * with `..`, empty segments, NUL, a leading `/` or more than 1024 bytes fail with BLOB_KEY_INVALID. Memory
 * use does not depend on object size.
 *
 * - `put` is atomic: the complete object is visible when the promise resolves. Nothing is visible if the body
 *   fails, the signal aborts or the process dies. It replaces an existing object unless `ifAbsent` is set.
 * - `get` streams with backpressure. A missing key fails with BLOB_NOT_FOUND (thrown by the call, not by the
 *   stream).
 * - `list` yields every object whose key starts with the prefix exactly once, page by page, in a stable
 *   order: ascending UTF-8 bytes of the key (file store, AWS) or folder by folder (SeaweedFS). Objects put
 *   during the listing may be absent. A listing that cannot be completed throws; it never ends early.
 * - `delete` of a missing key succeeds. `move` replaces the target. A missing source fails with
 *   BLOB_NOT_FOUND unless the target exists, so a move can be repeated.
 * - Failures of the store itself are BLOB_UNAVAILABLE (retryable) or DISK_FULL.
 * - `close` is idempotent and leaves no handle open.
 */
export interface BlobStore {
  readonly url: string;
  /**
   * False if other programs can leave half-written objects visible (a watched folder). The drop watcher then
   * waits until an object stops changing.
   */
  readonly supports: { atomicForeignWrites: boolean };
  put(key: string, body: Readable | Buffer, options?: PutOptions): Promise<BlobInfo>;
  get(key: string, options?: GetOptions): Promise<{ body: Readable; info: BlobInfo }>;
  head(key: string): Promise<BlobInfo | undefined>;
  list(prefix: string, options?: ListOptions): AsyncIterable<BlobInfo>;
  delete(key: string): Promise<void>;
  move(from: string, to: string): Promise<void>;
  /** Free and total bytes of the volume; undefined if the store does not report them. */
  space(): Promise<{ freeBytes: number; totalBytes: number } | undefined>;
  /** Resolves if the store responds. @throws BLOB_UNAVAILABLE otherwise */
  ready(): Promise<void>;
  close(): Promise<void>;
}
