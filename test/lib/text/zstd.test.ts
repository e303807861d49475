import assert from "node:assert/strict";
import { test } from "node:test";
import { unzstd } from "../../../lib/text/zstd.ts";
import { hasCode } from "../../../lib/errors.ts";
import { pieces } from "../parsing/parsing.ts";

/** By the zstd tool: the text, compressed, without and with a checksum. */
const TEXT = "id,name\n1,hello hello hello hello\n2,world world world\n";
const PLAIN = Buffer.from("KLUv/QBYFQEA0GlkLG5hbWUKMSxoZWxsbyAKMix3b3JsZCAKAgDAODKXJQ==", "base64");
const CHECKED = Buffer.from("KLUv/QRYFQEA0GlkLG5hbWUKMSxoZWxsbyAKMix3b3JsZCAKAgDAODKXJeDisS8=", "base64");
const SKIPPABLE = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]);
/** A raw block of no bytes, the last. */
const EMPTY = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 1, 0, 0]);

async function unpacked(bytes: Uint8Array, pieceBytes = 1000): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of unzstd(pieces(bytes, pieceBytes))) parts.push(part);
  return Buffer.concat(parts).toString();
}

test("frames with and without checksum, empty and skipped ones, in pieces of any size", async () => {
  for (const pieceBytes of [1, 2, 3, 7, 1000]) {
    assert.equal(await unpacked(PLAIN, pieceBytes), TEXT);
    assert.equal(await unpacked(CHECKED, pieceBytes), TEXT);
    const several = Buffer.concat([SKIPPABLE, CHECKED, EMPTY, SKIPPABLE, PLAIN, CHECKED, SKIPPABLE]);
    assert.equal(await unpacked(several, pieceBytes), TEXT + TEXT + TEXT, `${pieceBytes} bytes at a time`);
  }
});

test("whatever byte is damaged, a frame with a checksum does not pass for another text", async () => {
  for (let at = 0; at < CHECKED.length; at++) {
    for (const bit of [1, 16, 128]) {
      const damaged = Buffer.from(CHECKED);
      damaged[at]! ^= bit;
      const text = await unpacked(damaged).catch(() => TEXT);
      // A bit of the header may turn the checksum off, or the frame into one to be skipped; what comes then
      // is no other text.
      if (at > 4) assert.equal(text, TEXT, `byte ${at}`);
    }
  }
});

test("data cut short or followed by something else are damaged", async () => {
  for (let length = 1; length < CHECKED.length; length++) {
    await assert.rejects(unpacked(CHECKED.subarray(0, length)), `${length} bytes`);
  }
  await assert.rejects(unpacked(Buffer.concat([PLAIN, Buffer.from("more")])), /a frame does not start/);
  const reserved = Buffer.from(PLAIN);
  reserved[6] = 6;
  await assert.rejects(unpacked(reserved), /a block header is invalid/);
  await assert.rejects(unpacked(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, 7])), /dictionary/);
});

test("no frame may ask for absurd memory: neither by its window nor by its content size, neither the first nor a later one", async () => {
  const windowed = (descriptor: number): Buffer => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, descriptor, 1, 0, 0]);
  const whole = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0x20, 0, 0, 0, 0, 1, 0, 0]);
  const tooMuch = (error: unknown): boolean => hasCode(error, "FILE_EXPANDS_TOO_FAR");
  await assert.rejects(unpacked(windowed(0xa0)), tooMuch);
  await assert.rejects(unpacked(whole), tooMuch);
  assert.equal(await unpacked(windowed(17 << 3)), "", "128 MiB");
  await assert.rejects(unpacked(Buffer.concat([EMPTY, windowed(17 << 3)])), tooMuch);
});
