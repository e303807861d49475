/** The contract of every blob store (lib/blob/blob-store.ts). Each test uses its own prefix. */
import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setImmediate as turn } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import type { ErrorCode } from "../../lib/errors.ts";

export interface BlobStoreSubject {
  /** Opens the same location at each call, with small pages if the store has pages. */
  open(): Promise<BlobStore>;
  /** The number of unfinished writes in the store (temporary files, parts of uploads). */
  unfinished(): Promise<number>;
  /** The order of its listings. */
  compare: (a: string, b: string) => number;
  /** Keys of the list below that this server cannot store. */
  cannotHold?: (key: string) => boolean;
  /**
   * True if the server treats the folder left by `x/y` as an object `x`, and so refuses `x` with ifAbsent.
   */
  foldersExist?: boolean;
  /** True if the server checks ifAbsent of a multipart object before it creates it, not atomically. */
  largePutsRace?: boolean;
}

const MIB = 1024 * 1024;
/** More than one multipart part, and not a multiple of a buffer size. */
const LARGE = 20 * MIB + 12_345;

const failsWith = (code: ErrorCode) => (error: unknown) => (error as { code?: unknown }).code === code;

const keysOf = async (store: BlobStore, prefix: string): Promise<string[]> => {
  const keys = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
};

const textOf = async (store: BlobStore, key: string): Promise<string> =>
  (await buffer((await store.get(key)).body)).toString();

/** `count` chunks of `bytes` bytes, then the end, or `fault`. */
const chunks = (count: number, bytes: number, fault?: Error): Readable =>
  Readable.from(
    (function* () {
      for (let i = 0; i < count; i++) yield Buffer.alloc(bytes, i % 251);
      if (fault) throw fault;
    })(),
    { objectMode: false },
  );

const NASTY_KEYS = [
  "plain.csv",
  "a",
  "a/b",
  "a/b/c",
  "a/b/c/d.csv",
  "a-b/c",
  "a.b/c",
  "a b/c d.csv",
  "ä/ö.csv",
  "a\u0308.csv",
  "日本語/ファイル.csv",
  "🚀/🚀🚀.csv",
  "\uffee-after-surrogates-in-utf16.csv",
  "%2F",
  "a%2Fb",
  "100%.csv",
  "%%begins-like-a-mark",
  "%%",
  "%+a",
  "%+a/%%b",
  "%=a",
  ".hidden",
  ".hidden/.b",
  "..almost",
  "...",
  "trailing.",
  "trailing./dot.",
  "trailing space ",
  " leading space",
  "+plus+",
  "a+b&c=d?e#f",
  "back\\slash",
  'colon:star*quote"lt<gt>pipe|',
  "'single' (paren) [bracket] {brace} ~ ^ ` $ @ ! , ;",
  "tab\tand\nnewline\u0001",
  "CON",
  "nul.txt",
  "~",
  "-rf",
  "a=1/b=2/part-0000.csv",
  `${"long".repeat(75)}.csv`,
  "l".repeat(254),
  "l".repeat(255),
  "l".repeat(256),
  `${"l".repeat(256)}/below`,
  `${"é".repeat(300)}/${"🚀".repeat(30)}/x.csv`,
  "raw/sha256/" + "0".repeat(64),
];

const INVALID_KEYS = [
  "",
  "/",
  "/a",
  "a/",
  "a//b",
  "..",
  "../a",
  "a/..",
  "a/../b",
  ".",
  "./a",
  "a/./b",
  "a\0b",
  "\ud800",
];

