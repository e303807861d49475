import { isAscii, isUtf8 } from "node:buffer";
import { TributaryError } from "../../errors.ts";
import type { Encoding } from "../encoding.ts";

/** Encodings that the first bytes tell: byte-order marks, and the zeros of UTF-16 and UTF-32. */

export const UTF8_BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const UTF16LE_BOM = Buffer.from([0xff, 0xfe]);
const UTF16BE_BOM = Buffer.from([0xfe, 0xff]);

export const startsWith = (bytes: Buffer, prefix: Buffer): boolean => bytes.subarray(0, prefix.length).equals(prefix);

/**
 * The encoding that a byte-order mark names.
 * @throws FILE_ENCODING_UNKNOWN for UTF-32
 */
export function markedEncoding(sample: Buffer): Encoding | undefined {
  if (startsWith(sample, Buffer.from([0xff, 0xfe, 0, 0])) || startsWith(sample, Buffer.from([0, 0, 0xfe, 0xff]))) {
    throw new TributaryError("FILE_ENCODING_UNKNOWN", "the file is UTF-32, which is not supported");
  }
  if (startsWith(sample, UTF8_BOM)) return "utf-8";
  if (startsWith(sample, UTF16LE_BOM)) return "utf-16le";
  if (startsWith(sample, UTF16BE_BOM)) return "utf-16be";
  return undefined;
}

/** Bytes that are looked at for zeros. */
const ZEROS_BYTES = 4096;

/**
 * Characters of a CSV file that every script shares: line ends, tab, blank, quote, delimiters and digits.
 */
const SHARED = new Set(Buffer.from("\r\n\t \"',;|0123456789"));

/**
 * UTF-16 without a mark: zeros at every other byte are most of that half (Latin script), or they stand
 * beside the characters that CSV files of every script have.
 * @throws FILE_ENCODING_UNKNOWN for UTF-32
 */
export function wideEncoding(sample: Buffer): Encoding | undefined {
  const length = Math.min(sample.length, ZEROS_BYTES) & ~1;
  if (length === 0) return undefined;
  const zeros = [0, 0, 0, 0];
  /**
   * Shared characters beside a zero, by the zero's place, and all; of line ends, those beside a zero and
   * all.
   */
  const beside = [0, 0];
  let [shared, pairedEnds, ends] = [0, 0, 0];
  for (let at = 0; at < length; at++) {
    if (sample[at] === 0) zeros[at & 3]!++;
    if (!SHARED.has(sample[at]!)) continue;
    shared++;
    const isPaired = sample[at ^ 1] === 0;
    if (isPaired) beside[(at ^ 1) & 1]!++;
    if (sample[at] !== 10 && sample[at] !== 13) continue;
    ends++;
    if (isPaired) pairedEnds++;
  }
  const quarter = Math.floor(length / 4) - 1;
  if (
    length >= UTF32_BYTES_MIN &&
    zeros[1]! >= quarter &&
    zeros[2]! >= quarter &&
    Math.max(zeros[0]!, zeros[3]!) >= quarter
  ) {
    throw new TributaryError("FILE_ENCODING_UNKNOWN", "the file is UTF-32, which is not supported");
  }
  const half = length / 2;
  const isText = isUtf8(sample.subarray(0, length)) && !hasControls(sample.subarray(0, length));
  const [even, odd] = [zeros[0]! + zeros[2]!, zeros[1]! + zeros[3]!];
  const isWide = (own: number, other: number, paired: number): boolean =>
    (own > LATIN_ZEROS * half && other < own / 2) ||
    (!isText &&
      other === 0 &&
      own >= ZEROS_MIN &&
      paired > own / 2 &&
      paired > SHARED_PAIRED * shared &&
      pairedEnds >= ends / 2);
  if (isWide(odd, even, beside[1]!)) return "utf-16le";
  if (isWide(even, odd, beside[0]!)) return "utf-16be";
  return undefined;
}

/**
 * Many control bytes other than NUL: of each pair of bytes, those of Cyrillic and other scripts have one.
 * ASCII with NUL bytes has none, and is valid UTF-8.
 */
function hasControls(bytes: Buffer): boolean {
  let controls = 0;
  for (const byte of bytes) if (byte > 0 && byte < 32 && byte !== 9 && byte !== 10 && byte !== 13) controls++;
  return controls > bytes.length / 20;
}

/** Minimum share of zeros at every other byte in UTF-16 of Latin script. */
const LATIN_ZEROS = 0.6;
const ZEROS_MIN = 4;
const UTF32_BYTES_MIN = 16;
/** In ASCII with a few NUL bytes, hardly any shared character has a zero beside it. */
const SHARED_PAIRED = 0.3;

/** Refuses UTF-16 for plain ASCII: pairs of ASCII letters would decode as Chinese characters. */
export function refuseAsciiAsWide(encoding: Encoding, sample: Buffer): void {
  if (encoding.startsWith("utf-16") && sample.length > 0 && isAscii(sample) && !sample.includes(0)) {
    throw new TributaryError(
      "FILE_ENCODING_UNKNOWN",
      `the file is declared as ${encoding}, but contains only ASCII: declare its real encoding`,
    );
  }
}
