import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from "@aws-sdk/client-s3";
import { Readable } from "node:stream";
import type { Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import type { BlobInfo, BlobStore, GetOptions, ListOptions, PutOptions } from "../blob-store.ts";
import { checkKey, checkPrefix } from "../keys.ts";
import { answered, bareEtag, failure, makeS3Client, s3LocationOf, type S3Options } from "./client.ts";
import { copyLarge, COPY_BYTES_MAX } from "./copy.ts";
import { download } from "./download.ts";
import { upload } from "./upload.ts";

export type { S3Options } from "./client.ts";

const PART_BYTES = 8 * 1024 * 1024;
const PAGE_KEYS = 1000;
/**
 * SeaweedFS 4.48 reads an object ahead as far as a request goes, whatever its reader takes, and all other
 * requests wait meanwhile: a small PUT 0.8 s beside a GET of 416 MB, 0.05 s beside one of 32 MiB.
 */
const READ_BYTES_MAX = 32 * 1024 * 1024;

/**
 * A bucket, or a prefix of one, on AWS or a compatible server. `ifAbsent` needs conditional puts
 * (If-None-Match), which AWS, SeaweedFS, MinIO, R2 and Ceph support. A retry after a lost response can find
 * its own object and fail with BLOB_EXISTS; the object is then complete. (SeaweedFS 4.48 evaluates the
 * condition shortly before it creates a multipart object, so several puts that end at the same time can all
 * succeed.) Sends no request until first use.
 */
export function openS3Store(url: string, clock: Clock, options: S3Options = {}): BlobStore {
  return new S3Store(url, clock, options);
}

/** Creates the bucket of an `s3:` URL unless it exists or access to it is denied. @throws BLOB_UNAVAILABLE */
export async function ensureBucket(url: string, options: S3Options = {}): Promise<void> {
  const place = s3LocationOf(url, options);
  const client = makeS3Client(place.options);
  const Bucket = place.bucket;
  try {
    await client.send(new HeadBucketCommand({ Bucket })).catch(async (error: unknown) => {
      if (answered(error, 403)) return;
      if (!answered(error, 404)) throw error;
      await client.send(new CreateBucketCommand({ Bucket }));
    });
  } catch (error) {
    if (!answered(error, "BucketAlreadyOwnedByYou", "BucketAlreadyExists")) throw failure(error, `creating ${Bucket}`);
  } finally {
    client.destroy();
  }
}

class S3Store implements BlobStore {
  readonly url: string;
  readonly supports = { atomicForeignWrites: true };
  readonly #client: S3Client;
  readonly #clock: Clock;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #pageKeys: number;
  readonly #readBytesMax: number;
  /** Ended by close(). */
  readonly #streams = new Set<Readable>();
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  constructor(url: string, clock: Clock, options: S3Options) {
    const place = s3LocationOf(url, options);
    this.url = url;
    this.#client = makeS3Client(place.options);
    this.#clock = clock;
    this.#bucket = place.bucket;
    this.#prefix = place.prefix;
    this.#pageKeys = options.pageKeys ?? PAGE_KEYS;
    this.#readBytesMax = options.readBytesMax ?? READ_BYTES_MAX;
  }

  put(key: string, body: Readable | Buffer, options: PutOptions = {}): Promise<BlobInfo> {
    const running = this.#put(key, body, options);
    const settled = running.catch(() => undefined).finally(() => this.#running.delete(settled));
    this.#running.add(settled);
    return running;
  }

  async #put(key: string, body: Readable | Buffer, options: PutOptions): Promise<BlobInfo> {
    const { ifAbsent = false, sizeBytes, signal } = options;
    const source = Buffer.isBuffer(body) ? Readable.from([body], { objectMode: false }) : body;
    let fault: unknown;
    const remember = (error: unknown): void => void (fault ??= error);
    const abort = (): void => void source.destroy(signal?.reason as Error);
    source.once("error", remember);
    try {
      this.#checkOpen();
      checkKey(key);
      signal?.throwIfAborted();
      signal?.addEventListener("abort", abort, { once: true });
      this.#streams.add(source);
      const place = { bucket: this.#bucket, objectKey: this.#prefix + key };
      const stored = await upload(this.#client, {
        ...place,
        body: source,
        partBytes: PART_BYTES,
        ifAbsent,
        sizeBytes,
        signal,
      });
      return { key, ...stored, modifiedAtMs: this.#clock.nowMs() };
    } catch (error) {
      source.destroy();
      if (error === fault || signal?.aborted) throw error;
      if (ifAbsent && answered(error, 412, 409)) throw await this.#conflict(key, error);
      throw failure(error, `writing ${key}`);
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#streams.delete(source);
    }
  }

  /**
   * Checks that the key really exists: a 409 can also mean a concurrent delete, and SeaweedFS treats a folder
   * as an object. If there is no object, BLOB_EXISTS would lose the bytes.
   */
  async #conflict(key: string, error: unknown): Promise<TributaryError> {
    const there = await this.head(key);
    return there ? new TributaryError("BLOB_EXISTS", `${key} already exists`) : failure(error, `writing ${key}`);
  }

  async get(key: string, options: GetOptions = {}): Promise<{ body: Readable; info: BlobInfo }> {
    const { ifMatch, start = 0, end, signal } = options;
    this.#checkOpen();
    checkKey(key);
    signal?.throwIfAborted();
    const objectKey = this.#prefix + key;
    const isEmpty = end !== undefined && end <= start;
    const opened = isEmpty
      ? undefined
      : await download(this.#client, this.#clock, {
          bucket: this.#bucket,
          objectKey,
          ifMatch,
          start,
          end,
          readBytesMax: this.#readBytesMax,
          signal,
        }).catch((error: unknown) => {
          // The range starts at or after the end of the object.
          if (answered((error as Error).cause, 416)) return undefined;
          throw error;
        });
    if (!opened) return this.#getEmpty(key, ifMatch);
    const { body, ...facts } = opened;
    this.#streams.add(body);
    body.once("close", () => this.#streams.delete(body));
    return { body, info: { key, ...facts } };
  }

  /** The response for an empty range. */
  async #getEmpty(key: string, ifMatch: string | undefined): Promise<{ body: Readable; info: BlobInfo }> {
    const info = await this.head(key);
    if (!info) throw new TributaryError("BLOB_NOT_FOUND", `${key} does not exist`);
    if (ifMatch !== undefined && ifMatch !== info.etag) throw new TributaryError("BLOB_CHANGED", `${key} has changed`);
    return { body: Readable.from([], { objectMode: false }), info };
  }

  async head(key: string): Promise<BlobInfo | undefined> {
    this.#checkOpen();
    checkKey(key);
    try {
      const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key });
      const { ETag, ContentLength = 0, LastModified } = await this.#client.send(command);
      return { key, etag: bareEtag(ETag), sizeBytes: ContentLength, modifiedAtMs: LastModified?.getTime() ?? 0 };
    } catch (error) {
      if (answered(error, 404)) return this.#absent();
      throw failure(error, `checking ${key}`);
    }
  }

  /** HEAD returns 404 also if the bucket does not exist; `ready` detects that. */
  async #absent(): Promise<undefined> {
    await this.ready();
    return undefined;
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<BlobInfo> {
    this.#checkOpen();
    checkPrefix(prefix);
    const { signal } = options;
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: this.#prefix + prefix,
        MaxKeys: this.#pageKeys,
        // Without it, a key with a control character makes the response invalid XML.
        EncodingType: "url",
        ContinuationToken: token,
      });
      const page = await this.#client.send(command, signal ? { abortSignal: signal } : {}).catch((error: unknown) => {
        throw signal?.aborted ? error : failure(error, `listing ${this.url}`);
      });
      for (const { Key = "", Size = 0, ETag, LastModified } of page.Contents ?? []) {
        const key = decodeURIComponent(Key.replaceAll("+", " ")).slice(this.#prefix.length);
        yield { key, sizeBytes: Size, etag: bareEtag(ETag), modifiedAtMs: LastModified?.getTime() ?? 0 };
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async delete(key: string): Promise<void> {
    this.#checkOpen();
    checkKey(key);
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key }));
    } catch (error) {
      if (answered(error, "NoSuchKey")) return;
      throw failure(error, `deleting ${key}`);
    }
  }

  async move(from: string, to: string): Promise<void> {
    checkKey(to);
    const info = await this.head(from);
    if (!info) {
      if (await this.head(to)) return;
      throw new TributaryError("BLOB_NOT_FOUND", `${from} does not exist`);
    }
    if (from === to) return;
    try {
      const CopySource = [this.#bucket, ...(this.#prefix + from).split("/")].map(encodeURIComponent).join("/");
      const copy = { Bucket: this.#bucket, Key: this.#prefix + to, CopySource, CopySourceIfMatch: `"${info.etag}"` };
      if (info.sizeBytes > COPY_BYTES_MAX) await copyLarge(this.#client, copy, info.sizeBytes);
      else await this.#client.send(new CopyObjectCommand(copy));
    } catch (error) {
      throw failure(error, `moving ${from} to ${to}`);
    }
    await this.delete(from);
  }

  async space(): Promise<undefined> {
    return undefined;
  }

  async ready(): Promise<void> {
    this.#checkOpen();
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket }));
    } catch (error) {
      throw failure(error, `checking the bucket ${this.#bucket}`);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new TributaryError("BLOB_UNAVAILABLE", `the store ${this.url} is closed`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const stream of this.#streams) {
      stream.destroy(new TributaryError("BLOB_UNAVAILABLE", `the store ${this.url} was closed`));
    }
    await Promise.all(this.#running);
    this.#client.destroy();
  }
}
