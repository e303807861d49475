import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { BlobStore } from "../../../../lib/blob/blob-store.ts";
import { TributaryError } from "../../../../lib/errors.ts";

export interface MemoryDrops extends BlobStore {
  /** `charset`: as the object's writer declares it. */
  drop(key: string, text: string, modifiedAtMs?: number, charset?: string): void;
  remove(key: string): void;
  listings: number;
  /** Called before each access. */
  fault: (method: "list" | "get" | "head", key: string) => Promise<void> | void;
}

/** An object store in memory whose objects the tests put and remove. */
export function memoryDrops(): MemoryDrops {
  const objects = new Map<string, { bytes: Buffer; modifiedAtMs: number; charset: string | undefined }>();
  const infoOf = (key: string) => {
    const { bytes, modifiedAtMs } = objects.get(key)!;
    const etag = createHash("md5").update(bytes).digest("hex");
    return { key, sizeBytes: bytes.length, etag, modifiedAtMs };
  };
  const never = (): never => assert.fail("the poller never writes");
  const store: MemoryDrops = {
    url: "s3://csv-uploads",
    supports: { atomicForeignWrites: true },
    listings: 0,
    fault: () => undefined,
    drop: (key, text, modifiedAtMs = 0, charset) =>
      void objects.set(key, { bytes: Buffer.from(text), modifiedAtMs, charset }),
    remove: (key) => void objects.delete(key),
    async *list(prefix) {
      await store.fault("list", prefix);
      for (const key of [...objects.keys()].sort()) if (objects.has(key)) yield infoOf(key);
      store.listings++;
    },
    async get(key, { ifMatch } = {}) {
      await store.fault("get", key);
      if (!objects.has(key)) throw new TributaryError("BLOB_NOT_FOUND", key);
      const { charset } = objects.get(key)!;
      const info = { ...infoOf(key), ...(charset === undefined ? {} : { charset }) };
      if (ifMatch !== undefined && ifMatch !== info.etag) throw new TributaryError("BLOB_CHANGED", key);
      return { body: Readable.from([objects.get(key)!.bytes], { objectMode: false }), info };
    },
    async head(key) {
      await store.fault("head", key);
      return objects.has(key) ? infoOf(key) : undefined;
    },
    put: never,
    delete: never,
    move: never,
    space: async () => undefined,
    ready: async () => undefined,
    close: async () => undefined,
  };
  return store;
}
