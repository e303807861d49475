/** Where the bytes of a file are in the blob store. @param contentHash SHA-256, hexadecimal */
export const rawKey = (contentHash: string): string => `raw/sha256/${contentHash.slice(0, 2)}/${contentHash}`;
