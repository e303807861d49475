import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { HttpRequest } from "./transport.ts";

/** AWS Signature Version 4: for AWS Glue and S3 Tables, and for SeaweedFS's table buckets. */
export interface SigV4Options {
  accessKey: string;
  secretKey: string;
  /** Of temporary keys. */
  sessionToken?: string | undefined;
  region: string;
  /** `glue`, `s3tables`. */
  service: string;
}

type Signed = Pick<HttpRequest, "method" | "url" | "headers" | "body">;

/** Returns the headers of the request with its signature. `now` is the time that the signature names. */
export function signer(options: SigV4Options): (request: Signed, now: Date) => Promise<Record<string, string>> {
  const { accessKey, secretKey, sessionToken, region, service } = options;
  const signature = new SignatureV4({
    credentials: {
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
    region,
    service,
    sha256: Sha256,
  });
  return async ({ method, url, headers, body }, now) => {
    const names = [...new Set(url.searchParams.keys())];
    const query = Object.fromEntries(names.map((name) => [name, url.searchParams.getAll(name)]));
    const request = {
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      ...(url.port === "" ? {} : { port: Number(url.port) }),
      path: url.pathname,
      query,
      headers: { ...headers, host: url.host },
      body: body ?? "",
    };
    const signed = await signature.sign(request, { signingDate: now });
    return signed.headers;
  };
}

/** SHA-256, or HMAC with a secret, as the signer wants it. */
class Sha256 {
  readonly #hash: ReturnType<typeof createHash> | ReturnType<typeof createHmac>;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  /** For the interface: the signer uses each instance once. */
  reset(): void {
    throw new Error("a hash is used once");
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === "string") return Buffer.from(data, "utf8");
  return data instanceof ArrayBuffer ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
