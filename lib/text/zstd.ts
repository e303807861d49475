import { Decompress } from "fzstd";
import xxhash from "xxhash-wasm";
import { TributaryError } from "../errors.ts";

/**
 * Decompresses zstd. fzstd decompresses each frame; this file splits the data into frames, limits the memory
 * that a frame may request and verifies checksums. Node's own zstd (from 22.15) stops silently after the
 * first frame.
 */

/** Compressed bytes that are decompressed at a time: a few bytes may expand to 128 KiB. */
const SLICE_BYTES = 2048;
/** The default limit of the zstd tool. Further frames get less, because a file may have very many. */
const WINDOW_BYTES_MAX = 128 * 1024 * 1024;
const FURTHER_WINDOW_BYTES_MAX = 8 * 1024 * 1024;
const BLOCK_BYTES_MAX = 128 * 1024;

/**
 * The decompressed bytes of all frames.
 * @throws FILE_EXPANDS_TOO_FAR for a window above the limit; plain errors for damaged data; what the source
 * throws
 */
export async function* unzstd(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const hashes = await xxhash();
  const frames = new FrameReader();
  const out: Uint8Array[] = [];
  let unpacker: Decompress | undefined;
  let hash = hashes.create64();
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
      for (const part of frames.push(chunk.subarray(at, at + SLICE_BYTES))) {
        unpacker ??= new Decompress((unpacked) => {
          if (unpacked.length > 0) out.push(unpacked);
        });
        unpacker.push(part.bytes, part.last);
        for (const unpacked of out.splice(0)) {
          hash.update(unpacked);
          yield unpacked;
        }
        if (!part.last) continue;
        if (part.checksum !== undefined && part.checksum !== Number(hash.digest() & 0xffff_ffffn)) {
          throw new Error("a frame does not match its checksum");
        }
        unpacker = undefined;
        hash = hashes.create64();
      }
    }
  }
  frames.end();
}

/** Bytes of one frame for the decompressor. The last part carries the frame's checksum, if it has one. */
interface FramePart {
  bytes: Uint8Array;
  last: boolean;
  checksum?: number;
}

type Place = "frame" | "block" | "body" | "checksum" | "skipped";

/** Splits compressed bytes into frames by reading only frame and block headers. */
class FrameReader {
  #place: Place = "frame";
  /** The incomplete header or checksum read so far. */
  #held = Buffer.alloc(0);
  /** Remaining bytes of a block's body or of a skippable frame. */
  #left = 0;
  #lastBlock = false;
  #hasChecksum = false;
  #frames = 0;

  push(bytes: Uint8Array): FramePart[] {
    const parts: FramePart[] = [];
    for (let rest = bytes; rest.length > 0;) rest = this.#step(rest, parts);
    return parts;
  }

