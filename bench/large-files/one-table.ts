/** Many regular files of some megabytes into one table of the local stack. */
import { execFileSync } from "node:child_process";
import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expectCount, seconds, unique, upload, type Gateway } from "../stack.ts";

const cli = fileURLToPath(new URL("../../bin/tributary.mjs", import.meta.url));
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
    for (const [n, path] of paths.entries()) {
      const values = ["--rows", String(rowsPerFile), "--seed", String(n + 1), "--out", path];
      execFileSync(process.execPath, [cli, "generate-sales", ...values]);
    }
    const table = unique("files");
    let next = 0;
    const sender = async (): Promise<void> => {
      for (let n = next++; n < files; n = next++) {
        const body = createReadStream(paths[n % DISTINCT_FILES]!, { highWaterMark: 1 << 20 });
        await upload(gateway, table, `f${n}.csv`, body);
      }
    };
    const tookS = await seconds(() => Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, sender)));
    await expectCount(gateway, table, files * rowsPerFile);
    return { files, rowsPerFile, tookS: Number(tookS.toFixed(2)), filesPerS: Number((files / tookS).toFixed(2)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
