import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { detectEncoding } from "../../../lib/text/decoding/detect.ts";
import { transcoderOf } from "../../../lib/text/decoding/transcode.ts";
import type { Encoding } from "../../../lib/text/encoding.ts";
import { hasCode } from "../../../lib/errors.ts";
import { parse, type ParseSetup } from "../parsing/parsing.ts";

const utf16be = (text: string): Buffer => Buffer.from(text, "utf16le").swap16();

function transcode(encoding: Encoding, bytes: Buffer, cuts: readonly number[] = []): Buffer {
  const transcoder = transcoderOf(encoding);
  const places = [...new Set(cuts.map((at) => at % (bytes.length + 1)))].sort((a, b) => a - b);
  const parts = [0, ...places].map((start, i) => transcoder.push(bytes.subarray(start, places[i] ?? bytes.length)));
  return Buffer.concat([...parts, transcoder.end()]);
}

test("encodings are told by their bytes", () => {
  const text = "name;größe\nJosé;3\n";
  for (const [encoding, bytes] of [
    ["utf-8", Buffer.from(text)],
    ["utf-8", Buffer.from(`\ufeff${text}`)],
    ["utf-8", Buffer.from("a,b\n")],
    ["utf-8", Buffer.alloc(0)],
    ["utf-8", Buffer.from("é漢").subarray(0, 4)],
    ["utf-16le", Buffer.from(`\ufeff${text}`, "utf16le")],
    ["utf-16le", Buffer.from(text, "utf16le")],
    ["utf-16be", utf16be(`\ufeff${text}`)],
    ["utf-16be", utf16be(text)],
    ["windows-1252", Buffer.from(text, "latin1")],
    ["windows-1252", Buffer.from([0x80, 0x2c, 0x31])],
    ["utf-8", Buffer.concat([Buffer.from("é,ü,ß,"), Buffer.from([0xff])])],
  ] as const) {
    assert.equal(detectEncoding(bytes).encoding, encoding, bytes.toString("hex"));
  }
  assert.equal(detectEncoding(Buffer.from("größe", "latin1"), { declared: "iso-8859-1" }).encoding, "iso-8859-1");
  assert.throws(
    () => detectEncoding(Buffer.from([0xff, 0xfe, 0, 0])),
    (error) => hasCode(error, "FILE_ENCODING_UNKNOWN"),
  );
});

test("every encoding comes out as UTF-8, cut anywhere", () => {
  const cuts = fc.array(fc.nat(200), { maxLength: 5 });
  const latin = fc.string({ unit: fc.integer({ min: 0xa0, max: 0xff }).map((code) => String.fromCharCode(code)) });
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), latin, cuts, (text, western, places) => {
      for (const mark of ["", "\ufeff"]) {
        const kept = text.replace(/^\ufeff+/, "");
        assert.equal(transcode("utf-8", Buffer.from(mark + kept), places).toString(), kept);
        assert.equal(transcode("utf-16le", Buffer.from(mark + kept, "utf16le"), places).toString(), kept);
        assert.equal(transcode("utf-16be", utf16be(mark + kept), places).toString(), kept);
      }
      for (const encoding of ["iso-8859-1", "windows-1252"] as const) {
        assert.equal(transcode(encoding, Buffer.from(western, "latin1"), places).toString(), western);
      }
    }),
  );
});

test("ISO-8859-1 is read as Windows-1252, whose undefined bytes stay invalid", () => {
  const bytes = Buffer.from([0x80, 0x93, 0x94, 0x99, 0xe9]);
  for (const encoding of ["windows-1252", "iso-8859-1"] as const) {
    assert.equal(transcode(encoding, bytes).toString(), "€“”™é");
    const undefinedByte = transcode(encoding, Buffer.from([0x41, 0x81, 0xe9]));
    assert.deepEqual([isUtf8(undefinedByte), undefinedByte[1]], [false, 0x81]);
  }
});

test("lone surrogates and half characters reject their row, and only that", async () => {
  const text = "a,b\n1,\ud800\n2,ok\n3,\udc00x\n4,\ud83d\ude00\n";
  for (const bytes of [Buffer.from(text, "utf16le"), utf16be(text)]) {
    const parsed = await parse(bytes, { pieceBytes: 7 });
    assert.deepEqual(
      parsed.rejects.map(({ row, reason }) => [row, reason]),
      [
        [1, "encoding"],
        [3, "encoding"],
      ],
    );
    assert.deepEqual(
      parsed.rows.map((row) => row["b"]),
      ["ok", "😀"],
    );
  }
  const cutShort = await parse(Buffer.concat([Buffer.from("a,b\n1,x", "utf16le"), Buffer.from([0x41])]));
  assert.deepEqual(
    cutShort.rejects.map(({ reason }) => reason),
    ["encoding"],
  );
});

test("a whole file of ASCII is UTF-8 whatever its table's encoding, also if its header fails", async () => {
  const contract = { columns: [{ name: "needed", type: "VARCHAR", required: true }] };
  const encodingOf = async (content: Buffer, setup: ParseSetup = {}): Promise<unknown> => {
    const options = { delimiter: ",", quote: '"', escape: '"', header: true, encoding: "windows-1252" } as const;
    const job = { pinned: { format: "csv", options } };
    return (await parse(content, { job, ...setup })).summary.dialect?.encoding;
  };
  assert.equal(await encodingOf(Buffer.from("a,b\n1,2\n"), { contract }), "utf-8");
  assert.equal(await encodingOf(Buffer.from("a,größe\n1,2\n"), { contract }), "utf-8");
  assert.equal(await encodingOf(Buffer.from("a,b\n1,2\n")), "utf-8");
  assert.equal(await encodingOf(Buffer.from("a,gr\xf6\xdfe\n1,2\n", "latin1")), "windows-1252");
  const long = Buffer.from(`a,b\n${"1,2\n".repeat(500)}1,\xe9\n`, "latin1");
  const limits = { detectionBytes: 512, inferenceBytes: 512 };
  assert.equal(await encodingOf(long, { limits, pieceBytes: 100 }), "windows-1252", "the rest may need it");
});

test("damage beyond the sample is a rejected row, never a replacement character", async () => {
  const bytes = Buffer.concat([
    Buffer.from(`a\né\n${"x\n".repeat(999)}caf`),
    Buffer.from([0xe9]),
    Buffer.from("\nlast\n"),
  ]);
  const { rows, rejects } = await parse(bytes, { limits: { detectionBytes: 512, inferenceBytes: 512 } });
  assert.deepEqual([rows.length, rejects.length, rejects[0]!.raw, rejects[0]!.line], [1001, 1, "caf\\xe9", 1002]);
});
