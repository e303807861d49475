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

/** S3's limit. */
const PARTS_MAX = 10_000;
const FIRST_BUFFER_BYTES = 256 * 1024;
/** Parts on their way at the same time, beside the one being filled. */
const PARTS_AT_ONCE = 2;

export interface Upload {
  bucket: string;
  objectKey: string;
  body: Readable;
  /** At least 5 MiB. Memory of an upload: three times this. 10,000 of them are the largest object of unknown size. */
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
 * Stores a stream: one PUT if it fits into one part, a multipart upload otherwise. Until the last request, which makes the object
 * visible, the signal and any failure of the body undo everything; from then on the store's answer decides.
 * (lib-storage's Upload goes on reading after a part has failed, and its abort leaves parts behind or an object in sight.)
 */
export async function upload(client: S3Client, upload: Upload): Promise<Uploaded> {
  const partBytes = Math.max(upload.partBytes, Math.ceil((upload.sizeBytes ?? 0) / PARTS_MAX));
  let multipart: Multipart | undefined;
  try {
    for await (const bytes of partsOf(upload.body, partBytes)) {
      if (!multipart && bytes.length < partBytes) return await putWhole(client, upload, bytes);
      multipart ??= await beginMultipart(client, upload);
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
  /** Resolves when there is room for another part. */
  send(bytes: Buffer): Promise<void>;
  complete(): Promise<Uploaded>;
  /** Waits for what is on its way and removes it. Does not throw. */
  abort(): Promise<void>;
}

async function beginMultipart(client: S3Client, upload: Upload): Promise<Multipart> {
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
  };
  return {
    async send(bytes) {
      if (++count > PARTS_MAX) throw tooLarge(upload);
      sizeBytes += bytes.length;
      // One that failed stays, for the race or the final wait to find.
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
      // If this fails too, the bucket's rule for unfinished uploads removes the parts; they are never visible.
      await client.send(new AbortMultipartUploadCommand({ ...place, UploadId })).catch(() => undefined);
    },
  };
}

/** The last look before the object becomes visible. */
function checkComplete({ sizeBytes, signal }: Upload, cameBytes: number): void {
  signal?.throwIfAborted();
  if (sizeBytes === undefined || sizeBytes === cameBytes) return;
  throw new TributaryError("UPLOAD_INCOMPLETE", `${cameBytes} bytes came where ${sizeBytes} were announced`);
}

const tooLarge = ({ objectKey, partBytes }: Upload): TributaryError =>
  new TributaryError("BODY_TOO_LARGE", `${objectKey} is larger than ${PARTS_MAX} parts of ${partBytes} bytes`);

/** Buffers of exactly `partBytes`; the last one is shorter, and missing if nothing is left for it. */
async function* partsOf(body: Readable, partBytes: number): AsyncGenerator<Buffer, void> {
  // The first buffer grows, since most bodies are short; those that follow it have their full length at once.
  let part = Buffer.allocUnsafe(Math.min(partBytes, FIRST_BUFFER_BYTES));
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
      part = Buffer.allocUnsafe(partBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}
