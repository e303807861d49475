import { createHash } from "node:crypto";

/**
 * The id of a file version whose event may be published more than once: by a client that retries, or by a
 * gateway that lost its drops and its successor. Equal parts give equal ids, so the repeated event is the
 * same version (UUID version 8; other events have random ids of version 7).
 */
export function derivedFileId(...parts: readonly string[]): string {
  const bytes = createHash("sha256").update(JSON.stringify(parts)).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** True for the random ids of version 7, each of which has one event. */
export const isRandomFileId = (fileId: string): boolean => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/.test(fileId);

/** True for ids of `derivedFileId`: another event with the id may exist. */
export const isDerivedFileId = (fileId: string): boolean => fileId[14] === "8";
