import { rawText } from "./raw-text.ts";
import { textBlocks, type TextOptions } from "./text-blocks.ts";

/** A line of a file, as an editor shows it. */
export interface Line {
  line: number;
  text: string;
}

export interface WantedLines {
  /** Numbers, from 1, in any order. */
  lines: ReadonlySet<number>;
  /** Longer lines are cut to this many bytes. */
  lineBytesMax: number;
}

const [LF, CR] = [10, 13];

/**
 * The wanted lines of a file and its first line that is not blank. Stops reading after the last of them.
 * @throws what `textBlocks` throws
 */
export async function readLines(
  source: AsyncIterable<Uint8Array>,
  options: TextOptions,
  { lines, lineBytesMax }: WantedLines,
): Promise<{ first: Line | undefined; found: Map<number, Line> }> {
  const last = Math.max(0, ...lines);
  const found = new Map<number, Line>();
  let first: Line | undefined;
  let line = 1;
  let held = Buffer.alloc(0);
  let afterCr = false;
  const keep = (bytes: Buffer): void => {
    if (held.length < lineBytesMax) held = Buffer.concat([held, bytes.subarray(0, lineBytesMax - held.length)]);
  };
  const end = (): void => {
    const one = { line, text: rawText(held, lineBytesMax) };
    if (lines.has(line)) found.set(line, one);
    if (held.length > 0) first ??= one;
    held = Buffer.alloc(0);
    line++;
  };
  for await (const { bytes, last: isLast } of textBlocks(source, options)) {
    let from = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte !== LF && byte !== CR) {
        afterCr = false;
        continue;
      }
      if (byte === LF && afterCr) from = at + 1;
      else {
        keep(bytes.subarray(from, at));
        end();
        from = at + 1;
        if (line > last && first) return { first, found };
      }
      afterCr = byte === CR;
    }
    keep(bytes.subarray(from));
    if (isLast && held.length > 0) end();
  }
  return { first, found };
}
