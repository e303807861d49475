import { createHash } from "node:crypto";

/** Passes bytes on and hashes them. */
export class HashedBytes implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  /** In hex; undefined until all bytes have passed. */
  sha256: string | undefined;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const hash = createHash("sha256");
    for await (const chunk of this.#source) {
      hash.update(chunk);
      yield chunk;
    }
    this.sha256 = hash.digest("hex");
  }
}
