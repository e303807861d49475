import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { TributaryError } from "../../lib/errors.ts";
import type { BlobInfo, BlobStore } from "../../lib/blob/blob-store.ts";
import type { Call } from "../support/memory-event-log.ts";

/** A process's connection to objects in memory: as much of a BlobStore as small files need. */
export function blobClient(objects: Map<string, Buffer>, call: Call): BlobStore {
  const infoOf = (key: string): BlobInfo | undefined => {
    const bytes = objects.get(key);
    const etag = bytes && createHash("md5").update(bytes).digest("hex");
    return bytes && { key, sizeBytes: bytes.length, etag: etag!, modifiedAtMs: 0 };
  };
  return {
    url: "memory:",
    supports: { atomicForeignWrites: true },
    async put(key, body, { ifAbsent = false } = {}) {
      const bytes = Buffer.isBuffer(body) ? body : Buffer.concat(await body.toArray());
      return call("put", () => {
        if (ifAbsent && objects.has(key)) throw new TributaryError("BLOB_EXISTS", key);
        objects.set(key, bytes);
        return infoOf(key)!;
      });
    },
    get: (key) =>
      call("get", () => {
        const bytes = objects.get(key);
        if (!bytes) throw new TributaryError("BLOB_NOT_FOUND", key);
        return { body: Readable.from([bytes], { objectMode: false }), info: infoOf(key)! };
      }),
    head: (key) => call("head", () => infoOf(key)),
    async *list() {
      // Nothing lies in incoming/: all files are small.
    },
    delete: (key) => call("delete", () => void objects.delete(key)),
    move: () => Promise.reject(new Error("small files are not moved")),
    space: async () => undefined,
    ready: async () => undefined,
    close: async () => undefined,
  };
}
