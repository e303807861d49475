import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { defaultContract } from "../../lib/contract/contract.ts";
import { contractsOf } from "../../lib/contract/load.ts";
import { topOf, topText, type Top } from "../../cli/top.ts";
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

test("rates cover the last ten seconds, rejects the newest version of each file", () => {
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

test("tables are sorted by lag, then by rows per second", () => {
  const nowMs = Date.parse("2026-01-01T00:01:00Z");
  const summary = (table: string, oldestSeconds: number) => ({
    ...{ table, lastCommitAt: null },
    lag: { files: 1, oldestSeconds },
  });
  const { tables } = topOf([summary("calm", 0), summary("late", 3), summary("later", 70), summary("b", 0)], [], nowMs);
  assert.deepEqual(
    tables.map(({ table }) => table),
    ["later", "late", "b", "calm"],
  );
});

test("a narrow terminal shortens names and omits columns, but keeps all lines", () => {
  const one = { rowsPerSecond: 1234.5, filesWaiting: 12, secondsBehind: 3.4, lastCommitAt: null, rowsRejected: 7 };
  const top: Top = {
    at: "2026-01-01T00:00:00.000Z",
    tables: ["sales", "a_table_with_a_rather_long_name"].map((table) => ({ table, ...one })),
  };
  const heads = (width: number): string => topText(top, width).split("\n")[0]!.replace(/ {2,}/g, "|");
  assert.equal(heads(120), "table|rows/s|seconds behind|files waiting|last commit|rejected");
  assert.equal(heads(50), "table|rows/s|seconds behind|files waiting");
  assert.equal(heads(40), "table|rows/s|seconds behind");
  assert.equal(heads(20), "table|rows/s");
  for (let width = 10; width < 120; width++)
    for (const line of topText(top, width).split("\n")) assert.ok(line.length <= width, `${width}: '${line}'`);
  assert.match(topText(top, 75), /a_table\w*…/);
});

test("without a terminal it prints once: a text table, or JSON with --json", async () => {
  await gateway.ended(await upload("first.csv"), {}, { committedAtMs: Date.now() });
  const env = { TRIBUTARY_URL: gateway.url };
  for (const args of [["top"], ["top", "--once"]]) {
    const printed = await tributary(args, { env });
    assert.equal(printed.code, 0, printed.err);
    assert.match(printed.out, /^table +rows\/s +seconds behind +files waiting +last commit +rejected\n/);
  }
  const { out } = await tributary(["top", "--json"], { env });
  const { tables } = JSON.parse(out) as Top;
  assert.deepEqual(
    tables.map(({ table, filesWaiting, rowsRejected }) => [table, filesWaiting, rowsRejected]),
    [["sales", 0, 1]],
  );
  const unreachable = await tributary(["top", "--once"], { env: { TRIBUTARY_URL: "http://127.0.0.1:1" } });
  assert.equal(unreachable.code, 3);
});

test("without a terminal --every prints a line per table, follows live events; Ctrl+C exits with 0", async () => {
  const child = spawn(process.execPath, [bin, "--url", gateway.url, "top", "--every", "100ms"], {
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

test("an interval without a pause is a usage error that says the least one", async () => {
  for (const every of ["0", "0s", "99ms"]) {
    const { code, err } = await tributary(["top", "--every", every], { env: { TRIBUTARY_URL: gateway.url } });
    assert.equal(code, 2);
    assert.match(err, new RegExp(`'${every}' is too short: write 100ms or more`));
  }
});

const noScript = spawnSync("script", ["--version"]).error ? "script is not on the PATH (Debian: bsdutils)" : false;

test(
  "on a terminal it redraws in place within the terminal's size, and restores the screen",
  { skip: noScript },
  async () => {
    const run = `stty cols 34 rows 5; exec '${process.execPath}' '${bin}' --url ${gateway.url} top --every 100ms`;
    const child = spawn("script", ["-qfec", run, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    await until("two frames", () => out.split("\x1b[H").length > 3, WAIT_MS);
    child.stdin.write("\x03");
    assert.equal(await ended, 0);
    assert.ok(
      out.startsWith("\x1b[?1049h\x1b[?25l") && out.trimEnd().endsWith("\x1b[?25h\x1b[?1049l"),
      "uses the alternate screen",
    );
    const frames = out.split("\x1b[H").slice(1, -1);
    for (const frame of frames) {
      const lines = frame.replace(/\x1b\[[?\w]*[A-Za-z]/g, "").split(/\r?\n/);
      assert.ok(lines.length <= 5);
      for (const line of lines) assert.ok(line.length <= 34, line);
    }
  },
);
