import type { AccessScope } from "../../../lib/process/api-keys.ts";

/** The authenticated sender of a request. */
export interface Caller {
  kind: "key" | "token";
  /** The key's id, or the token's subject. */
  id: string;
  scopes: readonly AccessScope[];
  /** Whether the key or token is still valid: for long-lived requests. */
  isStillValid(): boolean;
}
