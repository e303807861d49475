import { TributaryError, type ErrorCode } from "../../../errors.ts";

/**
 * What is known of a request that failed: `none`: the catalog did not apply it; `unknown`: the answer is
 * missing or says nothing, so the catalog may have applied it.
 */
export type Outcome = "none" | "unknown";

export interface CatalogFailure {
  outcome: Outcome;
  /** HTTP status of the catalog's answer; undefined without an answer. */
  httpStatus?: number | undefined;
  /** The exception that the catalog names, such as CommitFailedException. */
  type?: string | undefined;
  cause?: unknown;
}

/** A failed request to an Iceberg REST catalog. Its codes are the CATALOG_… codes of lib/errors.ts. */
export class CatalogError extends TributaryError {
  readonly outcome: Outcome;
  readonly httpStatus: number | undefined;
  readonly type: string | undefined;

  constructor(code: ErrorCode, message: string, { outcome, httpStatus, type, cause }: CatalogFailure) {
    super(code, message, cause === undefined ? {} : { cause });
    this.name = "CatalogError";
    this.outcome = outcome;
    this.httpStatus = httpStatus;
    this.type = type;
  }
}

const CODES = new Map<number, ErrorCode>([
  [401, "CATALOG_REFUSED"],
  [403, "CATALOG_REFUSED"],
  [404, "CATALOG_NOT_FOUND"],
  [405, "CATALOG_UNSUPPORTED"],
  [406, "CATALOG_UNSUPPORTED"],
  [408, "CATALOG_UNAVAILABLE"],
  [409, "CATALOG_CONFLICT"],
  [419, "CATALOG_REFUSED"],
  [429, "CATALOG_UNAVAILABLE"],
  [501, "CATALOG_UNSUPPORTED"],
]);

/** Answers below 500 after which the request may have been applied all the same. */
const UNSURE = new Set([408]);
/** Answers from 500 on that say that nothing was applied: the method is not implemented. */
const SURE = new Set([501]);

/** The error of an answer with this status, which is not 2xx. */
export function errorOfStatus(status: number, doing: string, { message, type }: Explained): CatalogError {
  const code = CODES.get(status) ?? (status >= 500 ? "CATALOG_UNAVAILABLE" : "CATALOG_FAILED");
  const isUnsure = UNSURE.has(status) || (status >= 500 && !SURE.has(status));
  const named = [type, message].filter(Boolean).join(": ") || "no explanation";
  return new CatalogError(code, `${doing}: the catalog answers ${status}: ${named}`, {
    outcome: isUnsure ? "unknown" : "none",
    httpStatus: status,
    type,
  });
}

/** What the body of an error says. */
export interface Explained {
  message: string;
  type?: string | undefined;
}
