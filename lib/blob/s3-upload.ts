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
import { TributaryError } from "../errors.ts";
import { bareEtag } from "./s3-client.ts";

/** S3's limits: parts of 5 MiB or more (the last may be less), at most 10,000. */
export const PART_BYTES_MIN = 5 * 1024 * 1024;
const PARTS_MAX = 10_000;
/** Parts on their way at the same time, beside the one being filled. */
const PARTS_AT_ONCE = 2;

export interface Upload {
  bucket: string;
  objectKey: string;
  body: Readable;
  /** Memory of an upload: three times this. 10,000 of them are the largest object of unknown size. */
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
  const parts = partsOf(upload.body, partBytes);
  try {
    const first = await parts.next();
    const bytes = first.done ? Buffer.alloc(0) : first.value;
    return await (bytes.length < partBytes ? putWhole(client, upload, bytes) : putParts(client, upload, bytes, parts));
  } finally {
    await parts.return(undefined);
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

async function putParts(
  client: S3Client,
  upload: Upload,
  first: Buffer,
  rest: AsyncGenerator<Buffer, void>,
): Promise<Uploaded> {
  const place = { Bucket: upload.bucket, Key: upload.objectKey };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(place));
  const sending = new Set<Promise<void>>();
  try {
    const done: CompletedPart[] = [];
    const send = async (bytes: Buffer, PartNumber: number): Promise<void> => {
      const command = new UploadPartCommand({ ...place, UploadId, PartNumber, Body: bytes });
      const { ETag } = await client.send(command, upload.signal ? { abortSignal: upload.signal } : {});
      done.push({ PartNumber, ETag });
    };
    let sizeBytes = 0;
    let number = 0;
    for (let part: IteratorResult<Buffer, void> = { value: first }; !part.done; part = await rest.next()) {
      if (++number > PARTS_MAX) throw tooLarge(upload);
      sizeBytes += part.value.length;
      // One that failed stays, for the race or the final wait to find.
      const sent = send(part.value, number).then(() => void sending.delete(sent));
      sent.catch(() => undefined);
      sending.add(sent);
      if (sending.size >= PARTS_AT_ONCE) await Promise.race(sending);
    }
    await Promise.all(sending);
    checkComplete(upload, sizeBytes);
    const Parts = done.sort((a, b) => a.PartNumber! - b.PartNumber!);
    const condition = upload.ifAbsent ? { IfNoneMatch: "*" } : {};
    const command = new CompleteMultipartUploadCommand({
      ...place,
      UploadId,
      MultipartUpload: { Parts },
      ...condition,
    });
    return { etag: bareEtag((await client.send(command)).ETag), sizeBytes };
  } catch (error) {
    await Promise.allSettled(sending);
    // If this fails too, the bucket's lifecycle rule for unfinished uploads removes the parts; they are never visible.
    await client.send(new AbortMultipartUploadCommand({ ...place, UploadId })).catch(() => undefined);
    throw error;
  }
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
  let chunks: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body as AsyncIterable<Buffer | string>) {
    let chunk = typeof piece === "string" ? Buffer.from(piece) : piece;
    while (bytes + chunk.length >= partBytes) {
      const taken = partBytes - bytes;
      yield Buffer.concat([...chunks, chunk.subarray(0, taken)], partBytes);
      chunk = chunk.subarray(taken);
      chunks = [];
      bytes = 0;
    }
    if (chunk.length > 0) chunks.push(chunk);
    bytes += chunk.length;
  }
  if (bytes > 0) yield Buffer.concat(chunks, bytes);
}
