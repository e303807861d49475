import { isUtf8 } from "node:buffer";

/** Text for people to read: invalid UTF-8 and NUL become \xNN, and at most `bytesMax` bytes are kept. */
export function rawText(raw: Uint8Array, bytesMax: number): string {
  let bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  if (bytes.length > bytesMax) {
    let end = bytesMax;
    while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
    bytes = bytes.subarray(0, end);
  }
  if (isUtf8(bytes) && !bytes.includes(0)) return bytes.toString("utf8");
  const shown = bytes.subarray(0, Math.floor(bytesMax / 4));
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < shown.length;) {
    const length = characterLength(shown, at);
    if (length === 0) {
      parts.push(shown.toString("utf8", start, at), `\\x${shown[at]!.toString(16).padStart(2, "0")}`);
      start = at + 1;
    }
    at += Math.max(1, length);
  }
  return parts.join("") + shown.toString("utf8", start);
}

/** Length in bytes of the character at `at`; 0 for invalid UTF-8 and for NUL. */
function characterLength(bytes: Buffer, at: number): number {
  const byte = bytes[at]!;
  if (byte < 0x80) return byte === 0 ? 0 : 1;
  const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
  return isUtf8(bytes.subarray(at, at + length)) && at + length <= bytes.length ? length : 0;
}
