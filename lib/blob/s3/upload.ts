import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { Readable } from "node:stream";
import { TributaryError } from "../../errors.ts";
import { bareEtag } from "./client.ts";

/** S3's limit for one object. */
const PARTS_MAX = 10_000;
const FIRST_BUFFER_BYTES = 256 * 1024;
/** Parts sent concurrently, in addition to the one being filled. */
const PARTS_AT_ONCE = 2;

export interface Upload {
  bucket: string;
  objectKey: string;
  body: Readable;
  /**
   * At least 5 MiB. An upload uses three times this memory. An object of unknown size has at most 10,000
   * parts.
   */
  partBytes: number;
  ifAbsent: boolean;
  sizeBytes?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface Uploaded {
  etag: string;
  sizeBytes: number;
}

/**
 * Stores a stream: one PUT if it fits into one part, otherwise a multipart upload. The last request makes the
 * object visible. Before it, an abort or a failure of the body removes everything; after it, the store's
 * response decides. (Upload of @aws-sdk/lib-storage keeps reading after a part fails, and its abort can leave
 * parts or a visible object.)
 */
export async function upload(client: S3Client, upload: Upload): Promise<Uploaded> {
  const partBytes = Math.max(upload.partBytes, Math.ceil((upload.sizeBytes ?? 0) / PARTS_MAX));
  let multipart: Multipart | undefined;
  // Buffers of stored parts. V8 collects all garbage whenever 64 MB of new buffers have come.
  const spare: Buffer[] = [];
  try {
    for await (const bytes of partsOf(upload.body, partBytes, spare)) {
      if (!multipart && bytes.length < partBytes) return await putWhole(client, upload, bytes);
      multipart ??= await beginMultipart(client, upload, spare);
      await multipart.send(bytes);
    }
    return await (multipart ? multipart.complete() : putWhole(client, upload, Buffer.alloc(0)));
  } catch (error) {
    await multipart?.abort();
    throw error;
  }
}

async function putWhole(client: S3Client, upload: Upload, bytes: Buffer): Promise<Uploaded> {
  checkComplete(upload, bytes.length);
  const answer = await client.send(
    new PutObjectCommand({
      Bucket: upload.bucket,
      Key: upload.objectKey,
      Body: bytes,
      ContentLength: bytes.length,
      ...(upload.ifAbsent ? { IfNoneMatch: "*" } : {}),
    }),
  );
  return { etag: bareEtag(answer.ETag), sizeBytes: bytes.length };
}

interface Multipart {
  /** Resolves when another part can be sent. */
  send(bytes: Buffer): Promise<void>;
  complete(): Promise<Uploaded>;
  /** Waits for the parts being sent, then removes all parts. Does not throw. */
  abort(): Promise<void>;
}

/** The buffers of stored parts are added to `spare`. */
async function beginMultipart(client: S3Client, upload: Upload, spare: Buffer[]): Promise<Multipart> {
  const place = { Bucket: upload.bucket, Key: upload.objectKey };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(place));
  const sending = new Set<Promise<void>>();
  const done: CompletedPart[] = [];
  let sizeBytes = 0;
  let count = 0;

  const sendPart = async (Body: Buffer, PartNumber: number): Promise<void> => {
    const command = new UploadPartCommand({ ...place, UploadId, PartNumber, Body });
    const { ETag } = await client.send(command, upload.signal ? { abortSignal: upload.signal } : {});
    done.push({ PartNumber, ETag });
    spare.push(Body);
  };
  return {
    async send(bytes) {
      if (++count > PARTS_MAX) throw tooLarge(upload);
      sizeBytes += bytes.length;
      // A failed part stays in the set, so that the race or the final wait throws its error.
      const sent = sendPart(bytes, count).then(() => void sending.delete(sent));
      sent.catch(() => undefined);
      sending.add(sent);
      if (sending.size >= PARTS_AT_ONCE) await Promise.race(sending);
    },
    async complete() {
      await Promise.all(sending);
      checkComplete(upload, sizeBytes);
      const Parts = done.sort((a, b) => a.PartNumber! - b.PartNumber!);
      const condition = upload.ifAbsent ? { IfNoneMatch: "*" } : {};
      const MultipartUpload = { Parts };
      const command = new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload, ...condition });
      return { etag: bareEtag((await client.send(command)).ETag), sizeBytes };
    },
    async abort() {
      await Promise.allSettled(sending);
      // If this fails, the bucket's lifecycle rule for incomplete uploads removes the parts. They are never
      // visible.
      await client.send(new AbortMultipartUploadCommand({ ...place, UploadId })).catch(() => undefined);
    },
  };
}

/** The last check before the object becomes visible. @throws UPLOAD_INCOMPLETE */
function checkComplete({ sizeBytes, signal }: Upload, receivedBytes: number): void {
  signal?.throwIfAborted();
  if (sizeBytes === undefined || sizeBytes === receivedBytes) return;
  throw new TributaryError("UPLOAD_INCOMPLETE", `received ${receivedBytes} of ${sizeBytes} bytes`);
}

const tooLarge = ({ objectKey, partBytes }: Upload): TributaryError =>
  new TributaryError("BODY_TOO_LARGE", `${objectKey} exceeds ${PARTS_MAX} parts of ${partBytes} bytes`);

/**
 * Yields buffers of exactly `partBytes`, spare ones first. The last one may be shorter; it is never empty.
 */
async function* partsOf(body: Readable, partBytes: number, spare: Buffer[]): AsyncGenerator<Buffer, void> {
  // Most bodies are short, so the first buffer starts small and grows; later buffers have the full size.
  let part: Buffer = Buffer.allocUnsafe(Math.min(partBytes, FIRST_BUFFER_BYTES));
  let filled = 0;
  for await (const piece of body as AsyncIterable<Buffer | string>) {
    let chunk = typeof piece === "string" ? Buffer.from(piece) : piece;
    while (chunk.length > 0) {
      if (filled === part.length) part = Buffer.concat([part], Math.min(partBytes, 4 * part.length));
      const copied = chunk.copy(part, filled);
      filled += copied;
      chunk = chunk.subarray(copied);
      if (filled < partBytes) continue;
      yield part;
      part = spare.pop() ?? Buffer.allocUnsafe(partBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}
