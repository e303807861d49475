import type { IncomingHttpHeaders } from "node:http";

/** One request to the catalog. The adapter adds the login, and the catalog's address in front of the path. */
export interface CatalogRequest {
  readonly method: string;
  /** From `/v1/` on, with its query; encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  /** From the start of the request to the end of the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CatalogAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

/**
 * Sends one request, once: it never repeats a request that the catalog may have applied. The answer is whole,
 * of bounded size, and not compressed; redirects are not followed.
 * @throws any error if there is no whole answer in time; `isUnsent` tells whether the catalog has nothing
 *   of it
 */
export type CatalogSend = (request: CatalogRequest) => Promise<CatalogAnswer>;

/**
 * True if the catalog certainly has nothing of a request that failed with this error: there was no connection
 * (NoAnswer), or no login (CatalogError).
 */
export const isUnsent = (thrown: unknown): boolean =>
  typeof thrown === "object" &&
  thrown !== null &&
  (("sent" in thrown && thrown.sent === false) || ("outcome" in thrown && thrown.outcome === "none"));
