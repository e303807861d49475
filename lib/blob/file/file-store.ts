import { constants, type BigIntStats } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "../../clock.ts";
import { TributaryError, messageOf } from "../../errors.ts";
import { writableFolder } from "../../folders.ts";
import type { BlobInfo, BlobStore, GetOptions, ListOptions, PutOptions } from "../blob-store.ts";
import { infoOf } from "./info.ts";
import { asidePathOf, pathOf } from "./names.ts";
import { listFolder } from "./list.ts";
import { isOpenedInside } from "./opened.ts";
import { TEMPORARY_FOLDER, removeLeftovers, temporaryName } from "./temporary.ts";
import { checkKey, checkPrefix } from "../keys.ts";
import { pullFrom } from "../pull.ts";

const READ_BYTES = 256 * 1024;
/** Attempts of a put that another operation disturbed between two steps (a pruned folder, a taken name). */
const PLACING_ATTEMPTS_MAX = 10;

/**
 * A folder as a blob store, for one machine (POSIX). Keys are paths under it. Ordinary names stay unchanged
 * (names.ts), so people can add and remove files by hand. Writes are atomic and durable: a file is written to
 * a hidden folder under the same root, synced, then renamed or linked to its path. The next opening removes
 * leftovers of a crash. A reader keeps the version that it opened; a file that is rewritten in place during
 * the read fails it with BLOB_CHANGED.
 *
 * Only regular files that are not hidden are listed. Symbolic links are not followed. Not supported: file
 * names that are not UTF-8, and keys that differ only in case on a case-insensitive file system.
 */
export async function openFileStore(url: string, clock: Clock): Promise<BlobStore> {
  const folder = url.replace(/^file:(\/\/(?=\/))?/i, "");
  if (!folder || folder.startsWith("//")) {
    throw new TributaryError("CONFIG_INVALID", `'${url}' has no folder: use file:<folder>`);
  }
  const root = writableFolder(resolve(folder));
  try {
    await removeLeftovers(root, clock.nowMs());
    return new FileStore(url, root);
  } catch (error) {
    throw failure(error, `opening the folder ${folder}`);
  }
}

/** Creates a folder and its parents; retries if a deletion prunes one. Returns the topmost folder created. */
async function makeFolder(folder: string): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fs.mkdir(folder, { recursive: true });
    } catch (error) {
      if (codeOf(error) !== "ENOENT" || attempt === PLACING_ATTEMPTS_MAX) throw error;
    }
  }
}

class FileStore implements BlobStore {
  readonly url: string;
  readonly supports = { atomicForeignWrites: false };
  readonly #root: string;
  /** close() ends these. */
  readonly #streams = new Set<Readable>();
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  constructor(url: string, root: string) {
    this.url = url;
    this.#root = root;
  }

