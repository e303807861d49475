import { isAscii, isUtf8 } from "node:buffer";
import { TributaryError } from "../errors.ts";

export const ENCODINGS = ["utf-8", "utf-16le", "utf-16be", "iso-8859-1", "windows-1252"] as const;
export type Encoding = (typeof ENCODINGS)[number];

const UTF8_BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const UTF16LE_BOM = Buffer.from([0xff, 0xfe]);
const UTF16BE_BOM = Buffer.from([0xfe, 0xff]);

/**
 * The encoding of a file by its first bytes. The first rule that applies decides:
 * 1. a byte-order mark, even against a declared encoding (no other file starts with these bytes by chance);
 * 2. the declared encoding;
 * 3. zeros at every other byte: UTF-16;
 * 4. plain ASCII: the table's pinned encoding, because ASCII fits all of them;
 * 5. valid UTF-8, also with a few damaged places (those rows become rejects): UTF-8;
 * 6. Windows-1252, which accepts every byte.
 * @throws FILE_ENCODING_UNKNOWN for UTF-32, and for plain ASCII that is declared as UTF-16
 */
export function detectEncoding(sample: Buffer, requested?: Encoding, pinned?: Encoding): Encoding {
  if (startsWith(sample, Buffer.from([0xff, 0xfe, 0, 0])) || startsWith(sample, Buffer.from([0, 0, 0xfe, 0xff]))) {
    throw new TributaryError("FILE_ENCODING_UNKNOWN", "the file is UTF-32");
  }
  if (startsWith(sample, UTF8_BOM)) return "utf-8";
  if (startsWith(sample, UTF16LE_BOM)) return "utf-16le";
  if (startsWith(sample, UTF16BE_BOM)) return "utf-16be";
  if (requested) return declared(requested, sample);
  const zeros = zeroShares(sample);
  if (zeros.odd > UTF16_ZEROS && zeros.even < zeros.odd / 2) return "utf-16le";
  if (zeros.even > UTF16_ZEROS && zeros.odd < zeros.even / 2) return "utf-16be";
  if (isAscii(sample)) return pinned === "windows-1252" || pinned === "iso-8859-1" ? pinned : "utf-8";
  if (isUtf8(withoutCutCharacter(sample))) return "utf-8";
  const { sequences, strays } = countUtf8(sample);
  if (sequences > 0 && sequences >= strays) return "utf-8";
  return pinned === "iso-8859-1" ? pinned : "windows-1252";
}

/** Refuses UTF-16 for plain ASCII: pairs of ASCII letters would decode as Chinese characters. */
function declared(encoding: Encoding, sample: Buffer): Encoding {
  if (encoding.startsWith("utf-16") && sample.length > 0 && isAscii(sample) && !sample.includes(0)) {
    throw new TributaryError(
      "FILE_ENCODING_UNKNOWN",
      `the file is declared as ${encoding}, but contains only ASCII: declare its real encoding`,
    );
  }
  return encoding;
}

/**
 * Minimum share of zeros at every other byte in UTF-16 of Latin script; other scripts need a byte-order mark.
 */
const UTF16_ZEROS = 0.6;

const startsWith = (bytes: Buffer, prefix: Buffer): boolean => bytes.subarray(0, prefix.length).equals(prefix);

/** Share of zero bytes at even and at odd positions, 0 to 1. */
function zeroShares(sample: Buffer): { even: number; odd: number } {
  const length = Math.min(sample.length, 4096) & ~1;
  if (length === 0) return { even: 0, odd: 0 };
  let [even, odd] = [0, 0];
  for (let at = 0; at < length; at += 2) {
    if (sample[at] === 0) even++;
    if (sample[at + 1] === 0) odd++;
  }
  return { even: even / (length / 2), odd: odd / (length / 2) };
}

/** A sample may end in the middle of a character. */
function withoutCutCharacter(sample: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, sample.length); back++) {
    const byte = sample[sample.length - back]!;
    if (byte >= 0xc0) return sample.subarray(0, sample.length - back);
    if (byte < 0x80) break;
  }
  return sample;
}

