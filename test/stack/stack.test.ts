import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ROOT } from "../../scripts/stack/paths.ts";
import { bornAt } from "../../scripts/stack/processes.ts";
import type { StackFile } from "../../scripts/stack/stack.ts";

/** Starts and stops real servers (a minute or two), so it asks for the same sign as every test of real servers. */
const wanted = process.env.REQUIRE_STACK === "1" || process.env.TRIBUTARY_TEST_TRINO !== undefined;
const skip = wanted ? false : 'set REQUIRE_STACK=1, or run it by `npm run stack -- --run "npm test"`';

const stack = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, ["--import", "tsx", "scripts/stack/main.ts", ...args], { cwd: ROOT });

const readStack = (data: string): StackFile => JSON.parse(readFileSync(join(data, "stack.json"), "utf8")) as StackFile;

/** Rows of one statement. */
async function rowsOf(trino: string, statement: string): Promise<unknown[][]> {
  type Answer = { nextUri?: string; data?: unknown[][]; error?: { message: string } };
  const headers = { "x-trino-user": "test" };
  const ask = async (url: string, init: RequestInit): Promise<Answer> =>
    (await (await fetch(url, init)).json()) as Answer;
  let answer = await ask(`${trino}/v1/statement`, { method: "POST", body: statement, headers });
  const rows: unknown[][] = [];
  for (;;) {
    rows.push(...(answer.data ?? []));
    if (answer.error) throw new Error(answer.error.message);
    if (answer.nextUri === undefined) return rows;
    answer = await ask(answer.nextUri, { headers });
  }
}

test("the servers start, keep their data over a restart, and stop", { skip, timeout: 400_000 }, async (t) => {
  const data = await mkdtemp(join(tmpdir(), "tributary-stack-test-"));
  const start = () => stack("--no-services", "--detach", "--trino-memory", "1G", "--data", data);
  const pids: number[] = [];
  try {
    await t.test("start", async () => {
      await start();
      const file = readStack(data);
      pids.push(...file.pids);
      assert.equal(file.pids.length, 3);
      assert.equal(statSync(join(data, "stack.json")).mode & 0o077, 0, "only its owner may read the keys");
      await rowsOf(file.trino, "CREATE TABLE iceberg.lakehouse._kept (id bigint)");
      await rowsOf(file.trino, "INSERT INTO iceberg.lakehouse._kept VALUES 7");
      assert.match(
        JSON.stringify(await rowsOf(file.trino, 'SELECT "$path" FROM iceberg.lakehouse._kept')),
        /s3:\/\/lakehouse-warehouse\//,
      );
    });

    await t.test("tells no key to its logs", async () => {
      const { s3 } = readStack(data);
      for (const name of await readdir(join(data, "logs"))) {
        assert.ok(!(await readFile(join(data, "logs", name), "utf8")).includes(s3.secretKey), name);
      }
    });

    await t.test("a second start in the same folder is refused and disturbs nothing", async () => {
      await assert.rejects(start(), /a stack is running in/);
      assert.deepEqual(await rowsOf(readStack(data).trino, "SELECT * FROM iceberg.lakehouse._kept"), [[7]]);
    });

    await t.test("stop and start again", async () => {
      await stack("--stop", "--data", data);
      for (const pid of pids) assert.equal(bornAt(pid), undefined);
      assert.ok(!existsSync(join(data, "stack.json")));
      await start();
      assert.deepEqual(await rowsOf(readStack(data).trino, "SELECT * FROM iceberg.lakehouse._kept"), [[7]]);
    });
  } finally {
    await stack("--stop", "--data", data);
    await rm(data, { recursive: true, force: true });
  }
});

test("--stop where nothing runs is no error", { skip }, async () => {
  const data = await mkdtemp(join(tmpdir(), "tributary-stack-test-"));
  try {
    assert.match((await stack("--stop", "--data", data)).stderr, /nothing of a stack/);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});

test("an unfit Java is told before anything starts", { skip }, async () => {
  const data = await mkdtemp(join(tmpdir(), "tributary-stack-test-"));
  const env = { ...process.env, TRIBUTARY_JAVA_HOME: data };
  try {
    const args = ["--import", "tsx", "scripts/stack/main.ts", "--no-services", "--detach", "--data", data];
    await assert.rejects(promisify(execFile)(process.execPath, args, { cwd: ROOT, env }), /needs Java 24 or newer/);
    assert.ok(!existsSync(join(data, "processes.json")));
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});