  put(key: string, body: Readable | Buffer, options: PutOptions = {}): Promise<BlobInfo> {
    const running = this.#put(key, body, options);
    const settled = running.catch(() => undefined).finally(() => this.#running.delete(settled));
    this.#running.add(settled);
    return running;
  }

  async #put(key: string, body: Readable | Buffer, options: PutOptions): Promise<BlobInfo> {
    const source = Buffer.isBuffer(body) ? Readable.from([body], { objectMode: false }) : body;
    let fault: unknown;
    source.once("error", (error) => (fault = error));
    let temporary: string | undefined;
    try {
      this.#checkOpen();
      checkKey(key);
      options.signal?.throwIfAborted();
      temporary = join(this.#root, TEMPORARY_FOLDER, temporaryName());
      const written = await this.#write(temporary, source, options);
      options.signal?.throwIfAborted();
      const target = await this.#place(temporary, key, options.ifAbsent === true);
      // Placing changes the file's state, which is part of its revision.
      const placed = await statOf(target);
      return infoOf(key, placed?.ino === written.ino ? placed : written);
    } catch (error) {
      source.destroy();
      if (temporary) await fs.rm(temporary, { force: true });
      if (error === fault || options.signal?.aborted) throw error;
      throw failure(error, `writing ${key}`);
    }
  }

  async #write(path: string, source: Readable, options: PutOptions): Promise<BigIntStats> {
    const { sizeBytes, signal } = options;
    // Not recursive: a missing root (an unmounted volume) must not be created again.
    await fs.mkdir(dirname(path)).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
    await using handle = await fs.open(path, "wx");
    let receivedBytes = 0;
    const write = async (chunks: AsyncIterable<Buffer | string>): Promise<void> => {
      for await (const chunk of chunks) {
        await handle.writeFile(chunk);
        receivedBytes += Buffer.byteLength(chunk);
      }
    };
    this.#streams.add(source);
    try {
      this.#checkOpen();
      await pipeline(source, write, signal ? { signal } : {});
    } finally {
      this.#streams.delete(source);
    }
    if (sizeBytes !== undefined && receivedBytes !== sizeBytes) {
      throw new TributaryError("UPLOAD_INCOMPLETE", `received ${receivedBytes} of ${sizeBytes} bytes`);
    }
    await handle.sync();
    return await handle.stat({ bigint: true });
  }

