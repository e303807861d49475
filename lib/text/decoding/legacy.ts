import { isAscii, isUtf8 } from "node:buffer";
import iconv from "iconv-lite";
import type { Encoding } from "../encoding.ts";
import type { Transcoder } from "./transcoder.ts";

/** Encodings other than UTF-8 and UTF-16. */
export type LegacyEncoding = Exclude<Encoding, "utf-8" | "utf-16le" | "utf-16be">;

/** Encodings that the library knows by other names. Its EUC-KR includes the syllables of code page 949. */
const LIBRARY_NAMES: Partial<Record<LegacyEncoding, string>> = {
  "iso-8859-1": "windows-1252",
  "x-mac-cyrillic": "maccyrillic",
  ibm866: "cp866",
};

const MULTI_BYTE: ReadonlySet<Encoding> = new Set([
  ...(["shift_jis", "euc-jp", "iso-2022-jp", "gb18030", "gbk", "big5", "euc-kr"] as const),
]);

export const isMultiByte = (encoding: Encoding): boolean => MULTI_BYTE.has(encoding);

/** What the decoders give for undefined bytes; text never contains C1 controls. */
const UNDEFINED = /[\ufffd\u0080-\u009f]/;

/** The text of complete characters; U+FFFD or a C1 control where bytes are undefined. */
function textIn(bytes: Uint8Array, encoding: LegacyEncoding): string {
  if (encoding === "iso-2022-jp") return new TextDecoder(encoding).decode(bytes);
  return iconv.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), LIBRARY_NAMES[encoding] ?? encoding);
}

/** The text of complete characters; undefined if some bytes are undefined in the encoding. */
export function strictText(bytes: Uint8Array, encoding: LegacyEncoding): string | undefined {
  const text = textIn(bytes, encoding);
  return UNDEFINED.test(text) ? undefined : text;
}

/** The bytes of a text; characters that the encoding lacks become question marks. */
export const bytesOf = (text: string, encoding: LegacyEncoding): Buffer =>
  iconv.encode(text, LIBRARY_NAMES[encoding] ?? encoding);

/** Converts complete lines to UTF-8; undefined bytes become invalid UTF-8. */
type LineDecoder = (lines: Uint8Array) => Uint8Array;

const decoders = new Map<LegacyEncoding, LineDecoder>();

function decoderOf(encoding: LegacyEncoding): LineDecoder {
  const made = decoders.get(encoding) ?? (isMultiByte(encoding) ? byText(encoding) : byTable(encoding));
  decoders.set(encoding, made);
  return made;
}

function byText(encoding: LegacyEncoding): LineDecoder {
  return (lines) => {
    const text = textIn(lines, encoding);
    if (!UNDEFINED.test(text)) return Buffer.from(text);
    const parts = text.split(new RegExp(UNDEFINED, "g")).flatMap((part) => [INVALID, Buffer.from(part)]);
    return Buffer.concat(parts.slice(1));
  };
}

/** Never part of valid UTF-8. */
const INVALID = Buffer.from([0xff]);

function byTable(encoding: LegacyEncoding): LineDecoder {
  const encoded = Array.from({ length: 256 }, (_, byte) => {
    const text = textIn(Uint8Array.of(byte), encoding);
    if (byte < 0x80 || !UNDEFINED.test(text)) return Buffer.from(text);
    // Up to 0xbf a byte alone is invalid UTF-8, and a reject can show it as it is.
    return byte < 0xc0 ? Buffer.from([byte]) : INVALID;
  });
  return (lines) => {
    const out = Buffer.allocUnsafeSlow(lines.length * 3);
    let at = 0;
    for (const byte of lines) {
      if (byte < 0x80) {
        out[at++] = byte;
      } else {
        const bytes = encoded[byte]!;
        for (let i = 0; i < bytes.length; i++) out[at++] = bytes[i]!;
      }
    }
    return out.subarray(0, at);
  };
}

const NOTHING = new Uint8Array(0);
const LF = 10;

/** A longer line is cut. The cut may damage a character, and so reject the line's row. */
const LINE_BYTES_MAX = 1024 * 1024;

/**
 * Converts line by line: a line's damage ends with the line, and a line that is UTF-8 can be read as such.
 */
export function linewise(encoding: LegacyEncoding, mixed: boolean): Transcoder {
  const decode = decoderOf(encoding);
  const shiftsInAscii = encoding === "iso-2022-jp";
  const convert = (lines: Buffer): Uint8Array => {
    if (!shiftsInAscii && isAscii(lines)) return lines;
    return mixed ? convertMixed(lines, encoding, decode) : decode(lines);
  };
  let held: Buffer[] = [];
  let heldBytes = 0;
  return {
    push(chunk) {
      const end = chunk.lastIndexOf(LF) + 1;
      if (end === 0 && heldBytes + chunk.length <= LINE_BYTES_MAX) {
        held.push(Buffer.from(chunk));
        heldBytes += chunk.length;
        return NOTHING;
      }
      const cut = end === 0 ? chunk.length : end;
      const lines = Buffer.concat([...held, chunk.subarray(0, cut)]);
      held = [Buffer.from(chunk.subarray(cut))];
      heldBytes = chunk.length - cut;
      return convert(lines);
    },
    end() {
      const rest = Buffer.concat(held);
      held = [];
      return convert(rest);
    },
  };
}

function convertMixed(lines: Buffer, encoding: LegacyEncoding, decode: LineDecoder): Uint8Array {
  const parts: Uint8Array[] = [];
  let from = 0;
  for (let at = 0; at < lines.length;) {
    const next = lines.indexOf(LF, at) + 1 || lines.length;
    const line = lines.subarray(at, next);
    if (isUtf8Line(line, encoding)) {
      if (from < at) parts.push(decode(lines.subarray(from, at)));
      parts.push(line);
      from = next;
    }
    at = next;
  }
  if (from === 0) return decode(lines);
  if (from < lines.length) parts.push(decode(lines.subarray(from)));
  return Buffer.concat(parts);
}

/**
 * Latin script in a legacy encoding hardly ever reads as a character of UTF-8; other scripts do now and
 * then.
 */
const LATIN: ReadonlySet<Encoding> = new Set([
  ...(["iso-8859-1", "windows-1252", "windows-1250", "windows-1254", "windows-1257", "iso-8859-2"] as const),
]);
const CHARACTERS_MIN_LATIN = 1;
const CHARACTERS_MIN_OTHER = 4;

/** True for a line that is UTF-8 and not by chance. */
export function isUtf8Line(line: Uint8Array, encoding: LegacyEncoding): boolean {
  if (isAscii(line) || !isUtf8(line)) return false;
  const { usual, all } = charactersIn(line);
  return usual === all && all >= (LATIN.has(encoding) ? CHARACTERS_MIN_LATIN : CHARACTERS_MIN_OTHER);
}

/** Non-ASCII characters in valid UTF-8, and how many of them are of scripts and signs that tables hold. */
function charactersIn(line: Uint8Array): { usual: number; all: number } {
  let [usual, all] = [0, 0];
  for (const byte of line) {
    if (byte < 0xc2) continue;
    all++;
    if (isUsualLead(byte)) usual++;
  }
  return { usual, all };
}

/** Lead bytes of Latin letters, Greek, Cyrillic, Hebrew, Arabic and all that takes three or four bytes. */
export const isUsualLead = (byte: number): boolean =>
  (byte >= 0xc2 && byte <= 0xc5) || (byte >= 0xce && byte <= 0xd1) || (byte >= 0xd7 && byte <= 0xd9) || byte >= 0xe0;
