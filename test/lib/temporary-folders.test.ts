import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { makeTemporaryFolder, removeLeftovers, temporaryPath } from "../../lib/temporary-folders.ts";

test("folders that killed processes left go; those of running ones, and whatever else there is, stay", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "leftovers-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { pid: dead } = spawnSync(process.execPath, ["-e", ""]);
  const own = basename(temporaryPath("raw"));
  const named = (pid: number, random = "00000000"): string =>
    own.replace(`-${process.pid}-`, `-${pid}-`).replace(/[0-9a-f]{8}$/, random);
  const elsewhere = named(dead).replace(/^(tributary-raw-)[0-9a-f]{8}/, "$1ffffffff");
  const before = named(process.pid, "11111111");
  const kept = [own, named(process.ppid), elsewhere, "tributary-raw-abc", "other"];
  for (const name of [...kept, named(dead), `${named(dead, "22222222")}.plans`, before]) {
    await mkdir(join(folder, name, "inside"), { recursive: true });
  }
  await utimes(join(folder, before), 1, 1);
  await removeLeftovers(folder);
  assert.deepEqual((await readdir(folder)).toSorted(), kept.toSorted());
});

test("a folder is made where only this user reads it", async (t) => {
  const folder = await makeTemporaryFolder("raw");
  t.after(() => rm(folder, { recursive: true }));
  assert.ok(existsSync(folder));
});