  /** Moves a complete file to its path, durably. Returns the path. */
  async #place(source: string, key: string, ifAbsent: boolean): Promise<string> {
    const path = join(this.#root, pathOf(key));
    const aside = join(this.#root, asidePathOf(key));
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#makeFolders(key);
        if (ifAbsent && (await isFile(aside))) throw exists(key);
        const target = (await isFolder(path)) ? aside : path;
        await (ifAbsent ? renameIfAbsent(source, target) : fs.rename(source, target));
        if (!ifAbsent && target === path) await fs.rm(aside, { force: true });
        await syncFolder(dirname(target)).catch(ignoreMissing);
        return target;
      } catch (error) {
        if (error instanceof TributaryError) throw error;
        // Another operation pruned the folder, or created a folder at this path, in between.
        const disturbed = ["ENOENT", "ENOTDIR", "EISDIR"].includes(codeOf(error)) || (await isFolder(path));
        if (codeOf(error) === "EEXIST" && ifAbsent && !disturbed) throw exists(key);
        if (!disturbed || attempt === PLACING_ATTEMPTS_MAX || !(await isFile(source))) throw error;
      }
    }
  }

  async #makeFolders(key: string): Promise<void> {
    for (const place of new Set([pathOf(key), asidePathOf(key)].map((path) => dirname(path)))) {
      const folder = join(this.#root, place);
      const first = await makeFolder(folder).catch(async (error: unknown) => {
        if (!["EEXIST", "ENOTDIR"].includes(codeOf(error))) throw error;
        await this.#moveFilesAside(key);
        return makeFolder(folder);
      });
      if ((await this.#isInside(folder)) === false) {
        throw new TributaryError("BLOB_KEY_INVALID", `a symbolic link in ${key} leads out of the store`);
      }
      if (first === undefined) continue;
      for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
    }
  }

  /** Moves files aside whose names the key needs for folders. */
  async #moveFilesAside(key: string): Promise<void> {
    const segments = key.split("/");
    for (let n = 1; n < segments.length; n++) {
      const parent = segments.slice(0, n).join("/");
      const plain = join(this.#root, pathOf(parent));
      if (await isFile(plain)) await fs.rename(plain, join(this.#root, asidePathOf(parent)));
    }
  }

  async get(key: string, options: GetOptions = {}): Promise<{ body: Readable; info: BlobInfo }> {
    this.#checkOpen();
    checkKey(key);
    options.signal?.throwIfAborted();
    const handle = await this.#open(key);
    if (!handle) throw new TributaryError("BLOB_NOT_FOUND", `${key} does not exist`);
    try {
      const info = infoOf(key, await handle.stat({ bigint: true }));
      if (options.ifMatch !== undefined && options.ifMatch !== info.etag) throw changed(key);
      const body = readable(handle, info, options);
      this.#streams.add(body);
      body.once("close", () => this.#streams.delete(body));
      return { body, info };
    } catch (error) {
      await handle.close();
      throw failure(error, `reading ${key}`);
    }
  }

  /** Opens a key's file. Tries the plain path twice, because the file may be moving aside. */
  async #open(key: string): Promise<fs.FileHandle | undefined> {
    for (const place of [pathOf(key), asidePathOf(key), pathOf(key)]) {
      const path = join(this.#root, place);
      try {
        if (!(await this.#isInside(dirname(path)))) continue;
        // Without O_NONBLOCK, opening a named pipe would block until it has a writer.
        const handle = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
        if ((await handle.stat()).isFile() && (await isOpenedInside(handle, path, this.#root))) return handle;
        await handle.close();
      } catch (error) {
        if (!["ENOENT", "ENOTDIR", "ELOOP"].includes(codeOf(error))) throw failure(error, `reading ${key}`);
      }
    }
    await this.#checkRoot();
    return undefined;
  }

  /** True if the folder is inside the root after resolving symbolic links; undefined if it does not exist. */
  async #isInside(folder: string): Promise<boolean | undefined> {
    const real = await fs.realpath(folder).catch(ignoreMissing);
    if (real === undefined) return undefined;
    return real === this.#root || real.startsWith(this.#root + sep) || this.#root === sep;
  }

  async head(key: string): Promise<BlobInfo | undefined> {
    this.#checkOpen();
    checkKey(key);
    try {
      const found = await this.#find(key);
      if (!found) await this.#checkRoot();
      return found && infoOf(key, found.stats);
    } catch (error) {
      throw failure(error, `checking ${key}`);
    }
  }

  /** Finds a key's file. Tries the plain path twice, because the file may be moving aside. */
  async #find(key: string): Promise<{ path: string; stats: BigIntStats } | undefined> {
    for (const place of [pathOf(key), asidePathOf(key), pathOf(key)]) {
      const path = join(this.#root, place);
      const stats = (await this.#isInside(dirname(path))) && (await statOf(path));
      if (stats && stats.isFile()) return { path, stats };
    }
    return undefined;
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<BlobInfo> {
    this.#checkOpen();
    checkPrefix(prefix);
    const folderKey = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    const folder = join(this.#root, folderKey === "" ? "" : pathOf(folderKey.slice(0, -1)));
    try {
      if (await this.#isInside(folder)) {
        for await (const { key, stats } of listFolder(folder, folderKey, { ...options, prefix })) {
          yield infoOf(key, stats);
        }
      }
      // A missing root looks empty, but must not produce an empty listing.
      await this.#checkRoot();
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw failure(error, `listing ${this.#root}`);
    }
  }

  async delete(key: string): Promise<void> {
    this.#checkOpen();
    checkKey(key);
    try {
      for (let found = await this.#find(key); found; found = await this.#find(key)) {
        await fs.rm(found.path, { force: true });
        await this.#prune(dirname(found.path));
      }
      await this.#checkRoot();
    } catch (error) {
      throw failure(error, `deleting ${key}`);
    }
  }

  async move(from: string, to: string): Promise<void> {
    this.#checkOpen();
    checkKey(from);
    checkKey(to);
    try {
      if (from !== to && (await this.#find(from))) await this.#makeFolders(to);
      // Find it again: creating the folders of `to` may have moved `from` aside.
      const found = from === to ? undefined : await this.#find(from);
      if (found) {
        await this.#place(found.path, to, false);
        await syncFolder(dirname(found.path)).catch(ignoreMissing);
        await this.#prune(dirname(found.path));
        return;
      }
      if (!(await this.head(to))) throw new TributaryError("BLOB_NOT_FOUND", `${from} does not exist`);
    } catch (error) {
      throw failure(error, `moving ${from} to ${to}`);
    }
  }

  /** Removes folders that a deletion left empty. A put whose folder is removed creates it again. */
  async #prune(folder: string): Promise<void> {
    for (let empty = folder; empty.startsWith(this.#root + sep); empty = dirname(empty)) {
      const removed = await fs.rmdir(empty).then(
        () => true,
        () => false,
      );
      if (!removed) return;
    }
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    try {
      const { bavail, blocks, bsize } = await fs.statfs(this.#root);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    } catch (error) {
      throw failure(error, `reading the free space of ${this.#root}`);
    }
  }

  async ready(): Promise<void> {
    this.#checkOpen();
    await this.#checkRoot();
  }

  async #checkRoot(): Promise<void> {
    if (await isFolder(this.#root)) return;
    throw new TributaryError("BLOB_UNAVAILABLE", `the folder ${this.#root} does not exist`);
  }

  #checkOpen(): void {
    if (this.#closed) throw new TributaryError("BLOB_UNAVAILABLE", `the store ${this.url} is closed`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const stream of this.#streams) {
      stream.destroy(new TributaryError("BLOB_UNAVAILABLE", `the store ${this.url} was closed`));
    }
    await Promise.all(this.#running);
  }
}

/** Streams a range of an open file and closes it. Fails with BLOB_CHANGED if the file has changed. */
function readable(handle: fs.FileHandle, info: BlobInfo, options: GetOptions): Readable {
  let position = options.start ?? 0;
  const end = Math.min(options.end ?? info.sizeBytes, info.sizeBytes);
  const next = async (): Promise<Buffer | null> => {
    const wanted = Math.min(READ_BYTES, end - position);
    const { bytesRead, buffer } = wanted > 0 ? await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, position) : EOF;
    position += bytesRead;
    if (bytesRead > 0) return buffer.subarray(0, bytesRead);
    const now = infoOf(info.key, await handle.stat({ bigint: true }));
    if (now.etag !== info.etag) throw changed(info.key);
    return null;
  };
  return pullFrom({
    next: () =>
      next().catch((error: unknown) => {
        throw failure(error, `reading ${info.key}`);
      }),
    close: () => handle.close(),
    highWaterMark: READ_BYTES,
    signal: options.signal,
  });
}

const EOF = { bytesRead: 0, buffer: Buffer.alloc(0) };

/** Like rename, but fails with EEXIST if the target exists. */
async function renameIfAbsent(source: string, target: string): Promise<void> {
  await fs.link(source, target);
  await fs.unlink(source);
}

const statOf = (path: string): Promise<BigIntStats | undefined> =>
  fs.lstat(path, { bigint: true }).catch(ignoreMissing);
const isFile = async (path: string): Promise<boolean> => (await statOf(path))?.isFile() ?? false;
const isFolder = async (path: string): Promise<boolean> => (await statOf(path))?.isDirectory() ?? false;

function ignoreMissing(error: unknown): undefined {
  if (!["ENOENT", "ENOTDIR"].includes(codeOf(error))) throw error;
}

/** A new file name is durable only after its folder is synced. */
async function syncFolder(path: string): Promise<void> {
  await using folder = await fs.open(path, "r");
  await folder.sync();
}

const exists = (key: string): TributaryError => new TributaryError("BLOB_EXISTS", `${key} already exists`);
const changed = (key: string): TributaryError => new TributaryError("BLOB_CHANGED", `${key} has changed`);

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? "";

function failure(error: unknown, doing: string): TributaryError {
  if (error instanceof TributaryError) return error;
  const full = ["ENOSPC", "EDQUOT"].includes(codeOf(error));
  return new TributaryError(full ? "DISK_FULL" : "BLOB_UNAVAILABLE", `${doing}: ${messageOf(error)}`, { cause: error });
}
