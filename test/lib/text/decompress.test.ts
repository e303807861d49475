import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { decompress } from "../../../lib/text/decompress.ts";
import { DEFAULT_LIMITS } from "../../../lib/parsing/limits.ts";
import { hasCode, type ErrorCode } from "../../../lib/errors.ts";
import { parse, pieces } from "../parsing/parsing.ts";

async function unpacked(bytes: Uint8Array, limits = DEFAULT_LIMITS, pieceBytes = 1000): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of decompress(pieces(bytes, pieceBytes), limits)) parts.push(part);
  return Buffer.concat(parts);
}

const fails = (bytes: Uint8Array, code: ErrorCode, limits = DEFAULT_LIMITS) =>
  assert.rejects(unpacked(bytes, limits), (error) => hasCode(error, code));

/** A zstd frame written by hand: raw and run-length blocks need no compressor. */
function zstd(blocks: readonly (Buffer | { byte: number; times: number })[]): Buffer {
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])];
  blocks.forEach((block, index) => {
    const raw = Buffer.isBuffer(block);
    const size = raw ? block.length : block.times;
    const header = Buffer.alloc(3);
    header.writeUIntLE((size << 3) | (raw ? 0 : 2) | (index === blocks.length - 1 ? 1 : 0), 0, 3);
    parts.push(header, raw ? block : Buffer.from([block.byte]));
  });
  return Buffer.concat(parts);
}

test("plain, gzip and zstd, in pieces of any size", async () => {
  const text = Buffer.from("a,b\n1,2\n".repeat(5_000));
  for (const pieceBytes of [1, 3, 999, 1 << 20]) {
    assert.deepEqual(await unpacked(text.subarray(0, 5_000), DEFAULT_LIMITS, pieceBytes), text.subarray(0, 5_000));
    assert.deepEqual(await unpacked(gzipSync(text), DEFAULT_LIMITS, pieceBytes), text);
    const frame = zstd([text.subarray(0, 10_000), text.subarray(10_000)]);
    assert.deepEqual(await unpacked(frame, DEFAULT_LIMITS, pieceBytes), text);
  }
  assert.deepEqual(await unpacked(Buffer.alloc(0)), Buffer.alloc(0));
});

test("several gzip members and zstd frames are one file", async () => {
  assert.equal((await unpacked(Buffer.concat([gzipSync("a\n"), gzipSync("b\n")]))).toString(), "a\nb\n");
  const frames = Buffer.concat([zstd([Buffer.from("a\n")]), zstd([Buffer.from("b\n")])]);
  assert.equal((await unpacked(frames)).toString(), "a\nb\n");
});

test("damaged and truncated data is FILE_CORRUPT", async () => {
  const packed = gzipSync(Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7919) % 251)));
  await fails(packed.subarray(0, packed.length - 20), "FILE_CORRUPT");
  const damaged = Buffer.from(packed);
  damaged.fill(0xff, 100, 200);
  await fails(damaged, "FILE_CORRUPT");
  await fails(zstd([Buffer.from("hello")]).subarray(0, 10), "FILE_CORRUPT");
  const text = await parse(packed.subarray(0, packed.length - 20));
  assert.equal(text.summary.error?.code, "FILE_CORRUPT");
});

test("bombs are stopped, by size and by ratio", async () => {
  const bomb = gzipSync(Buffer.alloc(120_000_000, "a,b\n"));
  await fails(bomb, "FILE_EXPANDS_TOO_FAR", { ...DEFAULT_LIMITS, expandedBytesMax: 1_000_000 });
  await fails(bomb, "FILE_EXPANDS_TOO_FAR", { ...DEFAULT_LIMITS, expansionRatioMax: 100 });
  const runs = zstd(Array.from({ length: 2_000 }, () => ({ byte: 97, times: 100_000 })));
  await fails(runs, "FILE_EXPANDS_TOO_FAR");
  const hugeWindow = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0]), Buffer.alloc(100)]);
  await fails(hugeWindow, "FILE_EXPANDS_TOO_FAR");
});

test("an error of the source is passed on as it is, also through gzip", async () => {
  const failure = new Error("the network is gone");
  for (const head of [Buffer.from("a,b\n"), gzipSync(Buffer.alloc(100_000, "abc")).subarray(0, 100)]) {
    const source = async function* () {
      yield head;
      throw failure;
    };
    await assert.rejects(
      (async () => {
        for await (const _ of decompress(source(), DEFAULT_LIMITS));
      })(),
      failure,
    );
  }
});

test("a name that promises compression, over binary rubbish", async () => {
  const rubbish = Buffer.from(Array.from({ length: 2_000 }, (_, i) => (i * 31) % 32));
  const corrupt = await parse(rubbish, { job: { fileName: "a.csv.gz" } });
  assert.equal(corrupt.summary.error?.code, "FILE_CORRUPT");
  const plain = await parse("a\n1\n", { job: { fileName: "a.csv.gz" } });
  assert.equal(plain.summary.outcome, "complete");
});
