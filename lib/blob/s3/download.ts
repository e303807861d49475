import { GetObjectCommand, type GetObjectCommandOutput, type S3Client } from "@aws-sdk/client-s3";
import type { Readable } from "node:stream";
import type { Clock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import { charsetIn } from "../../media-type.ts";
import { retry } from "../../retry.ts";
import { pullFrom } from "../pull.ts";
import { answered, bareEtag, failure } from "./client.ts";

/** A download fails after this many broken connections in a row without a received byte. */
const RESUMES_MAX = 5;
const RESUME = { attemptsMax: RESUMES_MAX, backoffMsMin: 100, backoffMsMax: 5_000 };

export interface Download {
  bucket: string;
  objectKey: string;
  ifMatch?: string | undefined;
  start: number;
  end?: number | undefined;
  /** Of one request: more are read by several, one after the other. */
  readBytesMax: number;
  signal?: AbortSignal | undefined;
}

export interface Opened {
  body: Readable;
  etag: string;
  /** Size of the whole object. */
  sizeBytes: number;
  modifiedAtMs: number;
  /** As declared in the metadata of the object. */
  charset?: string;
}

/**
 * Opens an object. Further requests, and those after a broken connection, continue in the same version of the
 * object. If that is gone, the body fails.
 */
export async function download(client: S3Client, clock: Clock, wanted: Download): Promise<Opened> {
  const { start, signal } = wanted;
  const { end, until: first, ...opened } = await request(client, wanted);
  let connection = opened.body;
  let until = first;
  let chunks = chunksOf(connection);
  let position = start;
  let failuresInARow = 0;
  let closed = false;

  const resume = async (): Promise<void> => {
    const rest = { ...wanted, ifMatch: opened.etag, start: position, end };
    const next = await retry(clock, signal ? { ...RESUME, signal } : RESUME, () => request(client, rest));
    ({ body: connection, until } = next);
    chunks = chunksOf(connection);
    if (closed) connection.destroy();
  };
  const next = async (): Promise<Buffer | null> => {
    for (;;) {
      try {
        const chunk = await chunks.next();
        if (!chunk.done) {
          position += chunk.value.length;
          failuresInARow = 0;
          return chunk.value;
        }
        if (position >= end) return null;
        if (position >= until) {
          await resume();
          continue;
        }
        throw new Error(`the connection ended at byte ${position} of ${end}`);
      } catch (error) {
        if (closed || ++failuresInARow > RESUMES_MAX) throw failure(error, `reading ${wanted.objectKey}`);
        await resume();
      }
    }
  };
  const close = async (): Promise<void> => {
    closed = true;
    connection.destroy();
  };
  return { ...opened, body: pullFrom({ next, close, signal }) };
}

const chunksOf = (stream: Readable): AsyncIterator<Buffer, undefined> =>
  stream[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;

/**
 * The object's user metadata `charset` (x-amz-meta-charset), else that of its Content-Type. There, UTF-8 says
 * nothing: stores add it to a name that ends in .csv if the writer has named no type.
 */
function charsetOf({ Metadata, ContentType = "" }: GetObjectCommandOutput): { charset?: string } {
  const own = new Map(Object.entries(Metadata ?? {})).get("charset");
  const typed = charsetIn(ContentType);
  const given = typed?.toLowerCase() === "utf-8" ? undefined : typed;
  const charset = own === undefined || own === "" ? given : own.slice(0, CHARSET_CHARS_MAX);
  return charset === undefined ? {} : { charset };
}

const CHARSET_CHARS_MAX = 100;

/**
 * One GET of a non-empty range. `until`: the offset in the object where its body ends; `end`: where the
 * wanted bytes end.
 * @throws the port's errors
 */
async function request(client: S3Client, wanted: Download): Promise<Opened & { until: number; end: number }> {
  const { bucket, objectKey, ifMatch, start, end = Infinity, readBytesMax, signal } = wanted;
  const command = new GetObjectCommand({
    Bucket: bucket,
    Key: objectKey,
    ...(ifMatch === undefined ? {} : { IfMatch: `"${ifMatch}"` }),
    Range: `bytes=${start}-${Math.min(end, start + readBytesMax) - 1}`,
  });
  try {
    const answer = await client.send(command, signal ? { abortSignal: signal } : {});
    const length = answer.ContentLength ?? 0;
    const total = /\/(\d+)$/.exec(answer.ContentRange ?? "")?.[1];
    const sizeBytes = total === undefined ? length : Number(total);
    return {
      body: answer.Body as Readable,
      etag: bareEtag(answer.ETag),
      sizeBytes,
      modifiedAtMs: answer.LastModified?.getTime() ?? 0,
      ...charsetOf(answer),
      until: start + length,
      end: Math.min(end, sizeBytes),
    };
  } catch (error) {
    if (signal?.aborted) throw error;
    if (answered(error, "NoSuchKey", "NotFound"))
      throw new TributaryError("BLOB_NOT_FOUND", `${objectKey} does not exist`);
    if (answered(error, 412)) throw new TributaryError("BLOB_CHANGED", `${objectKey} has changed`);
    throw failure(error, `reading ${objectKey}`);
  }
}
