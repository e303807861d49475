import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { startPipeline } from "./pipeline.ts";

const MB = 1024 * 1024;

test("a file that finds the log's disk full tells why it waits, and commits once there is room", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tributary-full-disk-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const rowsFreeBytesMin = 50 * MB;
  let freeBytes = 40 * MB;
  const embeddedLog = { rowsFreeBytesMin, diskFreeBytes: () => freeBytes };
  const { send, query, ...pipeline } = await startPipeline(folder, { embeddedLog });
  t.after(() => pipeline.stop());
  const fileId = (await send("PUT", "/v1/tables/t/files/a.csv", "id\n1\n2\n")).body.fileId!;
  const fileOf = async () => (await send("GET", `/v1/files/${fileId}`)).body;
  await until("the file tells why it waits", async () => {
    const { status, ...file } = await fileOf();
    return status === "parsing" && (file["error"] as { code: string } | null)?.code === "DISK_FULL";
  });

  freeBytes = 0;
  const unready = await send("GET", "/readyz");
  assert.deepEqual([unready.status, unready.body.code], [503, "DISK_FULL"]);
  assert.match(String(unready.body["remedy"]), /Free space/);
  assert.equal((await send("PUT", "/v1/tables/t/files/b.csv", "id\n3\n")).body.code, "DISK_FULL");

  freeBytes = 100 * MB;
  await until("the file commits", async () => (await fileOf()).status === "committed", 30_000);
  assert.equal((await fileOf())["error"], null);
  assert.equal((await send("GET", "/readyz")).status, 200);
  const rows = await query("SELECT id FROM t ORDER BY id");
  assert.deepEqual(
    rows.map(([id]) => Number(id)),
    [1, 2],
  );
});
