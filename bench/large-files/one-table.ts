/** Many regular files of some megabytes into one table of the local stack. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectCount, seconds, unique, upload, type Gateway } from "../stack.ts";
import { bodyOf, generateSales } from "./sales-file.ts";

const UPLOADS_AT_ONCE = 8;
/** Their sales differ, and each is sent several times under another name. */
const DISTINCT_FILES = 4;

/**
 * `files` files of `rowsPerFile` sales, eight uploads at a time, until the last one is visible. The rows of a
 * file of 5 MB are about 120,000.
 */
export async function filesOfOneTable(
  gateway: Gateway,
  options: { files: number; rowsPerFile: number },
): Promise<{ files: number; rowsPerFile: number; tookS: number; filesPerS: number }> {
  const { files, rowsPerFile } = options;
  const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
  try {
    const paths = Array.from({ length: DISTINCT_FILES }, (_, n) => join(folder, `${n}.csv`));
    for (const [n, path] of paths.entries()) generateSales(path, { rows: rowsPerFile, seed: n + 1 });
    const table = unique("files");
    let next = 0;
    const sender = async (): Promise<void> => {
      for (let n = next++; n < files; n = next++)
        await upload(gateway, table, `f${n}.csv`, bodyOf(paths[n % DISTINCT_FILES]!));
    };
    const tookS = await seconds(() => Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, sender)));
    await expectCount(gateway, table, files * rowsPerFile);
    return { files, rowsPerFile, tookS: Number(tookS.toFixed(2)), filesPerS: Number((files / tookS).toFixed(2)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
