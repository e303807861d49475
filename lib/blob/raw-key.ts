/** The blob store key of a file's bytes. @param contentHash SHA-256, hexadecimal */
export const rawKey = (contentHash: string): string => `raw/sha256/${contentHash.slice(0, 2)}/${contentHash}`;
