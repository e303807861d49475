/**
 * The code points 0x80…0x9f of Windows-1252, which differ from Latin-1, as UTF-16 code units. Five bytes are
 * undefined.
 */
const WINDOWS_1252 = "€?‚ƒ„…†‡ˆ‰Š‹Œ?Ž??‘’“”•–—˜™š›œ?žŸ";

/** Encodes text; replaces characters that the encoding lacks by `?`. */
export function transcodeTo(text: string, encoding: string): Buffer {
  if (encoding === "utf-16le") return Buffer.from(text, "utf16le");
  if (encoding === "utf-16be") return Buffer.from(text, "utf16le").swap16();
  if (encoding === "utf-8") return Buffer.from(text);
  const bytes = Array.from(text, (character) => {
    const code = character.codePointAt(0)!;
    const special = character === "?" ? -1 : WINDOWS_1252.indexOf(character);
    if (special >= 0) return 0x80 + special;
    return code < 0x80 || (code >= 0xa0 && code < 0x100) ? code : 0x3f;
  });
  return Buffer.from(bytes);
}
