import { linewise } from "./legacy.ts";
import { startsWith, UTF8_BOM } from "./marks.ts";
import type { Transcoder } from "./transcoder.ts";
import type { Encoding } from "../encoding.ts";

/** `mixed`: single lines of another encoding's file may be UTF-8, and are read so. */
export function transcoderOf(encoding: Encoding, mixed = false): Transcoder {
  switch (encoding) {
    case "utf-8":
      return withoutBom();
    case "utf-16le":
      return fromUtf16(false);
    case "utf-16be":
      return fromUtf16(true);
    default:
      return linewise(encoding, mixed);
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
