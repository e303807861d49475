import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { TributaryError, messageOf } from "../errors.ts";
import type { BlobStore } from "./blob-store.ts";

const HEAD_BYTES = 16;
/** Chunks that arrive during a write are written together: a write for each of them takes twice the CPU. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Copies an object to a new file of this machine. Returns the SHA-256 of its bytes, in hex, and the first
 * ones.
 * @throws what `get` throws; DISK_FULL
 */
export async function copyToFile(
  blob: Pick<BlobStore, "get">,
  key: string,
  path: string,
  signal: AbortSignal,
): Promise<{ sha256: string; head: Buffer }> {
  const { body } = await blob.get(key, { signal });
  const hash = createHash("sha256");
  let head: Buffer = Buffer.alloc(0);
  const hashed = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES)]);
      yield chunk;
    }
  };
  try {
    const file = createWriteStream(path, { flags: "wx", highWaterMark: WAITING_BYTES_MAX });
    await pipeline(hashed, file, { signal });
  } catch (thrown) {
    if (/ENOSPC|EDQUOT/.test(messageOf(thrown)))
      throw new TributaryError("DISK_FULL", `copying '${key}': ${messageOf(thrown)}`, { cause: thrown });
    throw thrown;
  }
  return { sha256: hash.digest("hex"), head };
}
