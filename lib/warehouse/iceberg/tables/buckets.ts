import type { BlobStore } from "../../../blob/blob-store.ts";

/** A file's place in a store. */
export interface StoredAt {
  store: BlobStore;
  key: string;
}

/** The buckets of the tables' files, each opened once. Who gives `open` closes what it opens. */
export class Buckets {
  readonly #open: (url: string) => Promise<BlobStore>;
  readonly #stores = new Map<string, Promise<BlobStore>>();

  constructor(open: (url: string) => Promise<BlobStore>) {
    this.#open = open;
  }

  /** Where `s3://bucket/key` is. undefined: not an address of this form. */
  async at(url: string): Promise<StoredAt | undefined> {
    const [, bucket, key] = /^s3[an]?:\/\/([^/]+)\/(.+)$/.exec(url) ?? [];
    if (bucket === undefined || key === undefined) return undefined;
    const store = this.#stores.get(bucket) ?? this.#open(`s3://${bucket}`);
    this.#stores.set(bucket, store);
    return { store: await store, key };
  }
}
