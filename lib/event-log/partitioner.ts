/**
 * The partition of a key: murmur2 of its UTF-8 bytes, as in Kafka's clients, so that all adapters and other
 * producers agree. It must never change, because all events of a table must stay in one partition.
 */
export function partitionOfKey(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key, "utf8")) & 0x7fffffff) % partitions;
}

const M = 0x5bd1e995;

/** 32-bit MurmurHash2 with Kafka's seed. Returns a signed integer. */
export function murmur2(data: Buffer): number {
  let hash = 0x9747b28c ^ data.length;
  const tail = data.length & ~3;
  for (let at = 0; at < tail; at += 4) {
    const k = Math.imul(data.readInt32LE(at), M);
    hash = Math.imul(hash, M) ^ Math.imul(k ^ (k >>> 24), M);
  }
  const rest = data.length - tail;
  if (rest > 0) hash = Math.imul(hash ^ data.readUIntLE(tail, rest), M);
  hash = Math.imul(hash ^ (hash >>> 13), M);
  return hash ^ (hash >>> 15);
}
