import { Decompress } from "fzstd";
import xxhash from "xxhash-wasm";
import { TributaryError } from "../errors.ts";

/**
 * zstd data: fzstd unpacks them, and this cuts them into frames and sees that none asks for absurd memory and each keeps its checksum.
 * Node's own (from 22.15 on) ends in silence after the first frame of several.
 */

/** Compressed bytes unpacked at a time: a few bytes may stand for 128 KiB. */
const SLICE_BYTES = 2048;
/** What the zstd tool, too, refuses to allot unasked; and so much for each further frame, for there may be very many. */
const WINDOW_BYTES_MAX = 128 * 1024 * 1024;
const FURTHER_WINDOW_BYTES_MAX = 8 * 1024 * 1024;
const BLOCK_BYTES_MAX = 128 * 1024;

/** The unpacked bytes of all frames. @throws FILE_EXPANDS_TOO_FAR for too large a window; plain errors for damaged data; what the source throws. */
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
          throw new Error("the checksum of a frame is wrong");
        }
        unpacker = undefined;
        hash = hashes.create64();
      }
    }
  }
  frames.end();
}

/** Bytes of one frame, for the unpacker; the frame's checksum, if it has one, comes beside its last part. */
interface FramePart {
  bytes: Uint8Array;
  last: boolean;
  checksum?: number;
}

type Place = "frame" | "block" | "body" | "checksum" | "skipped";

/** Cuts compressed bytes into frames, by the headers of frames and blocks alone. */
class FrameReader {
  #place: Place = "frame";
  /** What there is of a header or checksum that is not complete. */
  #held = Buffer.alloc(0);
  /** Bytes of a block's body, or of a frame to be skipped, still to come. */
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

  /** So many bytes make up the header that is being read, as far as can be told yet. */
  #headerBytes(): number {
    if (this.#place === "block") return 3;
    if (this.#place === "checksum") return 4;
    const held = this.#held;
    if (held.length < 4) return 4;
    if (isSkippable(held)) return 8;
    if (held.readUInt32LE() !== ZSTD_MAGIC) throw new Error("no frame begins where one should");
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
    if (type === 3 || size > BLOCK_BYTES_MAX) throw new Error("no block begins where one should");
    this.#lastBlock = (header & 1) === 1;
    // Of a run of one byte only that byte is there.
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
    // The unpacker waits for a checksum, too; that it does not look at it is why we do.
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

/** The memory that a frame asks for: its window, or its whole content. */
function checkWindow(header: Buffer, bytesMax: number): void {
  const descriptor = header[4]!;
  if ((descriptor & 3) !== 0) throw new Error("the frame needs a dictionary");
  const [exponent, mantissa] = [header[5]! >> 3, header[5]! & 7];
  const window = isSingleSegment(descriptor)
    ? littleEndian(header.subarray(5))
    : 2 ** (10 + exponent) * (1 + mantissa / 8);
  if (window <= bytesMax) return;
  const asked = `the zstd frame asks for a window of more than ${bytesMax >> 20} MiB`;
  throw new TributaryError("FILE_EXPANDS_TOO_FAR", asked);
}

const littleEndian = (bytes: Buffer): number => bytes.reduceRight((value, byte) => value * 256 + byte, 0);
