import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../../scripts/tributary-process.ts";
import { tributary } from "./tributary.ts";

/** The whole pipeline by commands only: `tributary serve`, and the other commands against it. */
const bin = fileURLToPath(new URL("../../bin/tributary.mjs", import.meta.url));
const READY_MS_MAX = 60_000;
let folder: string;
let url: string;
let server: ChildProcess;
const run = (...args: string[]) => tributary(args, { env: { TRIBUTARY_URL: url }, cwd: folder });

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tributary-serve-"));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  server = spawn(process.execPath, [bin, "serve", "--port", String(port), "--data", join(folder, "data")], {
    cwd: folder,
    env: { ...process.env, TRIBUTARY_LOG_LEVEL: "error", TRIBUTARY_FILES_REMEMBERED: "2" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const deadline = performance.now() + READY_MS_MAX;
  while (
    !(await fetch(`${url}/readyz`).then(
      async (response) => (await response.text(), response.ok),
      () => false,
    ))
  ) {
    assert.ok(server.exitCode === null && performance.now() < deadline, "tributary serve did not become ready");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
after(() => {
  server.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

test("after upload --wait a query returns the rows", async () => {
  const generated = await run("generate-sales", "--rows", "1000", "--out", "orders.csv");
  assert.equal(generated.code, 0, generated.err);
  const sent = await run("upload", "orders", "orders.csv", "--wait");
  assert.equal(sent.code, 0, sent.err);
  const { out } = await run("query", "SELECT count(*) AS n, max(amount) AS top FROM orders", "--json");
  assert.deepEqual((JSON.parse(out) as { rows: unknown[][] }).rows, [[1000, "5650.00"]]);
  const table = await run("tables", "orders");
  assert.match(table.out, /^rows +1000$/m);
  assert.match(table.out, /^highest ingestion_date +2024-02-09$/m);
});

test("shows rejected rows with line and reason, and a failed file with its remedy", async () => {
  writeFileSync(join(folder, "first.csv"), "id,amount\n1,2\n");
  writeFileSync(join(folder, "second.csv"), "id,amount\n1,2\nx,3\n4\n");
  const sent = await run("upload", "rough", "first.csv", "second.csv", "--wait", "--json");
  assert.equal(sent.code, 5, sent.err);
  const [, second] = JSON.parse(sent.out) as { rowsRead: number; rowsCommitted: number; rowsRejected: number }[];
  assert.deepEqual([second!.rowsRead, second!.rowsCommitted, second!.rowsRejected], [3, 1, 2]);
  const rejects = await run("rejects", "rough");
  assert.match(rejects.out, /second\.csv +3 +2 +id/);
  assert.match(rejects.out, /second\.csv +4 +3/);
  const again = await run("upload", "rough", "second.csv", "--wait");
  assert.match(again.err, /second\.csv: 2 rows rejected\n→ tributary rejects rough --file second\.csv/);
  const byName = await run("status", "second.csv");
  assert.deepEqual([byName.code, /^rows rejected +2$/m.test(byName.out)], [0, true], byName.err);
  writeFileSync(join(folder, "q.sql"), "SELECT 41 + 1 AS answer");
  assert.match((await run("query", "--file", "q.sql")).out, /42/);
  for (const args of [
    ["rejects", "nope"],
    ["rejects", "nope", "--counts"],
    ["status", "--table", "nope"],
  ]) {
    const unknown = await run(...args);
    assert.deepEqual([unknown.code, /NOT_FOUND/.test(unknown.err)], [1, true], args.join(" "));
  }
  const filtered = await run("rejects", "rough", "--column", "id", "--json");
  assert.equal((JSON.parse(filtered.out) as { rejects: unknown[] }).rejects.length, 1);
  writeFileSync(join(folder, "empty.csv"), "");
  const empty = await run("upload", "rough", "empty.csv", "--wait");
  assert.equal(empty.code, 1);
  assert.match(empty.err, /FILE_EMPTY/);
});

test("finds files in the warehouse that the gateway no longer holds in memory", async () => {
  const list = await run("status", "--table", "orders", "--json");
  const { files } = JSON.parse(list.out) as { files: { fileId: string; sourceFile: string; status: string }[] };
  assert.deepEqual(
    files.map(({ sourceFile, status }) => [sourceFile, status]),
    [["orders.csv", "committed"]],
  );
  const one = await run("status", files[0]!.fileId);
  assert.deepEqual([one.code, /^rows committed +1000$/m.test(one.out)], [0, true]);
});

test("ingests a dropped file under its path within the table's folder", async () => {
  const drops = join(folder, "data", "drops", "dropped", "2024");
  mkdirSync(drops, { recursive: true });
  writeFileSync(join(drops, "d.csv"), "id\n1\n2\n");
  const deadline = performance.now() + 30_000;
  for (;;) {
    const { out } = await run("status", "--table", "dropped", "--json");
    // Until the file has arrived, the table is unknown.
    const { files } = JSON.parse(out || '{"files":[]}') as { files: { sourceFile: string; status: string }[] };
    if (files[0]?.status === "committed") {
      assert.equal(files[0].sourceFile, "2024/d.csv");
      break;
    }
    assert.ok(performance.now() < deadline, `not committed in time: ${out}`);
  }
});

test("preview shows the columns that a file would add", async () => {
  writeFileSync(join(folder, "more.csv"), "id,amount,note\n1,2,new\n");
  const { code, out, err } = await run("preview", "more.csv", "--table", "rough");
  assert.equal(code, 0, err);
  assert.match(out, /note +VARCHAR/);
});

test("SIGTERM stops the server with exit code 0", async () => {
  const ended = new Promise<number | null>((resolve) => server.once("exit", (code) => resolve(code)));
  server.kill("SIGTERM");
  assert.equal(await ended, 0);
});

test("the server does not outlive its command, even if that is killed", async () => {
  server.kill("SIGKILL");
  const answers = (): Promise<boolean> =>
    fetch(`${url}/readyz`).then(
      async (response) => (await response.text()) !== "",
      () => false,
    );
  const deadline = performance.now() + READY_MS_MAX;
  while (await answers()) {
    assert.ok(performance.now() < deadline, "the server still answers");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
