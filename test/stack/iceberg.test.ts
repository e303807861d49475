import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { ROOT } from "../../scripts/stack/paths.ts";
import type { Engine, StackFile } from "../../scripts/stack/stack.ts";

const wanted = process.env.REQUIRE_STACK === "1" || process.env.TRIBUTARY_TEST_REST_CATALOG !== undefined;
const skip = wanted ? false : 'set REQUIRE_STACK=1, or run it by `npm run stack -- --run "npm test"`';

const stack = (...args: string[]): Promise<unknown> =>
  promisify(execFile)(process.execPath, ["--import", "tsx", "scripts/stack/main.ts", ...args], { cwd: ROOT });

interface Answer {
  status: string;
  rows?: unknown[][];
}

const STACKS = [
  ["without Trino", "iceberg"],
  ["with both engines", "auto"],
] as const;

for (const [name, engine] of STACKS)
  test(`a stack ${name} ingests, corrects, undoes, and keeps its data over a restart`, { skip }, (t) =>
    proves(engine, t),
  );

async function proves(engine: Engine, t: TestContext): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), "tributary-stack-iceberg-"));
  t.after(async () => {
    await stack("--stop", "--data", data).catch(() => undefined);
    await rm(data, { recursive: true, force: true });
  });
  const start = (): Promise<unknown> => stack("--engine", engine, "--trino-memory", "1G", "--detach", "--data", data);
  const file = (): StackFile => JSON.parse(readFileSync(join(data, "stack.json"), "utf8")) as StackFile;
  const send = async (method: string, path: string, body?: string | Buffer, type?: string): Promise<Answer> => {
    const sent = body === undefined ? {} : { body, headers: { "content-type": type ?? "text/csv" } };
    const response = await fetch(`${file().gateway}${path}`, { method, ...sent });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Answer;
  };
  const upload = async (table: string, name: string, body: string | Buffer): Promise<void> => {
    const { status } = await send("PUT", `/v1/tables/${table}/files/${name}?wait=committed&timeout=2m`, body);
    assert.equal(status, "committed");
  };
  const rows = async (sql: string): Promise<unknown> =>
    (await send("POST", "/v1/query", JSON.stringify({ sql }), "application/json")).rows;

  await start();
  assert.equal(file().trino !== undefined, engine === "auto");
  assert.equal(file().pids.length, (engine === "auto" ? 3 : 2) + 4, "the servers and four services");
  await upload("sales", "sample.csv", await readFile(join(ROOT, "data", "sales_sample.csv")));
  assert.deepEqual(await rows("SELECT count(*) FROM sales"), [[200]]);
  await upload("trial", "a.csv", "id,city\n1,Zürich\n2,Bern\n");
  await upload("trial", "a.csv", "id,city\n1,Zürich\n2,Oslo\n3,Rome\n");
  await upload("trial", "b.csv", "id,city\n4,Lima\n");
  const trial = "SELECT id, city FROM trial ORDER BY id";
  assert.deepEqual(await rows(trial), [[1, "Zürich"], [2, "Oslo"], [3, "Rome"], [4, "Lima"]]); // prettier-ignore
  assert.equal((await send("DELETE", "/v1/tables/trial/files/a.csv?reason=wrong")).status, "done");
  assert.deepEqual(await rows(trial), [[4, "Lima"]]);

  await stack("--stop", "--data", data);
  await start();
  assert.deepEqual(await rows(trial), [[4, "Lima"]]);
  await upload("trial", "c.csv", "id,city\n5,Quito\n");
  assert.deepEqual(await rows("SELECT count(*) FROM trial"), [[2]]);
}
