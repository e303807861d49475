import { TributaryError } from "../errors.ts";

/** S3's limit; every adapter keeps to it, so that what one store takes another takes too. */
export const KEY_BYTES_MAX = 1024;

/** @throws BLOB_KEY_INVALID unless the key is a relative path of non-empty segments, none of them `.` or `..`, in well-formed Unicode. */
export function checkKey(key: string): void {
  const fault = faultOf(key.split("/"), key);
  if (fault) throw new TributaryError("BLOB_KEY_INVALID", `the key ${JSON.stringify(key)} ${fault}`);
}

/** Like checkKey for what a key may begin with: "" and an unfinished last segment are fine. */
export function checkPrefix(prefix: string): void {
  const fault = faultOf(prefix.split("/").slice(0, -1), prefix);
  if (fault) throw new TributaryError("BLOB_KEY_INVALID", `the prefix ${JSON.stringify(prefix)} ${fault}`);
}

function faultOf(segments: string[], text: string): string | undefined {
  if (segments.includes("")) return "has an empty segment, or begins or ends with '/'";
  if (segments.includes(".") || segments.includes("..")) return "has a segment '.' or '..'";
  if (text.includes("\0")) return "holds a NUL";
  if (/\p{Surrogate}/u.test(text)) return "is not well-formed Unicode";
  if (Buffer.byteLength(text) > KEY_BYTES_MAX) return `is longer than ${KEY_BYTES_MAX} bytes`;
  return undefined;
}

/** Orders by the UTF-8 bytes. (JavaScript's own order is by UTF-16 units: there an emoji comes before U+E000 to U+FFFF.) */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

/** A UTF-16 unit's place among the units of other characters, as UTF-8 orders them: surrogates last. */
function utf8Rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
