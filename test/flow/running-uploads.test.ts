import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { uploadsText } from "../../cli/files/uploads.ts";
import { until } from "../support/until.ts";
import { startPipeline } from "./pipeline.ts";

interface Uploads {
  uploads: { table: string; sourceFile: string; origin: string; bytesDone: number; bytesTotal: number | null }[];
}

test("a file that is arriving is listed with its bytes until it has arrived", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tributary-uploads-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const pipeline = await startPipeline(folder);
  t.after(() => pipeline.stop());
  const list = async (): Promise<Uploads["uploads"]> => {
    const { status, body } = await pipeline.send("GET", "/v1/uploads");
    assert.equal(status, 200);
    return (body as unknown as Uploads).uploads;
  };
  assert.deepEqual(await list(), []);
  const [first, second] = ["id\n1\n", "2\n3\n"];
  const headers = { "content-length": first.length + second.length };
  const sending = request(`${pipeline.gateway.url}/v1/tables/orders/files/a.csv`, { method: "PUT", headers });
  const answered = new Promise<number | undefined>((resolve, reject) => {
    sending.once("response", (answer) => resolve(answer.resume().statusCode)).once("error", reject);
  });
  sending.write(first);
  const [half] = await until("the first bytes", async () => {
    const running = await list();
    return running[0]?.bytesDone === first.length && running;
  });
  const { table, sourceFile, origin, bytesTotal } = half!;
  assert.deepEqual([table, sourceFile, origin, bytesTotal], ["orders", "a.csv", "upload", headers["content-length"]]);
  sending.end(second);
  assert.equal(await answered, 202);
  assert.deepEqual(await list(), []);
});

test("the command shows how far each file is", () => {
  const one = { table: "orders", sourceFile: "a.csv", origin: "upload", startedAt: "2026-11-29T10:00:00.000Z" };
  const known = uploadsText({ uploads: [{ ...one, bytesDone: 1_000_000, bytesTotal: 4_000_000 }] });
  assert.match(known, /orders +a\.csv +upload +.*25 %/);
  const unknown = uploadsText({ uploads: [{ ...one, bytesDone: 1_000_000, bytesTotal: null }] });
  assert.ok(!unknown.includes("%"), unknown);
  assert.equal(uploadsText({ uploads: [] }), "no file is arriving");
});
