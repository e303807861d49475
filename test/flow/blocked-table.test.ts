import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { TributaryError, type ErrorCode } from "../../lib/errors.ts";
import type { MicroBatch, Warehouse } from "../../lib/warehouse/warehouse.ts";
import { withFaults } from "../support/faults.ts";
import { until } from "../support/until.ts";
import { startPipeline } from "./pipeline.ts";

/** A pipeline whose warehouse refuses some commits. */
async function pipelineThat(t: TestContext, fails: (batch: MicroBatch) => ErrorCode | undefined) {
  const folder = mkdtempSync(join(tmpdir(), "tributary-blocked-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const commits: string[] = [];
  const wrapWarehouse = (warehouse: Warehouse): Warehouse =>
    withFaults(warehouse, (method, moment, [batch]) => {
      if (method !== "commit" || moment !== "before") return;
      const { layout, files } = batch as MicroBatch;
      commits.push(layout.table);
      const code = fails({ layout, files });
      if (code) throw new TributaryError(code, `${code} for the test`);
    });
  const pipeline = await startPipeline(folder, { wrapWarehouse });
  t.after(() => pipeline.stop());
  return { ...pipeline, commits };
}

const upload = async ({ send }: Pick<Awaited<ReturnType<typeof startPipeline>>, "send">, table: string, file: string) =>
  (await send("PUT", `/v1/tables/${table}/files/${file}`, `id\n1\n`)).body.fileId!;

test("a table that the warehouse refuses is blocked, no file fails, other tables continue, and skip ends a file", async (t) => {
  let refuses = true;
  const { send, put, query, ...pipeline } = await pipelineThat(t, ({ layout }) =>
    refuses && layout.table === "bad" ? "WAREHOUSE_REFUSED" : undefined,
  );
  const fileId = await upload({ send }, "bad", "a.csv");
  const second = await upload({ send }, "bad", "b.csv");
  await until("the file is blocked", async () => (await send("GET", `/v1/files/${fileId}`)).body.status === "blocked");
  const { body: file } = await send("GET", `/v1/files/${fileId}`);
  const block = file["blocked"] as Record<string, unknown> & { error: { code: string; remedy: string } };
  assert.equal(block.error.code, "WAREHOUSE_REFUSED");
  assert.ok(block.error.remedy.length > 0);
  assert.equal(block["step"], "commit");
  assert.ok((block["files"] as string[]).includes(fileId));
  assert.ok(Number(block["attempts"]) >= 1);
  assert.ok(Date.parse(String(block["nextTryAt"])) >= Date.parse(String(block["since"])));
  const { body: table } = await send("GET", "/v1/tables/bad");
  assert.equal((table["blocked"] as typeof block).error.code, "WAREHOUSE_REFUSED");
  assert.match(
    await pipeline.registries.committer.metrics(),
    /tributary_committer_blocked\{table="bad",code="WAREHOUSE_REFUSED"\} 1/,
  );
  await until("both files are listed as blocked", async () => {
    const { body } = await send("GET", "/v1/files?status=blocked");
    return (body["files"] as unknown[]).length === 2;
  });
  const { body: good } = await put("good", "a.csv", "id\n1\n");
  assert.equal(good.status, "committed");

  const { status, body: skipped } = await send("POST", `/v1/files/${fileId}/skip`, { reason: "wrong table" });
  assert.equal(status, 200, JSON.stringify(skipped));
  assert.equal(skipped.status, "failed");
  assert.equal((skipped["error"] as { code: string }).code, "FILE_SKIPPED");
  assert.match((skipped["error"] as { message: string }).message, /wrong table/);
  assert.equal((await send("POST", `/v1/files/${fileId}/skip`, { reason: "again" })).status, 409);
  assert.notEqual((await send("GET", `/v1/files/${second}`)).body.status, "failed");

  refuses = false;
  await until("the other file is committed", async () => {
    const { body } = await send("GET", `/v1/files/${second}`);
    return body.status === "committed" && body["blocked"] === null;
  });
  assert.equal((await send("GET", "/v1/tables/bad")).body["blocked"], null);
  const ledger = await query(
    "SELECT file_key, status, error_code FROM _ingest_files WHERE table_name = 'bad' ORDER BY 1",
  );
  assert.deepEqual(ledger, [
    ["a.csv", "failed", "FILE_SKIPPED"],
    ["b.csv", "committed", null],
  ]);
  assert.deepEqual(await query("SELECT _source_file FROM bad"), [["b.csv"]]);
});

test("a batch that is too large is divided; only a file that is too large alone fails, with its remedy", async (t) => {
  const pipeline = await pipelineThat(t, ({ files }) =>
    files.length > 1 || files[0]!.sourceFile === "huge.csv" ? "WAREHOUSE_LIMIT" : undefined,
  );
  const names = ["a.csv", "b.csv", "huge.csv", "c.csv"];
  const answers = await Promise.all(names.map((name) => pipeline.put("t", name, "id\n1\n")));
  assert.deepEqual(
    answers.map(({ body }) => body.code ?? body.status),
    ["committed", "committed", "WAREHOUSE_LIMIT", "committed"],
  );
  assert.equal((await pipeline.put("t", "d.csv", "id\n2\n")).body.status, "committed");
});

test("an error of unknown scope is the table's if an empty commit meets it, and the file's otherwise", async (t) => {
  let refusesAll = true;
  const pipeline = await pipelineThat(t, ({ layout, files }) => {
    if (layout.table === "files" && files.some(({ sourceFile }) => sourceFile === "bad.csv")) return "WAREHOUSE_FAILED";
    return layout.table === "all" && refusesAll ? "WAREHOUSE_FAILED" : undefined;
  });
  const waiting = await upload(pipeline, "all", "a.csv");
  assert.equal((await pipeline.put("files", "bad.csv", "id\n1\n")).body.code, "WAREHOUSE_FAILED");
  assert.equal((await pipeline.put("files", "good.csv", "id\n1\n")).body.status, "committed");
  await until("the table is blocked", async () => {
    const { body } = await pipeline.send("GET", `/v1/files/${waiting}`);
    return (body["blocked"] as { error: { code: string } } | null)?.error.code === "WAREHOUSE_REFUSED";
  });
  refusesAll = false;
  await until("its file is committed", async () => {
    const { body } = await pipeline.send("GET", `/v1/files/${waiting}`);
    return body.status === "committed";
  });
});
