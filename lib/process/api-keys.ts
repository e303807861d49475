import { createHash, randomBytes } from "node:crypto";

export const scopes = ["upload", "read", "query", "admin"] as const;
/** The permissions of a caller; `admin` includes the others. */
export type AccessScope = (typeof scopes)[number];

/** Makes leaked keys easy to find in logs, chats and repositories. */
export const SECRET_PREFIX = "tby_";
const SECRET_BYTES = 32;

/** A new API key of 256 random bits. Only its hash is stored. */
export const newSecret = (): string => SECRET_PREFIX + randomBytes(SECRET_BYTES).toString("base64url");

/** The hash of a key that the keys file contains. */
export const hashOf = (secret: string): Buffer => createHash("sha256").update(secret).digest();