export function blobStoreContract(name: string, subject: BlobStoreSubject): void {
  describe(name, () => {
    let store: BlobStore;
    const fresh = (): string => `${randomUUID()}/`;
    before(async () => (store = await subject.open()));
    after(() => store.close());

    test("is ready", () => store.ready());

    test("reports its space, or undefined", async () => {
      const space = await store.space();
      if (space) assert.ok(space.freeBytes > 0 && space.totalBytes >= space.freeBytes);
    });

    test("returns what was put, from a buffer or a stream", async () => {
      const at = fresh();
      for (const bytes of [Buffer.from("a,b\n1,2\n"), Buffer.alloc(0), randomBytes(100_000)]) {
        for (const body of [bytes, Readable.from([bytes.subarray(0, 3), bytes.subarray(3)], { objectMode: false })]) {
          const put = await store.put(`${at}x.csv`, body);
          const { body: got, info } = await store.get(`${at}x.csv`);
          assert.deepEqual(await buffer(got), bytes);
          assert.equal(put.key, `${at}x.csv`);
          assert.equal(put.sizeBytes, bytes.length);
          const head = await store.head(`${at}x.csv`);
          assert.deepEqual(info, head);
          assert.deepEqual({ ...put, modifiedAtMs: 0 }, { ...head, modifiedAtMs: 0 });
          for await (const listed of store.list(at))
            assert.deepEqual({ ...listed, modifiedAtMs: 0 }, { ...put, modifiedAtMs: 0 });
        }
      }
    });

    test("accepts text chunks", async () => {
      const at = fresh();
      await store.put(`${at}x`, Readable.from(["a,", "ä\n"]));
      assert.equal(await textOf(store, `${at}x`), "a,ä\n");
    });

    test("stores objects of many parts completely", async () => {
      const at = fresh();
      const bytes = randomBytes(LARGE);
      const cut = Readable.from(pieces(bytes, 99_991), { objectMode: false });
      const put = await store.put(`${at}large`, cut, { sizeBytes: LARGE });
      assert.equal(put.sizeBytes, LARGE);
      const hash = createHash("sha256");
      for await (const chunk of (await store.get(`${at}large`)).body) hash.update(chunk as Buffer);
      assert.equal(hash.digest("hex"), createHash("sha256").update(bytes).digest("hex"));
      assert.deepEqual(await store.head(`${at}large`).then((info) => info?.etag), put.etag);
      await store.delete(`${at}large`);
    });

    test("changes the etag with the content, even at the same size and time", async () => {
      const at = fresh();
      const etags = new Set<string>();
      for (const text of ["1", "2", "3", "4", "5"]) etags.add((await store.put(`${at}x`, Buffer.from(text))).etag);
      assert.equal(etags.size, 5);
    });

    test("a missing key: head returns undefined, get fails with BLOB_NOT_FOUND", async () => {
      const at = fresh();
      assert.equal(await store.head(`${at}x`), undefined);
      await assert.rejects(store.get(`${at}x`), failsWith("BLOB_NOT_FOUND"));
      await store.put(`${at}folder/x`, Buffer.from("x"));
      assert.equal(await store.head(`${at}folder`), undefined);
      await assert.rejects(store.get(`${at}folder`), failsWith("BLOB_NOT_FOUND"));
      await assert.rejects(store.get(`${at}folder/x/y`), failsWith("BLOB_NOT_FOUND"));
      assert.equal(await store.head(`${at}folder/x/y`), undefined);
    });

    test("refuses keys that are not relative paths", async () => {
      for (const key of [...INVALID_KEYS, "l".repeat(1025)]) {
        const invalid = failsWith("BLOB_KEY_INVALID");
        await assert.rejects(store.put(key, Buffer.from("x")), invalid, JSON.stringify(key));
        await assert.rejects(store.get(key), invalid, JSON.stringify(key));
        await assert.rejects(store.head(key), invalid, JSON.stringify(key));
        await assert.rejects(store.delete(key), invalid, JSON.stringify(key));
        await assert.rejects(store.move(key, "x"), invalid, JSON.stringify(key));
        await assert.rejects(store.move("x", key), invalid, JSON.stringify(key));
      }
      for (const prefix of ["../", "a/../", "/", "a//b", "a\0"]) {
        await assert.rejects(keysOf(store, prefix), failsWith("BLOB_KEY_INVALID"), JSON.stringify(prefix));
      }
    });

    test("reads ranges", async () => {
      const at = fresh();
      const bytes = Buffer.from("0123456789");
      const { etag } = await store.put(`${at}x`, bytes);
      const ranges: [number | undefined, number | undefined][] = [
        [undefined, undefined],
        [0, 10],
        [0, 1],
        [3, 7],
        [9, 10],
        [9, undefined],
        [undefined, 4],
        [5, 100],
        [10, undefined],
        [10, 20],
        [100, 200],
        [4, 4],
        [0, 0],
      ];
      for (const [start, end] of ranges) {
        const options = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
        const { body, info } = await store.get(`${at}x`, { ...options, ifMatch: etag });
        assert.equal((await buffer(body)).toString(), bytes.toString().slice(start ?? 0, end), JSON.stringify(options));
        assert.equal(info.sizeBytes, 10);
        assert.equal(info.etag, etag);
      }
      await store.put(`${at}empty`, Buffer.alloc(0));
      assert.equal((await buffer((await store.get(`${at}empty`, { start: 0, end: 5 })).body)).length, 0);
      await assert.rejects(store.get(`${at}none`, { start: 4, end: 4 }), failsWith("BLOB_NOT_FOUND"));
    });

    test("reads a given version, or fails with BLOB_CHANGED", async () => {
      const at = fresh();
      const old = await store.put(`${at}x`, Buffer.from("old"));
      assert.equal((await buffer((await store.get(`${at}x`, { ifMatch: old.etag })).body)).toString(), "old");
      await store.put(`${at}x`, Buffer.from("new"));
      await assert.rejects(store.get(`${at}x`, { ifMatch: old.etag }), failsWith("BLOB_CHANGED"));
      await assert.rejects(store.get(`${at}x`, { ifMatch: old.etag, start: 1, end: 1 }), failsWith("BLOB_CHANGED"));
    });

    test("a read never mixes two versions", async () => {
      const at = fresh();
      await store.put(`${at}x`, chunks(20, MIB));
      const { body } = await store.get(`${at}x`);
      const reading = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      const hash = createHash("sha256").update((await reading.next()).value as Buffer);
      await store.put(`${at}x`, Buffer.alloc(20 * MIB, 255));
      try {
        for (let next = await reading.next(); !next.done; next = await reading.next()) hash.update(next.value);
        const whole = createHash("sha256").update(await buffer(chunks(20, MIB)));
        assert.equal(hash.digest("hex"), whole.digest("hex"));
      } catch (error) {
        assert.ok(failsWith("BLOB_CHANGED")(error), String(error));
      }
      await store.delete(`${at}x`);
    });

    test("ifAbsent: puts only if the key is absent", async () => {
      const at = fresh();
      await store.put(`${at}x`, Buffer.from("first"), { ifAbsent: true });
      await assert.rejects(store.put(`${at}x`, Buffer.from("second"), { ifAbsent: true }), failsWith("BLOB_EXISTS"));
      await assert.rejects(store.put(`${at}x`, chunks(9, MIB), { ifAbsent: true }), failsWith("BLOB_EXISTS"));
      assert.equal(await textOf(store, `${at}x`), "first");
      await store.put(`${at}x/below`, Buffer.from("below"));
      await assert.rejects(store.put(`${at}x`, Buffer.from("third"), { ifAbsent: true }), failsWith("BLOB_EXISTS"));
      assert.equal(await textOf(store, `${at}x`), "first");
      if (subject.foldersExist) await store.delete(`${at}x/below`);
      await store.delete(`${at}x`);
      await store.put(`${at}x`, Buffer.from("again"), { ifAbsent: true });
      assert.equal(await textOf(store, `${at}x`), "again");
    });

    for (const [what, bytes] of [
      ["small", 1000],
      ["of many parts", 9 * MIB],
    ] as const) {
      test(`ifAbsent: exactly one of several concurrent puts succeeds, objects ${what}`, async () => {
        const at = fresh();
        const puts = Array.from({ length: 6 }, (_, n) =>
          store.put(`${at}x`, Buffer.alloc(bytes, n), { ifAbsent: true }),
        );
        const outcomes = await Promise.allSettled(puts);
        const winners = outcomes.flatMap(({ status }, n) => (status === "fulfilled" ? [n] : []));
        for (const outcome of outcomes) {
          if (outcome.status === "rejected")
            assert.ok(failsWith("BLOB_EXISTS")(outcome.reason), String(outcome.reason));
        }
        if (!subject.largePutsRace || bytes < MIB) assert.equal(winners.length, 1);
        const stored = await buffer((await store.get(`${at}x`)).body);
        assert.ok(winners.some((n) => stored.equals(Buffer.alloc(bytes, n))));
        await store.delete(`${at}x`);
      });
    }

    test("a body that fails or has the wrong length makes nothing visible", async () => {
      const at = fresh();
      const before = await subject.unfinished();
      await store.put(`${at}kept`, Buffer.from("old"));
      for (const key of [`${at}x`, `${at}kept`]) {
        for (const count of [0, 1, 12]) {
          const fault = new Error("the sender went away");
          await assert.rejects(store.put(key, chunks(count, MIB, fault)), (error) => error === fault);
          const incomplete = failsWith("UPLOAD_INCOMPLETE");
          await assert.rejects(store.put(key, chunks(count, MIB), { sizeBytes: count * MIB + 1 }), incomplete);
          if (count > 0)
            await assert.rejects(store.put(key, chunks(count, MIB), { sizeBytes: count * MIB - 1 }), incomplete);
        }
      }
      const destroyed = chunks(3, MIB);
      destroyed.destroy();
      await assert.rejects(store.put(`${at}x`, destroyed));
      assert.deepEqual(await keysOf(store, at), [`${at}kept`]);
      assert.equal(await textOf(store, `${at}kept`), "old");
      assert.equal(await subject.unfinished(), before);
    });

    test("an aborted put makes nothing visible, even while it waits for its body", async () => {
      const at = fresh();
      const before = await subject.unfinished();
      for (const beforeStall of [0, 1, 12]) {
        const abort = new AbortController();
        let stalled = (): void => undefined;
        const stall = new Promise<void>((resolve) => (stalled = resolve));
        const body = new Readable({
          read() {
            if (this.readableLength === 0 && sent++ < beforeStall) this.push(Buffer.alloc(MIB));
            else stalled();
          },
        });
        let sent = 0;
        const putting = assert.rejects(store.put(`${at}x`, body, { signal: abort.signal }));
        await stall;
        abort.abort();
        await putting;
        assert.ok(body.destroyed);
      }
      await assert.rejects(store.put(`${at}x`, Buffer.from("x"), { signal: AbortSignal.abort() }));
      assert.deepEqual(await keysOf(store, at), []);
      assert.equal(await subject.unfinished(), before);
    });

    test("stores any Unicode key and lists the keys in byte order", async () => {
      const at = fresh();
      const keys = NASTY_KEYS.filter((key) => !subject.cannotHold?.(key));
      for (const key of keys) await store.put(at + key, Buffer.from(`content of ${key}`));
      for (const key of keys) assert.equal(await textOf(store, at + key), `content of ${key}`, JSON.stringify(key));
      const sorted = keys.map((key) => at + key).sort(subject.compare);
      assert.deepEqual(await keysOf(store, at), sorted);
      for (const key of keys.reverse()) {
        assert.equal((await store.head(at + key))?.key, at + key);
        await store.delete(at + key);
        assert.equal(await store.head(at + key), undefined, JSON.stringify(key));
      }
      assert.deepEqual(await keysOf(store, at), []);
    });

    test("lists all keys that start with the prefix, also within a segment", async () => {
      const at = fresh();
      const keys = ["a/1", "a/2", "a/b/3", "ab", "b/1"].map((key) => at + key);
      for (const key of keys) await store.put(key, Buffer.from(key));
      for (const prefix of ["", "a", "a/", "a/b", "a/b/", "ab", "b", "c", "a/1", "a/1/"]) {
        const expected = keys.filter((key) => key.startsWith(at + prefix));
        assert.deepEqual(await keysOf(store, at + prefix), expected, prefix);
      }
      const everything = await keysOf(store, "");
      assert.deepEqual(
        everything.filter((key) => key.startsWith(at)),
        keys,
      );
      assert.deepEqual(everything, [...everything].sort(subject.compare));
    });

    test("lists more objects than several pages hold, each once", async () => {
      const at = fresh();
      const keys = Array.from({ length: 305 }, (_, n) => `${at}${n % 3}/${String(n * 7919).padStart(9, "0")}`);
      await inParallel(24, keys, (key) => store.put(key, Buffer.from("x")));
      keys.sort(subject.compare);
      assert.deepEqual(await keysOf(store, at), keys);
      for await (const { key } of store.list(at)) {
        assert.equal(key, keys[0]);
        break;
      }
      const abort = new AbortController();
      await assert.rejects(async () => {
        for await (const { key } of store.list(at, { signal: abort.signal })) if (key === keys[150]) abort.abort();
      });
      await inParallel(24, keys, (key) => store.delete(key));
    });

    test("delete can be repeated", async () => {
      const at = fresh();
      await store.put(`${at}folder/x`, Buffer.from("x"));
      await store.delete(`${at}folder`);
      await store.delete(`${at}folder/x`);
      await store.delete(`${at}folder/x`);
      await store.delete(`${at}folder/x/y`);
      assert.deepEqual(await keysOf(store, at), []);
    });

    test("move replaces the target, and a repeated move changes nothing", async () => {
      const at = fresh();
      await store.put(`${at}from 🚀+%2F`, Buffer.from("new"));
      await store.put(`${at}deep/to`, Buffer.from("old"));
      await store.move(`${at}from 🚀+%2F`, `${at}deep/to`);
      assert.equal(await textOf(store, `${at}deep/to`), "new");
      await store.move(`${at}from 🚀+%2F`, `${at}deep/to`);
      await store.move(`${at}deep/to`, `${at}deep/to`);
      assert.equal(await textOf(store, `${at}deep/to`), "new");
      await store.move(`${at}deep/to`, `${at}deep/to/below`);
      await store.move(`${at}deep/to/below`, `${at}deep`);
      assert.deepEqual(await keysOf(store, at), [`${at}deep`]);
      assert.equal(await textOf(store, `${at}deep`), "new");
      await assert.rejects(store.move(`${at}none`, `${at}nowhere`), failsWith("BLOB_NOT_FOUND"));
      await assert.rejects(store.move(`${at}none`, `${at}none`), failsWith("BLOB_NOT_FOUND"));
    });

    test("reads and writes large objects with bounded memory, even with a slow peer", async () => {
      const at = fresh();
      let peak = 0;
      const start = liveBufferBytes();
      const sample = (): void => void (peak = Math.max(peak, liveBufferBytes() - start));
      const slowly = async function* () {
        for (let i = 0; i < 1536; i++) {
          if (i % 64 === 63) sample();
          yield Buffer.alloc(65_536, i);
        }
      };
      await store.put(`${at}x`, Readable.from(slowly(), { objectMode: false }));
      let bytes = 0;
      for await (const chunk of (await store.get(`${at}x`)).body) {
        const before = Math.floor(bytes / (4 * MIB));
        bytes += (chunk as Buffer).length;
        if (Math.floor(bytes / (4 * MIB)) !== before) sample();
        await turn();
      }
      assert.equal(bytes, 96 * MIB);
      // S3: parts of 8 MiB, two being sent and one being filled.
      assert.ok(peak < 48 * MIB, `${Math.round(peak / MIB)} MiB of buffers`);
      const { body } = await store.get(`${at}x`);
      body.read(0);
      await new Promise((resolve) => body.once("readable", resolve));
      for (let i = 0; i < 1000; i++) await turn();
      assert.ok(body.readableLength <= MIB, `${body.readableLength} bytes are buffered in an unread stream`);
      body.destroy();
      await store.delete(`${at}x`);
    });

    test("a signal that aborts before the first read only fails that read", async () => {
      const at = fresh();
      await store.put(`${at}x`, Buffer.alloc(MIB));
      const abort = new AbortController();
      const { body } = await store.get(`${at}x`, { signal: abort.signal });
      const closed = new Promise((resolve) => body.once("close", resolve));
      abort.abort();
      await closed;
      await assert.rejects(buffer(body));
    });

    test("ends a read when its signal aborts", async () => {
      const at = fresh();
      await store.put(`${at}x`, chunks(20, MIB));
      const abort = new AbortController();
      const { body } = await store.get(`${at}x`, { signal: abort.signal });
      await assert.rejects(async () => {
        for await (const _ of body) abort.abort();
      });
      await assert.rejects(store.get(`${at}x`, { signal: AbortSignal.abort() }));
      await store.delete(`${at}x`);
    });

    test("close is idempotent, ends the streams and refuses further calls", async () => {
      const at = fresh();
      await store.put(`${at}x`, chunks(20, MIB));
      const other = await subject.open();
      const { body } = await other.get(`${at}x`);
      const reading = assert.rejects(buffer(body));
      const stalled = new Readable({ read: () => undefined });
      const putting = assert.rejects(other.put(`${at}y`, stalled));
      await Promise.all([other.close(), other.close()]);
      await Promise.all([reading, putting]);
      const closed = failsWith("BLOB_UNAVAILABLE");
      await assert.rejects(other.ready(), closed);
      await assert.rejects(other.get(`${at}x`), closed);
      await assert.rejects(other.put(`${at}y`, Buffer.from("y")), closed);
      await assert.rejects(keysOf(other, at), closed);
      assert.deepEqual(await keysOf(store, at), [`${at}x`]);
      await store.delete(`${at}x`);
    });
  });
}

/** Bytes of buffers in use, without garbage. */
function liveBufferBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().arrayBuffers;
}

function* pieces(bytes: Buffer, length: number): Generator<Buffer> {
  for (let i = 0; i < bytes.length; i += length) yield bytes.subarray(i, i + length);
}

async function inParallel<T>(lanes: number, items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
