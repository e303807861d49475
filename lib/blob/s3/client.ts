import { S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import { TributaryError, messageOf } from "../../errors.ts";

export interface S3Options {
  /** URL of an S3-compatible server. Default: AWS. */
  endpoint?: string;
  /** Default us-east-1. */
  region?: string;
  /** Without keys the SDK uses the AWS defaults: environment, profile, instance role. */
  accessKey?: string;
  secretKey?: string;
  /** PEM certificates that replace Node's built-in ones. */
  ca?: readonly string[];
  /** `http://host/bucket/key` instead of `http://bucket.host/key`. Default: true if `endpoint` is set. */
  pathStyle?: boolean;
  /** Objects per page of a listing. Default and S3's limit: 1000. */
  pageKeys?: number;
  /** Bytes that one request reads of an object. Default 32 MiB. */
  readBytesMax?: number;
}

export interface S3Location {
  bucket: string;
  /** "" or ends with `/`. */
  prefix: string;
  options: S3Options;
}

const CONNECT_MS_MAX = 5_000;
/** A connection without traffic for this long is closed. The request is retried; a download resumes. */
const IDLE_MS_MAX = 30_000;
const ATTEMPTS_MAX = 4;
const SOCKETS_MAX = 256;

/** Reads `s3://bucket[/prefix][?endpoint=…&region=…&pathStyle=…]`. @throws CONFIG_INVALID */
export function s3LocationOf(url: string, defaults: S3Options): S3Location {
  const match = /^s3:\/\/([^/?]+)(\/[^?]*)?(\?.*)?$/i.exec(url);
  if (!match) throw new TributaryError("CONFIG_INVALID", `'${url}' has no bucket: use s3://bucket/prefix`);
  const query = new URLSearchParams(match[3]);
  const prefix = (match[2] ?? "").replace(/^\/+|\/+$/g, "");
  const pathStyle = query.get("pathStyle");
  return {
    bucket: match[1]!,
    prefix: prefix === "" ? "" : `${prefix}/`,
    options: {
      ...defaults,
      ...(query.has("endpoint") ? { endpoint: query.get("endpoint")! } : {}),
      ...(query.has("region") ? { region: query.get("region")! } : {}),
      ...(pathStyle === null ? {} : { pathStyle: pathStyle === "true" }),
    },
  };
}

/** A client with bounded retries and timeouts that works with any S3-compatible server. */
export function makeS3Client(options: S3Options): S3Client {
  const { endpoint, region = "us-east-1", accessKey, secretKey, ca, pathStyle = endpoint !== undefined } = options;
  return withoutVersionWarning(
    () =>
      new S3Client({
        region,
        forcePathStyle: pathStyle,
        maxAttempts: ATTEMPTS_MAX,
        // Not every server supports the SDK's checksum trailers.
        requestChecksumCalculation: "WHEN_REQUIRED",
        responseChecksumValidation: "WHEN_REQUIRED",
        requestHandler: {
          connectionTimeout: CONNECT_MS_MAX,
          socketTimeout: IDLE_MS_MAX,
          httpAgent: { keepAlive: true, maxSockets: SOCKETS_MAX },
          httpsAgent: { keepAlive: true, maxSockets: SOCKETS_MAX, ...(ca ? { ca: [...ca] } : {}) },
        },
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(accessKey && secretKey ? { credentials: { accessKeyId: accessKey, secretAccessKey: secretKey } } : {}),
      }),
  );
}

/** Hides the SDK's warning about Node 20, which users cannot act on. */
function withoutVersionWarning<T>(make: () => T): T {
  const emitWarning = process.emitWarning.bind(process) as (...all: unknown[]) => void;
  process.emitWarning = (...all: unknown[]): void => {
    if (!String(all[0]).startsWith("NodeVersionSupportWarning")) emitWarning(...all);
  };
  try {
    return make();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** True if the error has one of these HTTP statuses or S3 error codes. */
export function answered(error: unknown, ...kinds: (number | string)[]): boolean {
  if (!(error instanceof S3ServiceException)) return false;
  return kinds.includes(error.name) || kinds.includes(error.$metadata.httpStatusCode ?? 0);
}

const FULL = ["InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "StorageFull", 507];

/** Converts any error to one of the port's errors. */
export function failure(error: unknown, doing: string): TributaryError {
  if (error instanceof TributaryError) return error;
  const refused = answered(error, "KeyTooLongError") ? "BLOB_KEY_INVALID" : "BLOB_UNAVAILABLE";
  const code = answered(error, ...FULL) ? "DISK_FULL" : refused;
  const name = error instanceof S3ServiceException ? `${error.name}: ` : "";
  return new TributaryError(code, `${doing}: ${name}${messageOf(error)}`, { cause: error });
}

/** S3 wraps etags in quotes. */
export const bareEtag = (etag: string | undefined): string => (etag ?? "").replace(/^"|"$/g, "");
