import { createHash } from "node:crypto";

/**
 * A UUID (version 8) derived from the words. Every registrar gives an object in Superset the same UUID, so it
 * can be found again and two registrars cannot create it twice.
 */
export function nameUuid(...words: string[]): string {
  const hex = createHash("sha256")
    .update(JSON.stringify(["tributary", ...words]))
    .digest("hex");
  const variant = ((parseInt(hex[16]!, 16) & 0b11) | 0b1000).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join("-");
}
