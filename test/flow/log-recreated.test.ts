/** A lost event log with intact tables: uploads are refused until an operator adopts the new log. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../lib/clock.ts";
import { hasCode } from "../../lib/errors.ts";
import { openEventLog } from "../../lib/event-log/open.ts";
import { createFileEvents } from "../../lib/event-log/prepare-topics.ts";
import { startPipeline } from "./pipeline.ts";

const ROWS = "SELECT _source_file, id, name, _source_offset FROM t ORDER BY 1, 2";

async function start(folder: string, contracts: object[] = []) {
  const pipeline = await startPipeline(folder, { contracts });
  const put = (file: string, rows: string) => pipeline.put("t", file, `id,name\n${rows}`);
  return { ...pipeline, put, rows: () => pipeline.query(ROWS) };
}

test("a recreated event log is refused until it is adopted; then new versions replace old rows", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-recreated-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const before = await start(folder);
  assert.equal((await before.put("a.csv", "1,one\n2,two\n")).body.status, "committed");
  assert.equal((await before.put("b.csv", "7,seven\n")).body.status, "committed");
  const adopting = await fetch(`${before.gateway.url}/v1/log/adopt-recreated`, { method: "POST" });
  assert.equal(adopting.status, 400, "a log that was not recreated cannot be adopted");
  await before.stop();
  await rm(join(folder, "log"), { recursive: true });

  const after = await start(folder);
  await assert.rejects(after.gateway.ready(), (thrown) => hasCode(thrown, "LOG_RECREATED"));
  const refused = await after.put("a.csv", "1,uno\n");
  assert.deepEqual([refused.status, refused.body.code], [500, "LOG_RECREATED"]);
  const [end] = await after.log.offsets("file-events");
  assert.equal(end!.next, 0, "no file was accepted");

  const answer = await fetch(`${after.gateway.url}/v1/log/adopt-recreated`, { method: "POST" });
  assert.deepEqual(await answer.json(), { base: 2, tables: 1, repeated: 0 });
  assert.equal((await after.put("a.csv", "1,uno\n")).body.status, "committed");
  assert.deepEqual(await after.rows(), [
    ["a.csv", 1, "uno", 2],
    ["b.csv", 7, "seven", 1],
  ]);
  await after.gateway.ready();
  await after.stop();

  const again = await start(folder);
  assert.equal((await again.put("b.csv", "7,sept\n")).body.status, "committed", "the base survives a restart");
  assert.deepEqual(await again.rows(), [
    ["a.csv", 1, "uno", 2],
    ["b.csv", 7, "sept", 3],
  ]);
  await again.stop();
});

test("a log of 8 partitions continues with 8; recreated, it has 64 and the versions of its tables go on", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-partitions-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const old = await openEventLog(`embedded:${folder}/log`, { clock: systemClock });
  await createFileEvents(old, 8);
  await old.close();
  for (const name of ["one", "two"]) {
    const pipeline = await start(folder);
    assert.equal((await pipeline.put("a.csv", `1,${name}\n`)).body.status, "committed");
    assert.equal((await pipeline.log.offsets("file-events")).length, 8);
    await pipeline.stop();
  }
  await rm(join(folder, "log"), { recursive: true });

  const moved = await start(folder);
  const adopting = await fetch(`${moved.gateway.url}/v1/log/adopt-recreated`, { method: "POST" });
  assert.equal(adopting.status, 200);
  assert.equal((await moved.log.offsets("file-events")).length, 64);
  assert.equal((await moved.put("a.csv", "1,three\n")).body.status, "committed");
  assert.deepEqual(await moved.rows(), [["a.csv", 1, "three", 2]]);
  await moved.stop();
});

test("versions of a lost log are replayed from the ledger and the raw bytes; missing ones are listed", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-recreated-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const contracts = [{ table: "t", writeMode: "append" }];
  const before = await start(folder, contracts);
  await before.put("a.csv", "1,one\n");
  await before.put("b.csv", "2,two\n");
  const missingHash = String((await before.put("c.csv", "3,three\n")).body.contentHash);
  assert.equal((await before.send("POST", "/v1/tables/t/replay", { onlyFile: "a.csv" })).status, 202);
  assert.equal((await before.put("a.csv", "1,uno\n")).body.status, "committed", "after the replay");
  const expected = await before.rows();
  assert.equal(expected.length, 4, "an append table has both versions of a.csv, without duplicates");
  await before.stop();
  await rm(join(folder, "log"), { recursive: true });
  await rm(join(folder, "blobs", "raw", "sha256", missingHash.slice(0, 2), missingHash));

  const after = await start(folder, contracts);
  t.after(() => after.stop());
  await after.send("POST", "/v1/log/adopt-recreated");
  assert.equal((await after.put("d.csv", "4,four\n")).body.status, "committed");
  const { body } = await after.send("POST", "/v1/tables/t/replay", {});
  const { files, missing } = body as Record<"files" | "missing", { sourceFile: string }[]>;
  assert.deepEqual([files, missing].map((all) => all.map(({ sourceFile }) => sourceFile)), [["a.csv", "b.csv", "a.csv", "d.csv"], ["c.csv"]]); // prettier-ignore
  assert.equal((await after.put("e.csv", "5,five\n")).body.status, "committed", "after the replays");
  const rows = await after.rows();
  assert.deepEqual(rows.filter(([file]) => file !== "d.csv" && file !== "e.csv"), expected, "no duplicates"); // prettier-ignore
});
