import type { Readable } from "node:stream";

/** Reads to the end, or just past `bytesMax`; the stream stays open for further reads. */
export async function readUpTo(stream: Readable, bytesMax: number): Promise<{ chunks: Buffer[]; ended: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  const iterator = stream.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  for await (const chunk of iterator) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > bytesMax) return { chunks, ended: false };
  }
  return { chunks, ended: true };
}

export async function* concatenate(head: readonly Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* head;
  yield* rest;
}
