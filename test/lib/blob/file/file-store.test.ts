/** Behaviour that only the file store has; test/contract/blob-store.test.ts tests the common contract. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { BlobStore } from "../../../../lib/blob/blob-store.ts";
import { openBlobStore } from "../../../../lib/blob/open.ts";
import { hasCode, type ErrorCode } from "../../../../lib/errors.ts";

const UNFINISHED = ".tributary-unfinished";
const failsWith = (code: ErrorCode) => (error: unknown) => hasCode(error, code);

async function folderFor(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-file-"));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function storeIn(context: TestContext, folder: string): Promise<BlobStore> {
  const store = await openBlobStore(`file:${folder}`);
  context.after(() => store.close());
  return store;
}

const keysOf = async (store: BlobStore, prefix = ""): Promise<string[]> => {
  const keys = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
};
const textOf = async (store: BlobStore, key: string): Promise<string> =>
  (await buffer((await store.get(key)).body)).toString();

test("opens file:<folder> and file:///folder, creates the folder, and refuses other URLs", async (context) => {
  const folder = await folderFor(context);
  for (const url of [`file:${folder}/made/of it`, `file://${folder}/made/of it`]) {
    const store = await openBlobStore(url);
    assert.equal(store.url, url);
    await store.put(url.includes("//") ? "b" : "a", Buffer.from("x"));
    await store.close();
  }
  assert.deepEqual((await readdir(`${folder}/made/of it`)).toSorted(), [UNFINISHED, "a", "b"].toSorted());
  await assert.rejects(openBlobStore("file:"), failsWith("CONFIG_INVALID"));
  await assert.rejects(openBlobStore("ftp://x/y"), failsWith("URL_SCHEME_UNKNOWN"));
  await assert.rejects(openBlobStore(folder), failsWith("URL_SCHEME_UNKNOWN"));
  await writeFile(`${folder}/file`, "");
  await assert.rejects(openBlobStore(`file:${folder}/file`), failsWith("FOLDER_UNUSABLE"));
});

test("ordinary keys map to ordinary file names and back", async (context) => {
  const folder = await folderFor(context);
  const store = await storeIn(context, folder);
  await store.put("sales/2024/jan.csv", Buffer.from("a\n"));
  assert.equal(await readFile(`${folder}/sales/2024/jan.csv`, "utf8"), "a\n");
  const byHand = ["report%20feb.csv", "100%.csv", "what? *.csv", "x".repeat(255), "v1.2/ü.csv"];
  await mkdir(`${folder}/v1.2`);
  for (const key of byHand) await writeFile(`${folder}/${key}`, key);
  for (const key of byHand) assert.equal(await textOf(store, key), key);
  assert.deepEqual((await keysOf(store)).toSorted(), [...byHand, "sales/2024/jan.csv"].toSorted());
});

test("names that only look prefixed are ignored", async (context) => {
  const folder = await folderFor(context);
  const store = await storeIn(context, folder);
  await mkdir(`${folder}/%+piece`);
  for (const name of ["%%plain", "%+x", "%+piece/%%rest", "%+piece/rest"]) await writeFile(`${folder}/${name}`, "x");
  assert.deepEqual(await keysOf(store), []);
});

test("hidden files, pipes and links are not listed, and reading them does not block", async (context) => {
  const folder = await folderFor(context);
  const store = await storeIn(context, folder);
  await writeFile(`${folder}/.hidden.csv`, "x");
  await mkdir(`${folder}/.git`);
  await writeFile(`${folder}/.git/config.csv`, "x");
  execFileSync("mkfifo", [`${folder}/pipe.csv`]);
  await writeFile(`${folder}/real.csv`, "x");
  await symlink(`${folder}/real.csv`, `${folder}/link.csv`);
  await symlink(`${folder}/nowhere`, `${folder}/dangling.csv`);
  assert.deepEqual(await keysOf(store), ["real.csv"]);
  for (const key of ["pipe.csv", "link.csv", "dangling.csv", ".hidden.csv"]) {
    assert.equal(await store.head(key), undefined, key);
    await assert.rejects(store.get(key), failsWith("BLOB_NOT_FOUND"), key);
  }
});

test("no link gives access outside the root", async (context) => {
  const outside = await folderFor(context);
  const folder = await folderFor(context);
  const store = await storeIn(context, folder);
  await writeFile(`${outside}/secret.csv`, "secret");
  await symlink(outside, `${folder}/out`);
  assert.deepEqual(await keysOf(store), []);
  assert.deepEqual(await keysOf(store, "out/"), []);
  assert.equal(await store.head("out/secret.csv"), undefined);
  await assert.rejects(store.get("out/secret.csv"), failsWith("BLOB_NOT_FOUND"));
  await assert.rejects(store.put("out/new.csv", Buffer.from("x")), failsWith("BLOB_KEY_INVALID"));
  await assert.rejects(store.move("out/secret.csv", "mine.csv"), failsWith("BLOB_NOT_FOUND"));
  await store.delete("out/secret.csv");
  assert.deepEqual(await readdir(outside), ["secret.csv"]);
});

test("the root may be a link", async (context) => {
  const folder = await folderFor(context);
  await mkdir(`${folder}/real`);
  await symlink(`${folder}/real`, `${folder}/link`);
  const store = await storeIn(context, `${folder}/link`);
  await store.put("a/b", Buffer.from("x"));
  assert.deepEqual(await keysOf(store), ["a/b"]);
});

test("a put replaces a link, not its target", async (context) => {
  const folder = await folderFor(context);
  const store = await storeIn(context, `${folder}/store`);
  await writeFile(`${folder}/outside`, "old");
  await symlink(`${folder}/outside`, `${folder}/store/x`);
  await store.put("x", Buffer.from("new"));
  assert.equal(await readFile(`${folder}/outside`, "utf8"), "old");
  assert.equal(await textOf(store, "x"), "new");
});

test("deletions remove empty folders and keep others", async (context) => {
  const folder = await folderFor(context);
  const store = await storeIn(context, folder);
  await store.put("a/b/c/1", Buffer.from("x"));
  await store.put("a/2", Buffer.from("x"));
  await store.delete("a/b/c/1");
  assert.deepEqual(await readdir(`${folder}/a`), ["2"]);
  await store.move("a/2", "b/2");
  assert.deepEqual(
    (await readdir(folder)).filter((name) => !name.startsWith(".")),
    ["b"],
  );
});

test("concurrent puts, moves and deletions in one folder all succeed", async (context) => {
  const store = await storeIn(context, await folderFor(context));
  const lane = async (n: number): Promise<void> => {
    for (let round = 0; round < 30; round++) {
      await store.put(`a/b/${n}`, Buffer.from("x"));
      await store.move(`a/b/${n}`, `a/c/${n}`);
      await store.delete(`a/c/${n}`);
    }
  };
  await Promise.all([1, 2, 3, 4].map(lane));
  assert.deepEqual(await keysOf(store), []);
});

test("a read of a file that is rewritten in place fails with BLOB_CHANGED", async (context) => {
  const folder = await folderFor(context);
  const store = await storeIn(context, folder);
  await writeFile(`${folder}/x.csv`, Buffer.alloc(2_000_000));
  const { body } = await store.get("x.csv");
  await assert.rejects(async () => {
    for await (const _ of body) await appendFile(`${folder}/x.csv`, "more");
  }, failsWith("BLOB_CHANGED"));
});

test("a missing root is an error, not an empty store", async (context) => {
  const folder = await folderFor(context);
  const store = await storeIn(context, `${folder}/store`);
  await store.put("x", Buffer.from("x"));
  await rename(`${folder}/store`, `${folder}/elsewhere`);
  await assert.rejects(keysOf(store), failsWith("BLOB_UNAVAILABLE"));
  await assert.rejects(keysOf(store, "a/"), failsWith("BLOB_UNAVAILABLE"));
  await assert.rejects(store.ready(), failsWith("BLOB_UNAVAILABLE"));
  await assert.rejects(store.get("x"), failsWith("BLOB_UNAVAILABLE"));
  await assert.rejects(store.head("x"), failsWith("BLOB_UNAVAILABLE"));
  await assert.rejects(store.put("x", Buffer.from("x")), failsWith("BLOB_UNAVAILABLE"));
  await rename(`${folder}/elsewhere`, `${folder}/store`);
  assert.deepEqual(await keysOf(store), ["x"]);
});

test("a process killed during a put leaves nothing visible, and the next opening removes its files", async (context) => {
  const folder = await folderFor(context);
  const program = fileURLToPath(new URL("put-until-killed.ts", import.meta.url));
  const keys = ["kept", "folder/replaced", "new"];
  const before = await openBlobStore(`file:${folder}`);
  for (const key of ["kept", "folder/replaced"]) await before.put(key, Buffer.from("old"));
  const stdio = ["ignore", "pipe", "inherit"] as const;
  const child = spawn(process.execPath, ["--import", "tsx", program, `file:${folder}`, ...keys.slice(1)], {
    stdio: [...stdio],
  });
  let said = "";
  for await (const chunk of child.stdout) {
    said += String(chunk);
    if (keys.slice(1).every((key) => said.includes(key))) break;
  }
  assert.equal((await readdir(`${folder}/${UNFINISHED}`)).length, 2);
  // Another store that is opened now keeps the files of the live process.
  await (await openBlobStore(`file:${folder}`)).close();
  assert.equal((await readdir(`${folder}/${UNFINISHED}`)).length, 2);
  child.kill("SIGKILL");
  await once(child, "exit");
  await before.close();
  const store = await storeIn(context, folder);
  assert.deepEqual(await readdir(`${folder}/${UNFINISHED}`), []);
  assert.deepEqual(await keysOf(store), ["folder/replaced", "kept"]);
  assert.equal(await textOf(store, "folder/replaced"), "old");
});

test("leftovers of other machines are kept for a day, those of earlier processes with this pid are not", async (context) => {
  const folder = await folderFor(context);
  await mkdir(`${folder}/${UNFINISHED}`);
  const foreign = "1~0000~0000~another-host";
  for (const name of [foreign, `${process.pid}~0000~0000~${hostname()}`])
    await writeFile(`${folder}/${UNFINISHED}/${name}`, "x");
  await storeIn(context, folder);
  assert.deepEqual(await readdir(`${folder}/${UNFINISHED}`), [foreign]);
  const { systemClock } = await import("../../../../lib/clock.ts");
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + 25 * 60 * 60 * 1000 };
  await (await openBlobStore(`file:${folder}`, { clock })).close();
  assert.deepEqual(await readdir(`${folder}/${UNFINISHED}`), []);
});

test("a full disk fails with DISK_FULL and leaves nothing", async (context) => {
  const folder = await folderFor(context);
  const script = `
    import { readdir } from "node:fs/promises";
    import { openBlobStore } from "${new URL("../../../../lib/blob/open.ts", import.meta.url).href}";
    const store = await openBlobStore("file:${folder}");
    const code = await store.put("x", Buffer.alloc(4_000_000)).then(() => "stored", (error) => error.code);
    await store.put("y", Buffer.alloc(500_000));
    console.log(code, ...(await readdir("${folder}/${UNFINISHED}")));
    await store.close();`;
  await writeFile(`${folder}.mts`, script);
  context.after(() => rm(`${folder}.mts`));
  const small = `mount -t tmpfs -o size=1m tmpfs "${folder}"`;
  try {
    execFileSync("unshare", ["-Urm", "sh", "-c", small], { stdio: "pipe" });
  } catch {
    return context.skip("no small file system can be mounted here");
  }
  const node = `"${process.execPath}" --import tsx "${folder}.mts"`;
  assert.equal(
    execFileSync("unshare", ["-Urm", "sh", "-c", `${small} && ${node}`], { encoding: "utf8" }).trim(),
    "DISK_FULL",
  );
});

test("a failing body is reported with its own error", async (context) => {
  const store = await storeIn(context, await folderFor(context));
  const fault = Object.assign(new Error("reset"), { code: "ECONNRESET" });
  const body = new Readable({ read: () => body.destroy(fault) });
  await assert.rejects(store.put("x", body), (error) => error === fault);
});
