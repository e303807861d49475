import { CR, LF } from "./bytes.ts";

/** Drops the first lines of a text that comes in pieces. */
export class LineSkipper {
  #left: number;
  /** The last byte was the CR of a dropped line: an LF after it belongs to it. */
  #afterCr = false;

  constructor(lines: number) {
    this.#left = lines;
  }

  /** The piece without what is dropped. */
  rest(piece: Uint8Array): Uint8Array {
    let at = 0;
    if (this.#afterCr && piece.length > 0) {
      if (piece[0] === LF) at++;
      this.#afterCr = false;
    }
    while (this.#left > 0 && at < piece.length) {
      const byte = piece[at++];
      if (byte !== LF && byte !== CR) continue;
      this.#left--;
      if (byte === CR && at === piece.length) this.#afterCr = true;
      else if (byte === CR && piece[at] === LF) at++;
    }
    return at === 0 ? piece : piece.subarray(at);
  }
}
