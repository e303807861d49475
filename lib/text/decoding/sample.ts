import { isAscii, isUtf8 } from "node:buffer";
import { isUsualLead } from "./legacy.ts";

/** What the detection of encodings asks about a sample of a file. */

const LF = 10;

/** The lines with bytes beyond ASCII. */
export function linesIn(sample: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; at < sample.length;) {
    const next = sample.indexOf(LF, at) + 1 || sample.length;
    const line = sample.subarray(at, next);
    if (!isAscii(line)) lines.push(line);
    at = next;
  }
  return lines;
}

/** The sample up to its last line end, or all of it. */
export const wholeLines = (sample: Buffer): Buffer => sample.subarray(0, sample.lastIndexOf(LF) + 1 || sample.length);

/** A sample may end in the middle of a character. */
export function withoutCutCharacter(sample: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, sample.length); back++) {
    const byte = sample[sample.length - back]!;
    if (byte >= 0xc0) return sample.subarray(0, sample.length - back);
    if (byte < 0x80) break;
  }
  return sample;
}

/** Counts well-formed characters beyond ASCII, the usual ones of them, and bytes that belong to none. */
export function countUtf8(sample: Buffer): { characters: number; usual: number; strays: number } {
  let [characters, usual, strays] = [0, 0, 0];
  for (let at = 0; at < sample.length; at++) {
    const byte = sample[at]!;
    if (byte < 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (byte >= 0xc2 && isUtf8(sample.subarray(at, at + length))) {
      characters++;
      if (isUsualLead(byte)) usual++;
      at += length - 1;
    } else {
      strays++;
    }
  }
  return { characters, usual, strays };
}

/** A piece of the text around its first character beyond ASCII. */
export function exampleOf(text: string): string {
  const at = text.search(/[^\x00-\x7f]/);
  const from = Math.max(0, at - 10);
  return `'${text
    .slice(from, at + 30)
    .replace(/[\x00-\x1f]+/g, " ")
    .trim()}'`;
}
