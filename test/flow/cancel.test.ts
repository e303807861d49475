import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { until } from "../support/until.ts";
import { startPipeline } from "./pipeline.ts";

const ROWS = 200_000;
const large = ["id,note", ...Array.from({ length: ROWS }, (_, n) => `${n},note of row ${n}`), ""].join("\n");

/** Serves objects; the second reading of a large one, which is that of its load, does not end by itself. */
class StuckLoads {
  #reads = 0;
  isLoading = false;
  isStuck = true;

  wrap = (blob: BlobStore): BlobStore =>
    new Proxy(blob, {
      get: (target, name) => {
        if (name === "get") return (...args: Parameters<BlobStore["get"]>) => this.#get(target, ...args);
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    });

  async #get(blob: BlobStore, ...[key, options]: Parameters<BlobStore["get"]>): ReturnType<BlobStore["get"]> {
    const found = await blob.get(key, options);
    if (!this.isStuck || (await blob.head(key))!.sizeBytes < large.length || ++this.#reads < 2) return found;
    this.isLoading = true;
    found.body.destroy();
    const body = new Readable({ read: () => undefined });
    options?.signal?.addEventListener("abort", () => body.destroy(new Error("aborted")));
    return { ...found, body };
  }
}

test("a load that runs is cancelled: no row, no file after it waits, and a replay loads it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tributary-cancel-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const loads = new StuckLoads();
  const { send, put, query, ...pipeline } = await startPipeline(folder, { wrapBlob: loads.wrap });
  t.after(() => pipeline.stop());
  const cancel = async (fileId: string, body: object = {}) => {
    const answer = await send("POST", `/v1/files/${fileId}/cancel`, body);
    const error = answer.body["error"] as { code: string; message: string } | undefined;
    return { ...answer, error };
  };

  const { body: first } = await put("t", "first.csv", "id,note\n1,a\n");
  const { fileId } = (await send("PUT", "/v1/tables/t/files/large.csv", large)).body;
  const { fileId: after } = (await send("PUT", "/v1/tables/t/files/after.csv", "id,note\n2,b\n")).body;
  await until("the load runs", () => loads.isLoading);
  const cancelled = await cancel(fileId!, { reason: "wrong month" });
  assert.deepEqual([cancelled.status, cancelled.error?.code], [200, "FILE_CANCELLED"], cancelled.text);
  assert.equal(cancelled.error?.message, "cancelled: wrong month");
  const again = await cancel(fileId!);
  assert.deepEqual([again.status, again.error], [200, cancelled.error]);
  const next = await send("GET", `/v1/files/${after}?wait=committed&timeout=60s`);
  assert.equal(next.body.status, "committed");
  assert.deepEqual(await query("SELECT _source_file, count(*)::INTEGER FROM t GROUP BY 1 ORDER BY 1"), [
    ["after.csv", 1],
    ["first.csv", 1],
  ]);
  assert.deepEqual(
    await query("SELECT status, error_code, rows_committed::INTEGER FROM _ingest_files WHERE file_key = 'large.csv'"),
    [["failed", "FILE_CANCELLED", 0]],
  );

  const late = await cancel(first.fileId!);
  assert.deepEqual([late.status, late.body.code], [409, "FILE_ENDED"]);
  assert.match(late.body.detail!, /tributary files undo t first\.csv/);
  assert.doesNotMatch(String(late.body.remedy), /Nothing to do/);
  assert.equal((await cancel("0198f3a2-0000-7000-8000-000000000000")).status, 404);

  loads.isStuck = false;
  const replayed = await send("POST", "/v1/tables/t/replay", { onlyFile: "large.csv" });
  assert.ok(replayed.status < 300, replayed.text);
  await until("the replay is committed", async () => {
    const [[rows]] = (await query("SELECT count(*)::INTEGER FROM t WHERE _source_file = 'large.csv'")) as [[number]];
    return rows === ROWS;
  });
});
