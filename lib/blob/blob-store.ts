import type { Readable } from "node:stream";

export interface BlobInfo {
  key: string;
  sizeBytes: number;
  /** Changes whenever the content does. */
  etag: string;
  modifiedAtMs: number;
}

export interface PutOptions {
  /** Fail with BLOB_EXISTS if the key is taken, and change nothing. */
  ifAbsent?: boolean;
  /** Known length, if any; a body that ends elsewhere fails with UPLOAD_INCOMPLETE and stores nothing. */
  sizeBytes?: number;
  signal?: AbortSignal;
}

export interface GetOptions {
  /** Fail with BLOB_CHANGED if the object's etag is another. */
  ifMatch?: string;
  /** First byte wanted; default 0. */
  start?: number;
  /** First byte not wanted; default the end. */
  end?: number;
  signal?: AbortSignal;
}

/**
 * Where raw files (and staged files) are kept: a key → bytes map. Keys are relative paths with `/`, any Unicode; `..`, empty
 * segments, NUL, a leading `/` and more than 1024 bytes are refused with BLOB_KEY_INVALID. Memory is bounded whatever the size.
 *
 * - `put` is atomic: the object is visible whole when the promise resolves, and not at all if the body fails, the signal aborts
 *   or the process dies. It replaces an older object unless `ifAbsent`.
 * - `get` streams with backpressure; a missing key is BLOB_NOT_FOUND (thrown by the call, not by the stream).
 * - `list` yields every object whose key begins with the prefix once, in pages, in an order that never changes: ascending by the
 *   key's UTF-8 bytes (files, AWS) or folder by folder (SeaweedFS). Objects put
 *   meanwhile may or may not appear. A store that cannot be read whole throws; it never looks emptier than it is.
 * - `delete` of a missing key succeeds. `move` replaces the target; a missing source is BLOB_NOT_FOUND unless the target exists
 *   already (so that a repeated move is harmless).
 * - Anything the store itself fails at is BLOB_UNAVAILABLE (retryable) or DISK_FULL.
 * - `close` is idempotent and leaves no handle open.
 */
export interface BlobStore {
  readonly url: string;
  /** False where outside writers may leave half-written objects in sight (a watched folder); the drop poller then waits for them to settle. */
  readonly supports: { atomicForeignWrites: boolean };
  put(key: string, body: Readable | Buffer, options?: PutOptions): Promise<BlobInfo>;
  get(key: string, options?: GetOptions): Promise<{ body: Readable; info: BlobInfo }>;
  head(key: string): Promise<BlobInfo | undefined>;
  list(prefix: string, options?: { signal?: AbortSignal }): AsyncIterable<BlobInfo>;
  delete(key: string): Promise<void>;
  move(from: string, to: string): Promise<void>;
  /** Free and total bytes of the volume, where the store can tell. */
  space(): Promise<{ freeBytes: number; totalBytes: number } | undefined>;
  /** Resolves if the store answers; throws BLOB_UNAVAILABLE otherwise. */
  ready(): Promise<void>;
  close(): Promise<void>;
}
