/**
 * Which partition a key belongs to: murmur2 of its UTF-8 bytes, as Kafka's own clients do it, so that every adapter and every
 * foreign producer agrees. Must never change: a table's events live in one partition for ever.
 */
export function partitionOfKey(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key, "utf8")) & 0x7fffffff) % partitions;
}

const M = 0x5bd1e995;

/** MurmurHash2, 32 bits, Kafka's seed; a signed integer. */
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
