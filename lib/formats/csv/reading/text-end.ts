/** Passes on the pieces of a text, except for the last ones, which only `end` gives. Copies nothing. */
export class TextEnd {
  /** Bytes of all pieces so far. */
  length = 0;
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  /** So many are held back, at least. */
  readonly bytes: number;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** What surely comes before the end: whole pieces, whose bytes stay as they are. */
  take(piece: Uint8Array): readonly Uint8Array[] {
    this.length += piece.length;
    this.#held.push(piece);
    this.#heldBytes += piece.length;
    // Twice the end, so that many small pieces take no quadratic time.
    if (this.#heldBytes < 2 * this.bytes) return NONE;
    let count = 0;
    while (this.#heldBytes - this.#held[count]!.length >= this.bytes) this.#heldBytes -= this.#held[count++]!.length;
    return this.#held.splice(0, count);
  }

  /** All that was not passed on. */
  end(): readonly Uint8Array[] {
    return this.#held.splice(0);
  }
}

const NONE: readonly Uint8Array[] = [];
