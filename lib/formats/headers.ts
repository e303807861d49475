import { createHash } from "node:crypto";

/** Longer headers are shortened: the headers of a table share one message. */
export const HEADER_CHARS_MAX = 256;

/**
 * What decides whether two headers are the same: the text in Unicode NFC without invisible characters
 * (control characters, zero-width characters, byte order marks), with one `_` for each run of blanks of any
 * kind, and without case. All other characters count: `Temp+` is not `Temp-`, and a Latin `a` is not a
 * Cyrillic one.
 */
export function headerKey(header: string): string {
  const visible = header
    .replace(/[\p{Zs}\p{Zl}\p{Zp}\t-\r\x85\ufeff]+/gu, " ")
    .replace(/[\p{Cc}\p{Cf}]/gu, "")
    .trim();
  // Through upper case, so that ß and SS, or the two forms of a small sigma, are the same.
  return visible.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC").replace(/ +/g, "_");
}

/** Distinguishes headers that are alike where they can be seen. */
export const headerHash = (header: string): string => createHash("sha256").update(headerKey(header)).digest("hex");

/** At most HEADER_CHARS_MAX characters before the hash. */
const SHORTENED = /^[^]{1,256}…[0-9a-f]{10}$/;

/**
 * The header as it is stored: whole if it has fewer than HEADER_CHARS_MAX characters, else its first
 * characters and a hash of all. What is stored stays as it is.
 */
export function storedHeader(text: string): string {
  if (text.length < HEADER_CHARS_MAX || SHORTENED.test(text)) return text;
  const beginning = text.normalize("NFC").slice(0, HEADER_CHARS_MAX);
  // Through bytes, so that no half of a character stays at the end.
  return `${Buffer.from(beginning).toString()}…${headerHash(text).slice(0, 10)}`;
}

/**
 * The form in which earlier versions stored a header that is shortened now; undefined for other headers. A
 * header of exactly HEADER_CHARS_MAX characters comes from such a version.
 */
export const formerHeader = (stored: string): string | undefined =>
  stored.length > HEADER_CHARS_MAX ? stored.slice(0, HEADER_CHARS_MAX) : undefined;

/** The header of a field, by its index, in a file without a header. */
export const positionalHeader = (index: number): string => `column_${index + 1}`;

/** The index of the field that has this header in a file without a header; undefined for a real header. */
export function positionIn(header: string): number | undefined {
  const number = /^column_([1-9]\d{0,4})$/.exec(header)?.[1];
  return number === undefined ? undefined : Number(number) - 1;
}
