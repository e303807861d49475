/** Passes on the pieces of a text, except for the last bytes, which only `end` gives. */
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

  /** What surely comes before the end. */
  take(piece: Uint8Array): readonly Uint8Array[] {
    this.length += piece.length;
    // A copy: the caller may use its buffer again.
    const passed = piece.length > this.bytes ? piece.length - this.bytes : 0;
    const kept = Buffer.from(piece.subarray(passed));
    const before = passed > 0 ? [...this.#held, piece.subarray(0, passed)] : [];
    if (passed > 0) [this.#held, this.#heldBytes] = [[], 0];
    this.#held.push(kept);
    this.#heldBytes += kept.length;
    // Twice the end, so that many small pieces take no quadratic time.
    return this.#heldBytes > 2 * this.bytes ? [this.#cut()] : before;
  }

  /** All that was not passed on. */
  end(): Uint8Array {
    const rest = Buffer.concat(this.#held);
    this.#held = [];
    return rest;
  }

  #cut(): Uint8Array {
    const all = Buffer.concat(this.#held);
    const at = all.length - this.bytes;
    [this.#held, this.#heldBytes] = [[all.subarray(at)], this.bytes];
    return all.subarray(0, at);
  }
}