  /** @throws if the bytes end within a frame */
  end(): void {
    if (this.#place !== "frame" || this.#held.length > 0) throw new Error("unexpected end");
  }

  #step(bytes: Uint8Array, parts: FramePart[]): Uint8Array {
    if (this.#place === "body" || this.#place === "skipped") return this.#pass(bytes, parts);
    const needed = this.#headerBytes();
    const taken = bytes.subarray(0, needed - this.#held.length);
    this.#held = Buffer.concat([this.#held, taken]);
    if (this.#held.length === this.#headerBytes()) {
      const header = this.#held;
      this.#held = Buffer.alloc(0);
      this.#take(header, parts);
    }
    return bytes.subarray(taken.length);
  }

  /** Length of the header being read, as far as its bytes so far determine it. */
  #headerBytes(): number {
    if (this.#place === "block") return 3;
    if (this.#place === "checksum") return 4;
    const held = this.#held;
    if (held.length < 4) return 4;
    if (isSkippable(held)) return 8;
    if (held.readUInt32LE() !== ZSTD_MAGIC) throw new Error("a frame does not start with the zstd magic number");
    if (held.length < 5) return 5;
    const descriptor = held[4]!;
    return 5 + (isSingleSegment(descriptor) ? 0 : 1) + dictionaryBytes(descriptor) + contentSizeBytes(descriptor);
  }

  #take(header: Buffer, parts: FramePart[]): void {
    if (this.#place === "checksum") return this.#endFrame(parts, header.readUInt32LE());
    if (this.#place === "block") {
      parts.push({ bytes: header, last: false });
      return this.#beginBlock(header.readUIntLE(0, 3), parts);
    }
    if (isSkippable(header)) {
      this.#left = header.readUInt32LE(4);
      this.#place = this.#left > 0 ? "skipped" : "frame";
      return;
    }
    checkWindow(header, this.#frames++ === 0 ? WINDOW_BYTES_MAX : FURTHER_WINDOW_BYTES_MAX);
    this.#hasChecksum = (header[4]! & 4) !== 0;
    this.#place = "block";
    parts.push({ bytes: header, last: false });
  }

  #beginBlock(header: number, parts: FramePart[]): void {
    const [type, size] = [(header >> 1) & 3, header >> 3];
    if (type === 3 || size > BLOCK_BYTES_MAX) throw new Error("a block header is invalid");
    this.#lastBlock = (header & 1) === 1;
    // A run-length block stores a single byte.
    this.#left = type === 1 ? 1 : size;
    this.#place = "body";
    if (this.#left === 0) this.#endBlock(parts);
  }

  #pass(bytes: Uint8Array, parts: FramePart[]): Uint8Array {
    const taken = bytes.subarray(0, this.#left);
    this.#left -= taken.length;
    if (this.#place === "body") parts.push({ bytes: taken, last: false });
    if (this.#left === 0 && this.#place === "skipped") this.#place = "frame";
    else if (this.#left === 0) this.#endBlock(parts);
    return bytes.subarray(taken.length);
  }

  #endBlock(parts: FramePart[]): void {
    if (!this.#lastBlock) this.#place = "block";
    else if (this.#hasChecksum) this.#place = "checksum";
    else this.#endFrame(parts);
  }

  #endFrame(parts: FramePart[], checksum?: number): void {
    this.#place = "frame";
    // fzstd expects a checksum but does not verify it, so four zero bytes will do.
    const bytes = Buffer.alloc(this.#hasChecksum ? 4 : 0);
    parts.push({ bytes, last: true, ...(checksum === undefined ? {} : { checksum }) });
  }
}

const ZSTD_MAGIC = 0xfd2fb528;

const isSkippable = (head: Buffer): boolean => (head.readUInt32LE() & 0xffff_fff0) >>> 0 === 0x184d2a50;
const isSingleSegment = (descriptor: number): boolean => (descriptor & 0x20) !== 0;
const dictionaryBytes = (descriptor: number): number => [0, 1, 2, 4][descriptor & 3]!;
const contentSizeBytes = (descriptor: number): number =>
  descriptor >> 6 === 0 ? (isSingleSegment(descriptor) ? 1 : 0) : 1 << (descriptor >> 6);

/** Limits the memory that a frame requests: its window, or its whole content. */
function checkWindow(header: Buffer, bytesMax: number): void {
  const descriptor = header[4]!;
  if ((descriptor & 3) !== 0) throw new Error("the frame requires a dictionary");
  const [exponent, mantissa] = [header[5]! >> 3, header[5]! & 7];
  const window = isSingleSegment(descriptor)
    ? littleEndian(header.subarray(5))
    : 2 ** (10 + exponent) * (1 + mantissa / 8);
  if (window <= bytesMax) return;
  const asked = `the zstd frame requests a window of more than ${bytesMax >> 20} MiB`;
  throw new TributaryError("FILE_EXPANDS_TOO_FAR", asked);
}

const littleEndian = (bytes: Buffer): number => bytes.reduceRight((value, byte) => value * 256 + byte, 0);
