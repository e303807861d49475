import type { AccessScope } from "../../../lib/process/api-keys.ts";

/** Who sends a request, as an API key or a token says. */
export interface Caller {
  kind: "key" | "token";
  /** The key's id, or the token's subject. */
  id: string;
  scopes: readonly AccessScope[];
  /** Whether key or token is still good, for requests that last. */
  holds(): boolean;
}