/** Counts well-formed multi-byte characters, and bytes above 0x7f that belong to none. */
function countUtf8(sample: Buffer): { sequences: number; strays: number } {
  let [sequences, strays] = [0, 0];
  for (let at = 0; at < sample.length; at++) {
    const byte = sample[at]!;
    if (byte < 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (byte >= 0xc2 && isUtf8(sample.subarray(at, at + length))) {
      sequences++;
      at += length - 1;
    } else {
      strays++;
    }
  }
  return { sequences, strays };
}

/**
 * Converts a file's bytes to UTF-8, chunk by chunk, without the byte-order mark. Nothing is replaced: an
 * invalid character (a lone surrogate, damaged UTF-8) becomes or stays invalid UTF-8, so that the reader
 * rejects its row.
 */
export interface Transcoder {
  push(chunk: Uint8Array): Uint8Array;
  /** Returns the bytes held back so far. */
  end(): Uint8Array;
}

export function transcoderOf(encoding: Encoding): Transcoder {
  switch (encoding) {
    case "utf-8":
      return withoutBom();
    case "utf-16le":
      return fromUtf16(false);
    case "utf-16be":
      return fromUtf16(true);
    case "iso-8859-1":
      return fromBytes((byte) => byte);
    case "windows-1252":
      return fromBytes((byte) => (byte >= 0x80 && byte < 0xa0 ? WINDOWS_1252[byte - 0x80]! : byte));
  }
}

const NOTHING = new Uint8Array(0);

function withoutBom(): Transcoder {
  let head: Buffer | undefined = Buffer.alloc(0);
  const take = (): Uint8Array => {
    const bytes = head!;
    head = undefined;
    return startsWith(bytes, UTF8_BOM) ? bytes.subarray(3) : bytes;
  };
  return {
    push(chunk) {
      if (!head) return chunk;
      head = Buffer.concat([head, chunk]);
      return head.length < 3 ? NOTHING : take();
    },
    end: () => (head ? take() : NOTHING),
  };
}

/**
 * Code points of 0x80 to 0x9f in Windows-1252. The five undefined bytes map to themselves, as in browsers.
 */
const WINDOWS_1252 = [
  0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d,
  0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,
  0x017e, 0x0178,
];

function fromBytes(codePointOf: (byte: number) => number): Transcoder {
  const encoded = Array.from({ length: 256 }, (_, byte) => Buffer.from(String.fromCodePoint(codePointOf(byte))));
  return {
    push(chunk) {
      if (isAscii(chunk)) return chunk;
      const out = Buffer.allocUnsafeSlow(chunk.length * 3);
      let at = 0;
      for (const byte of chunk) {
        if (byte < 0x80) {
          out[at++] = byte;
        } else {
          const bytes = encoded[byte]!;
          for (let i = 0; i < bytes.length; i++) out[at++] = bytes[i]!;
        }
      }
      return out.subarray(0, at);
    },
    end: () => NOTHING,
  };
}

function fromUtf16(bigEndian: boolean): Transcoder {
  let held: Uint8Array = NOTHING;
  let first = true;
  return {
    push(chunk) {
      const bytes = Buffer.concat([held, chunk]);
      // Hold back an odd byte and a leading surrogate until the next chunk.
      let usable = bytes.length & ~1;
      const high = usable >= 2 ? bytes[bigEndian ? usable - 2 : usable - 1]! : 0;
      if (high >= 0xd8 && high <= 0xdb) usable -= 2;
      held = bytes.subarray(usable);
      const text = (bigEndian ? bytes.subarray(0, usable).swap16() : bytes).toString("utf16le", 0, usable);
      const withoutMark = first && text.startsWith("\ufeff") ? text.slice(1) : text;
      if (usable > 0) first = false;
      return utf8Of(withoutMark);
    },
    end() {
      // The file ends within a character: 0xff, which is never valid UTF-8, makes the reader reject the row.
      return held.length === 0 ? NOTHING : Buffer.from([0xff]);
    },
  };
}

/** Encodes lone surrogates as three invalid bytes instead of U+FFFD, so that the reader sees them. */
function utf8Of(text: string): Buffer {
  if (!/\p{Surrogate}/u.test(text)) return Buffer.from(text);
  const parts: Buffer[] = [];
  for (const part of text.split(/(\p{Surrogate})/u)) {
    const code = part.charCodeAt(0);
    const lone = part.length === 1 && code >= 0xd800 && code <= 0xdfff;
    parts.push(lone ? Buffer.from([0xed, 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)]) : Buffer.from(part));
  }
  return Buffer.concat(parts);
}
