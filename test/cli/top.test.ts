import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { defaultContract } from "../../lib/contract/contract.ts";
import { contractsOf } from "../../lib/contract/load.ts";
import { topOf, type Top } from "../../cli/top.ts";
import { testGateway, type TestGateway } from "../services/gateway/gateway.ts";
import { until } from "../support/until.ts";
import { tributary } from "./tributary.ts";

const bin = fileURLToPath(new URL("../../bin/tributary.mjs", import.meta.url));
const WAIT_MS = 20_000;
let gateway: TestGateway;

before(async () => {
  gateway = await testGateway({}, { contracts: contractsOf([defaultContract("sales")]) });
});
after(() => gateway.drain());

async function upload(name: string): Promise<string> {
  const answer = await fetch(`${gateway.url}/v1/tables/sales/files/${name}`, { method: "PUT", body: "id\n1\n" });
  return ((await answer.json()) as { fileId: string }).fileId;
}

test("rates are of the last ten seconds, rejects of each file's newest version", () => {
  const nowMs = Date.parse("2026-01-01T00:01:00Z");
  const file = (
    fileId: string,
    sourceFile: string,
    committedAt: string | null,
    rows: number,
    rejects: number | null,
  ) => ({
    ...{ fileId, table: "sales", sourceFile, status: "committed", sizeBytes: 1, rowsRead: rows, rowsCommitted: rows },
    ...{ rowsRejected: rejects, receivedAt: null, durations: { totalMs: null }, error: null, committedAt },
  });
  const files = [
    file("3", "a.csv", "2026-01-01T00:00:59Z", 40, 0),
    file("1", "a.csv", "2026-01-01T00:00:00Z", 1_000, 7),
    file("2", "b.csv", "2026-01-01T00:00:58Z", 2, 5),
    file("4", "b.csv", null, 0, null),
  ];
  const summary = { lastCommitAt: "2026-01-01T00:00:59Z", lag: { files: 1, oldestSeconds: 1.26 } };
  const { tables } = topOf([{ table: "sales", ...summary }], files, nowMs);
  assert.deepEqual(tables, [
    {
      table: "sales",
      rowsPerSecond: 4.2,
      filesWaiting: 1,
      secondsBehind: 1.3,
      lastCommitAt: summary.lastCommitAt,
      rowsRejected: 5,
    },
  ]);
});

test("--once says it once: a table for people, JSON for machines", async () => {
  await gateway.ended(await upload("first.csv"), {}, { committedAtMs: Date.now() });
  const env = { TRIBUTARY_URL: gateway.url };
  const inWords = await tributary(["top", "--once"], { env });
  assert.equal(inWords.code, 0, inWords.err);
  assert.match(inWords.out, /^table +rows\/s +files waiting +seconds behind +last commit +rejected\n/);
  const { out } = await tributary(["top", "--once", "--json"], { env });
  const { tables } = JSON.parse(out) as Top;
  assert.deepEqual(
    tables.map(({ table, filesWaiting, rowsRejected }) => [table, filesWaiting, rowsRejected]),
    [["sales", 0, 1]],
  );
  const nobody = await tributary(["top", "--once"], { env: { TRIBUTARY_URL: "http://127.0.0.1:1" } });
  assert.equal(nobody.code, 3);
});

test("without a terminal it says a line a table, follows what happens live, and Ctrl+C ends it with 0", async () => {
  const child = spawn(process.execPath, [bin, "--url", gateway.url, "top", "--every", "50ms"], {
    cwd: tmpdir(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  try {
    await until("a first line", () => /^\S+Z sales rows_per_second=\S+ files_waiting=0 /m.test(out), WAIT_MS);
    const fileId = await upload("second.csv");
    await until("a file that waits", () => / files_waiting=1 /.test(out), WAIT_MS);
    await gateway.ended(fileId, { rowsCommitted: 5_000, rowsRejected: 3 }, { committedAtMs: Date.now() });
    await until("its rows", () => / rows_per_second=500\S* files_waiting=0 .* rows_rejected=4\n/.test(out), WAIT_MS);
  } finally {
    child.kill("SIGINT");
  }
  assert.equal(await ended, 0);
  assert.ok(!out.includes("\x1b"), "no escape sequences outside a terminal");
});
