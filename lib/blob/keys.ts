import { TributaryError } from "../errors.ts";

/** S3's limit. Every adapter enforces it, so all stores accept the same keys. */
export const KEY_BYTES_MAX = 1024;

/**
 * @throws BLOB_KEY_INVALID unless the key is a relative path in well-formed Unicode whose segments are not
 * empty, `.` or `..`
 */
export function checkKey(key: string): void {
  const fault = faultOf(key.split("/"), key);
  if (fault) throw new TributaryError("BLOB_KEY_INVALID", `the key ${JSON.stringify(key)} ${fault}`);
}

/** Like checkKey, for a prefix: "" and an incomplete last segment are valid. */
export function checkPrefix(prefix: string): void {
  const fault = faultOf(prefix.split("/").slice(0, -1), prefix);
  if (fault) throw new TributaryError("BLOB_KEY_INVALID", `the prefix ${JSON.stringify(prefix)} ${fault}`);
}

function faultOf(segments: string[], text: string): string | undefined {
  if (segments.includes("")) return "has an empty segment, or starts or ends with '/'";
  if (segments.includes(".") || segments.includes("..")) return "contains a segment '.' or '..'";
  if (text.includes("\0")) return "contains a NUL character";
  if (/\p{Surrogate}/u.test(text)) return "is not well-formed Unicode";
  if (Buffer.byteLength(text) > KEY_BYTES_MAX) return `is longer than ${KEY_BYTES_MAX} bytes`;
  return undefined;
}

/** Orders by UTF-8 bytes. (JavaScript compares UTF-16 units, which puts an emoji before U+E000 to U+FFFF.) */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

/** The rank of a UTF-16 unit in UTF-8 order: surrogates sort last. */
function utf8Rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
