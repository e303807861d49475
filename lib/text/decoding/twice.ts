import { isUtf8 } from "node:buffer";
import iconv from "iconv-lite";

/** Finds UTF-8 whose bytes somebody took for Windows-1252 and encoded again: ü becomes Ã¼. */

const SHARE_MIN = 0.3;
const RUNS_MIN = 2;
/** Text that is looked at, in UTF-16 code units. */
const LENGTH_MAX = 128 * 1024;

/**
 * An example, as it is and as it was meant, if at least two runs of characters beyond ASCII and a third of
 * all, or all of them, are bytes of UTF-8 in Windows-1252; undefined if not.
 */
export function doublyEncoded(text: string): string | undefined {
  let [runs, twice] = [0, 0];
  let example: string | undefined;
  for (const [run] of text.slice(0, LENGTH_MAX).matchAll(/[^\x00-\x7f]+/g)) {
    runs++;
    const meant = meantBy(run);
    if (meant === undefined) continue;
    twice++;
    example ??= `'${run.slice(0, 20)}' for '${meant.slice(0, 10)}'`;
  }
  return twice === runs || (twice >= RUNS_MIN && twice >= SHARE_MIN * runs) ? example : undefined;
}

/** Lead bytes of usual characters, as Windows-1252 shows them. */
const LEAD = /^[ÂÃÄÅÎÏÐÑâãäåæçèéêëìíîïð]/;

function meantBy(run: string): string | undefined {
  if (run.length < 2 || !LEAD.test(run)) return undefined;
  const bytes = Buffer.concat(Array.from(run, byteOf));
  return bytes.length === run.length && isUtf8(bytes) ? bytes.toString("utf8") : undefined;
}

/**
 * The byte of a character in Windows-1252 or, where that has none, in ISO-8859-1; nothing for all others.
 */
function byteOf(character: string): Buffer {
  const code = character.codePointAt(0)!;
  if (code >= 0x80 && code <= 0xff) return Buffer.from([code]);
  const bytes = iconv.encode(character, "windows-1252");
  return bytes.length === 1 && bytes[0]! >= 0x80 ? bytes : Buffer.alloc(0);
}
