import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { openBlobStore } from "../../lib/blob/open.ts";
import { systemClock } from "../../lib/clock.ts";
import { openEventLog } from "../../lib/event-log/open.ts";
import { writableFolder } from "../../lib/folders.ts";
import { openWarehouse } from "../../lib/warehouse/open.ts";

/** A file stands where the folder's parent should be. */
async function withUnusable(run: (folder: string) => Promise<void>): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), "tributary-test-"));
  try {
    await writeFile(join(base, "file"), "");
    await run(join(base, "file", "folder"));
  } finally {
    await rm(base, { recursive: true });
  }
}

test("a data folder that cannot be written is named, with the remedy, by every embedded adapter", () =>
  withUnusable(async (folder) => {
    const unusable = {
      code: "FOLDER_UNUSABLE",
      retryable: false,
      message: new RegExp(`^cannot write to the folder ${folder}`),
    };
    await assert.rejects(async () => openEventLog(`embedded:${folder}`, { clock: systemClock }), unusable);
    await assert.rejects(async () => openBlobStore(`file:${folder}`, {}), unusable);
    await assert.rejects(async () => openWarehouse(`duckdb:${folder}/lake.duckdb`, { clock: systemClock }), unusable);
  }));

test("a missing data folder is created with its parents", async () => {
  const base = await mkdtemp(join(tmpdir(), "tributary-test-"));
  try {
    const path = writableFolder(join(base, "a", "b"));
    await writeFile(join(path, "file"), "");
  } finally {
    await rm(base, { recursive: true });
  }
});

test("a folder whose file system takes no folders is reported, not tried for ever", async () => {
  const base = await mkdtemp(join(tmpdir(), "tributary-test-"));
  const script = `
    import { rmdirSync } from "node:fs";
    import { writableFolder } from ${JSON.stringify(new URL("../../lib/folders.ts", import.meta.url).href)};
    import { makeAuditLogger } from ${JSON.stringify(new URL("../../lib/process/logger.ts", import.meta.url).href)};
    // A deleted folder takes no new ones: mkdir answers ENOENT although the parent is there.
    process.chdir(${JSON.stringify(base)});
    rmdirSync(${JSON.stringify(base)});
    const codeOf = (run) => { try { run(); } catch (error) { return error.code; } };
    console.log(codeOf(() => writableFolder("a/b")), codeOf(() => makeAuditLogger("a/b/audit", "gateway", [])));`;
  const register = fileURLToPath(new URL("../../scripts/typescript/register.mjs", import.meta.url));
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", register, "--input-type=module", "--eval", script],
    { encoding: "utf8", timeout: 20_000, killSignal: "SIGKILL" },
  );
  assert.equal(stdout.trim(), "FOLDER_UNUSABLE CONFIG_INVALID", stderr);
});
