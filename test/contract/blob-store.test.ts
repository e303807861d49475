import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { after, test } from "node:test";
import { HeadObjectCommand, ListMultipartUploadsCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { compareKeys } from "../../lib/blob/keys.ts";
import { openBlobStore } from "../../lib/blob/open.ts";
import { makeS3Client } from "../../lib/blob/s3/client.ts";
import { copyLarge } from "../../lib/blob/s3/copy.ts";
import { ensureBucket } from "../../lib/blob/s3/s3-store.ts";
import { blobStoreContract } from "./blob-store.contract.ts";

const folder = await mkdtemp(join(tmpdir(), "tributary-blob-"));
after(() => rm(folder, { recursive: true }));

blobStoreContract("file store", {
  compare: compareKeys,
  open: () => openBlobStore(`file:${folder}/store`),
  unfinished: async () => (await readdir(`${folder}/store/.tributary-unfinished`).catch(() => [])).length,
});

const given = process.env.TRIBUTARY_TEST_S3;
if (given) {
  const options = JSON.parse(given) as { endpoint: string; region: string; accessKey: string; secretKey: string };
  const Bucket = "blob-contract";
  const client = makeS3Client(options);
  after(() => client.destroy());
  await ensureBucket(`s3://${Bucket}`, options);
  const unfinished = async () => (await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads?.length ?? 0;
  const prefix = `run-${process.pid}-${process.hrtime.bigint()}`;
  const seaweedfs = {
    unfinished,
    // Its keys are paths in a file system: it lists folder by folder,
    compare: (a: string, b: string) => compareKeys(a.replaceAll("/", "\0"), b.replaceAll("/", "\0")),
    // a segment has at most 255 bytes, and a backslash becomes a slash.
    cannotHold: (key: string) => key.includes("\\") || key.split("/").some((name) => Buffer.byteLength(name) > 255),
    foldersExist: true,
    largePutsRace: true,
  };
  const open = (path: string) => (): Promise<BlobStore> =>
    openBlobStore(`s3://${Bucket}${path}`, { s3: { ...options, pageKeys: 7 } });
  blobStoreContract("s3 store", { ...seaweedfs, open: open("") });
  blobStoreContract("s3 store under a prefix", { ...seaweedfs, open: open(`/${prefix}/`) });

  test("s3 store: copies a large object in parts", async () => {
    const bytes = randomBytes(11 * 1024 * 1024);
    const from = `${prefix}/copy from+é`;
    await client.send(new PutObjectCommand({ Bucket, Key: from, Body: bytes }));
    const { ETag } = await client.send(new HeadObjectCommand({ Bucket, Key: from }));
    const CopySource = `${Bucket}/${from.split("/").map(encodeURIComponent).join("/")}`;
    const copy = { Bucket, Key: `${prefix}/copy`, CopySource, CopySourceIfMatch: ETag! };
    await copyLarge(client, copy, bytes.length, 5 * 1024 * 1024);
    const store = await open("")();
    assert.ok((await buffer((await store.get(copy.Key)).body)).equals(bytes));
    await store.close();
    await assert.rejects(copyLarge(client, { ...copy, CopySource: `${Bucket}/none` }, 10));
    assert.equal(await unfinished(), 0);
  });
} else {
  test("s3 store", { skip: process.env.REQUIRE_STACK !== "1" && "TRIBUTARY_TEST_S3 is not set" }, () => {
    throw new Error("REQUIRE_STACK=1, but TRIBUTARY_TEST_S3 is not set: start the stack");
  });
}
