import { Readable } from "node:stream";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { Buckets } from "../../lib/warehouse/iceberg/tables/buckets.ts";

/** Buckets that keep what is put, and give it back. */
export function memoryBuckets(): Buckets {
  const files = new Map<string, Buffer>();
  const store = {
    put: async (key: string, bytes: Buffer) => void files.set(key, bytes),
    get: async (key: string) => ({ body: Readable.from([files.get(key)!]) }),
  } as unknown as BlobStore;
  return new Buckets(async () => store);
}
