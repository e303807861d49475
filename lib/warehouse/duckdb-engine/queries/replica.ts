import { constants } from "node:fs";
import { copyFile, mkdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { systemClock } from "../../../clock.ts";

/** A file whose last change is older than this cannot change again within the same timestamp. */
const SETTLED_NS = 50_000_000n;

type Stamp = { size: bigint; changedNs: bigint; inode: bigint; settled: boolean } | undefined;

/**
 * A copy of a DuckDB file and its write-ahead log, to which another process writes. DuckDB locks the file,
 * so no second process can open it. A copy needs no lock, and the writer never waits for a reader.
 *
 * The copy is the database as of a commit. The write-ahead log is copied first and the file second, and the
 * caller prevents checkpoints in the meantime. Every block that a commit in the copied log refers to is
 * therefore in the copied file. A commit that is only partly written is cut off at the end of the log, and
 * DuckDB ignores it.
 */
export class Replica {
  readonly path: string;
  readonly #file: string;
  #copied: { file: Stamp; log: Stamp } | undefined;

  constructor(file: string, folder: string) {
    this.#file = file;
    this.path = join(folder, "replica.duckdb");
  }

  /**
   * Updates the copy. Calls `release` before it replaces the copy's files. After a small commit, only the
   * write-ahead log is copied. Returns false if nothing has changed.
   */
  async refresh(release: () => Promise<void>): Promise<boolean> {
    const [file, log] = await Promise.all([stampOf(this.#file), stampOf(`${this.#file}.wal`)]);
    const fileIsCurrent = this.#copied !== undefined && isSame(this.#copied.file, file);
    if (fileIsCurrent && isSame(this.#copied?.log, log)) return false;
    await release();
    this.#copied = undefined;
    await mkdir(dirname(this.path), { recursive: true });
    if (log) await copyFile(`${this.#file}.wal`, `${this.path}.wal`);
    else await rm(`${this.path}.wal`, { force: true });
    // The copy shares blocks if the file system supports it.
    if (!fileIsCurrent) await copyFile(this.#file, this.path, constants.COPYFILE_FICLONE);
    this.#copied = { file, log };
    return true;
  }
}

async function stampOf(path: string): Promise<Stamp> {
  try {
    const { size, mtimeNs, ino } = await stat(path, { bigint: true });
    const nowNs = BigInt(Math.trunc(systemClock.nowMs())) * 1_000_000n;
    return { size, changedNs: mtimeNs, inode: ino, settled: nowNs - mtimeNs > SETTLED_NS };
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw thrown;
  }
}

/**
 * Whether the content is certainly the same: equal size and time, and that time had passed when the copy was
 * made.
 */
function isSame(copied: Stamp, now: Stamp): boolean {
  if (copied === undefined || now === undefined) return copied === now;
  const { size, changedNs, inode, settled } = copied;
  return settled && size === now.size && changedNs === now.changedNs && inode === now.inode;
}
