import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { TributaryError } from "../../lib/errors.ts";
import type { BlobInfo, BlobStore } from "../../lib/blob/blob-store.ts";
import type { Call } from "../support/memory-event-log.ts";

/** A process's connection to objects in memory: the part of BlobStore that small files use. */
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
      // incoming/ is empty: all files are small.
    },
    delete: (key) => call("delete", () => void objects.delete(key)),
    move: () => Promise.reject(new Error("small files are not moved")),
    space: async () => undefined,
    ready: async () => undefined,
    close: async () => undefined,
  };
}

/** The objects of the drop store; each version has its own etag. */
export class DroppedObjects {
  readonly #objects = new Map<string, { bytes: Buffer; etag: string }>();
  #versions = 0;

  get versions(): ReadonlyMap<string, { etag: string }> {
    return this.#objects;
  }

  drop(key: string, text: string): void {
    this.#objects.set(key, { bytes: Buffer.from(text), etag: `v${++this.#versions}` });
  }

  remove(key: string): void {
    this.#objects.delete(key);
  }

  /**
   * A gateway's connection: the part of BlobStore that the watcher uses. Objects can change between listing
   * pages.
   */
  client(call: Call): BlobStore {
    const infoOf = (key: string): BlobInfo | undefined => {
      const found = this.#objects.get(key);
      return found && { key, etag: found.etag, sizeBytes: found.bytes.length, modifiedAtMs: 0 };
    };
    const refuse = (): never => {
      throw new Error("the drop store is read-only here");
    };
    const keys = () => [...this.#objects.keys()].toSorted();
    return {
      url: "memory:drops",
      supports: { atomicForeignWrites: true },
      get: (key, { ifMatch } = {}) =>
        call("get", () => {
          const [found, info] = [this.#objects.get(key), infoOf(key)];
          if (!found || !info) throw new TributaryError("BLOB_NOT_FOUND", key);
          if (ifMatch !== undefined && ifMatch !== found.etag) throw new TributaryError("BLOB_CHANGED", key);
          return { body: Readable.from([found.bytes], { objectMode: false }), info };
        }),
      head: (key) => call("head", () => infoOf(key)),
      async *list() {
        for (let after = ""; ;) {
          const page = await call("list", () =>
            keys()
              .filter((key) => key > after)
              .slice(0, PAGE_KEYS)
              .flatMap((key) => infoOf(key) ?? []),
          );
          yield* page;
          if (page.length < PAGE_KEYS) return;
          after = page.at(-1)!.key;
        }
      },
      put: refuse,
      delete: refuse,
      move: refuse,
      space: async () => undefined,
      ready: async () => undefined,
      close: async () => undefined,
    };
  }
}

const PAGE_KEYS = 2;
