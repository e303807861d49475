import { createHash } from "node:crypto";

/** Passes bytes on, counts and hashes them. */
export class HashedBytes implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  /** In hex; undefined until all bytes have passed. */
  sha256: string | undefined;
  bytesRead = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const hash = createHash("sha256");
    for await (const chunk of this.#source) {
      hash.update(chunk);
      this.bytesRead += chunk.length;
      yield chunk;
    }
    this.sha256 = hash.digest("hex");
  }
}
