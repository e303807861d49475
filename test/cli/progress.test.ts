import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { tributary } from "./tributary.ts";
import { barText, progressText, waitsForText } from "../../cli/progress.ts";

const FILE = {
  ...{ fileId: "f1", table: "sales", sourceFile: "big.csv", sizeBytes: 9, rowsRead: null, rowsCommitted: null },
  ...{ rowsRejected: null, receivedAt: null, durations: { totalMs: null }, error: null },
};
const PROGRESS = {
  step: "parse",
  filesDone: 0,
  filesTotal: 1,
  bytesDone: 2048,
  bytesTotal: 4096,
  rowsDone: 7,
} as const;

/** A gateway whose file ends once the command has asked how far it is. */
async function upload(args: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "tributary-progress-"));
  writeFileSync(join(folder, "big.csv"), "id\n1\n2\n3\n");
  let waits: ServerResponse | undefined;
  const answer = (response: ServerResponse, body: object): void =>
    void response.setHeader("content-type", "application/json").end(JSON.stringify(body));
  const server = createServer((request, response) => {
    const { method, url = "" } = request;
    request.resume();
    if (method === "PUT") answer(response, { ...FILE, status: "received" });
    else if (url.includes("wait=") && args.includes("--json")) answer(response, { ...FILE, status: "committed" });
    else if (url.includes("wait=")) waits = response;
    else {
      answer(response, { ...FILE, status: "parsing", progress: PROGRESS });
      if (waits) answer(waits, { ...FILE, status: "committed" });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await tributary(["upload", "sales", "big.csv", "--wait", ...args], {
      env: { TRIBUTARY_URL: `http://127.0.0.1:${port}` },
      cwd: folder,
    });
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}

test("upload --wait shows how far the file is, as plain lines without a terminal", async () => {
  const { code, out, err } = await upload([]);
  assert.equal(code, 0, err);
  assert.match(err, /^big\.csv \[={12}-{12}\] parsing: 2\.0 KB of 4\.0 KB, 7 rows$/m);
  assert.match(out, /big\.csv +sales +committed/);
});

test("with --json it shows no progress", async () => {
  const { code, err } = await upload(["--json"]);
  assert.deepEqual([code, err], [0, ""]);
});

test("a bar is as long for any amounts", () => {
  for (const [bytesDone, bytesTotal] of [
    [0, 0],
    [0, 9],
    [5, 9],
    [9, 9],
    [12, 9],
  ] as const) {
    // prettier-ignore
    assert.equal(barText({ ...PROGRESS, bytesDone, bytesTotal }).length, 26);
  }
});

test("the steps after the parse, and the file that another waits behind", () => {
  const load = { ...PROGRESS, step: "load", rowsDone: 7, rowsTotal: 20 } as const;
  assert.equal(progressText({ progress: load }), "loading: 7 of 20 rows");
  assert.equal(progressText({ progress: { ...load, step: "commit" } }), "committing: 20 rows");
  assert.equal(waitsForText({ sourceFile: "big.csv", progress: load }), "waits for big.csv (loading: 7 of 20 rows)");
});
