import { createHash, randomBytes } from "node:crypto";

export const scopes = ["upload", "read", "query", "admin"] as const;
/** What a caller may do; `admin` includes the others. */
export type AccessScope = (typeof scopes)[number];

/** By it a key that got into a log, a chat or a repository is found. */
export const SECRET_PREFIX = "tby_";
const SECRET_BYTES = 32;

/** A new API key: 256 random bits. Whoever has it is let in; nothing but its hash is kept. */
export const newSecret = (): string => SECRET_PREFIX + randomBytes(SECRET_BYTES).toString("base64url");

/** What the keys file holds of a key. */
export const hashOf = (secret: string): Buffer => createHash("sha256").update(secret).digest();
