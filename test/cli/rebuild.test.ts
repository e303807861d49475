import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { RunningRebuild } from "../../cli/tables/rebuild.ts";
import { tributary } from "./tributary.ts";

const PENDING = {
  ...{ table: "sales", dryRun: false, status: "pending", files: 2, bytes: 30, missing: [], waiting: 0 },
  ...{ rows: { now: 3, inFiles: null }, columns: null, unreadable: [], complete: true },
  ...{ error: null, code: null, remedy: null, links: { self: "/v1/files/f1" } },
};
const RUNNING: RunningRebuild = {
  fileId: "f1",
  progress: { step: "rows", filesDone: 1, filesTotal: 2, bytesDone: 2048, bytesTotal: 4096, rowsDone: 7 },
};

/** A gateway whose rebuild is pending until the command has asked how far it is, and then ends so. */
async function runAgainst(end: object, args: readonly string[]) {
  let waits: ServerResponse | undefined;
  const server = createServer(({ method, url = "" }, response) => {
    const answer = (body: object): void =>
      void response.setHeader("content-type", "application/json").end(JSON.stringify(body));
    if (method === "POST" && args.includes("--json")) answer(PENDING);
    else if (method === "POST") waits = response.setHeader("content-type", "application/json");
    else if (url.startsWith("/v1/files/")) answer(url.includes("wait=") ? end : { fileId: "f1", status: "parsed" });
    else {
      answer({ rebuild: RUNNING });
      waits?.end(JSON.stringify(PENDING));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await tributary(["tables", "rebuild", "sales", "--confirm", "sales", ...args], {
      env: { TRIBUTARY_URL: `http://127.0.0.1:${port}` },
    });
  } finally {
    server.close();
  }
}

test("rebuild waits for the end and shows the progress meanwhile", async () => {
  const { code, out, err } = await runAgainst({ fileId: "f1", status: "committed", error: null }, []);
  assert.equal(code, 0, err);
  assert.match(err, /^rebuild 2 of 2, loads rows: 1 of 2 files, 2\.0 KB of 4\.0 KB, 7 rows$/m);
  assert.match(out, /^rebuild +done$/m);
});

test("a rebuild that fails while the command waits says why and what to do", async () => {
  const error = { code: "REBUILD_REFUSED", message: "file 'b.csv', BLOB_MISSING: gone", remedy: "Restore it." };
  const { code, out } = await runAgainst({ fileId: "f1", status: "failed", error }, []);
  assert.equal(code, 1);
  assert.match(out, /^why not +REBUILD_REFUSED: file 'b\.csv', BLOB_MISSING: gone$/m);
  assert.match(out, /^remedy +Restore it\.$/m);
});

test("after --timeout the rebuild is pending, with its place; --json shows no progress", async () => {
  const unfinished = { fileId: "f1", status: "parsed", error: null };
  const { code, out, err } = await runAgainst(unfinished, ["--timeout", "1ms", "--json"]);
  assert.deepEqual([code, err], [4, ""]);
  assert.equal((JSON.parse(out) as { status: string }).status, "pending");
});
