import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { promisify } from "node:util";
import { openBlobStore } from "../../lib/blob/open.ts";
import { examineCatalog } from "../../lib/warehouse/iceberg/doctor/examine.ts";
import { DASHBOARDS } from "../../scripts/dashboards/panels.ts";
import { ROOT } from "../../scripts/stack/paths.ts";
import { startTimeOf } from "../../scripts/stack/processes.ts";
import type { StackFile } from "../../scripts/stack/stack.ts";
import { statement } from "../../scripts/stack/statement.ts";
import { missing } from "../infra/programs.ts";
import { withPrometheus } from "../support/prometheus.ts";
import { until } from "../support/until.ts";

/**
 * Starts and stops real servers (one to two minutes), so it requires REQUIRE_STACK like every test of real
 * servers.
 */
const wanted = process.env.REQUIRE_STACK === "1" || process.env.TRIBUTARY_TEST_TRINO !== undefined;
const skip = wanted ? false : 'set REQUIRE_STACK=1, or run it by `npm run stack -- --run "npm test"`';

const stack = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, ["--import", "tsx", "scripts/stack/main.ts", ...args], {
    cwd: ROOT,
    // So rarely that only SeaweedFS's webhook can report a drop in time.
    env: { ...process.env, TRIBUTARY_DROPS_POLL: "1h" },
  });

const readStack = (data: string): StackFile => JSON.parse(readFileSync(join(data, "stack.json"), "utf8")) as StackFile;

/** Sends a file to the table and waits until its rows can be queried. */
async function upload({ gateway }: StackFile, name: string, body: Buffer, table = "sales"): Promise<void> {
  const url = `${gateway}/v1/tables/${table}/files/${name}?wait=committed&timeout=3m`;
  const response = await fetch(url, { method: "PUT", body: new Uint8Array(body) });
  const answer = (await response.json()) as { status: string };
  assert.equal(answer.status, "committed", JSON.stringify(answer));
}

/** What an operation on a table answers. It waits ten seconds at most for the table's writer. */
async function operate(url: string, method: string, body?: object): Promise<{ status: string }> {
  const headers = { "content-type": "application/json" };
  const sent = body ? { headers, body: JSON.stringify(body) } : {};
  const response = await fetch(url, { method, ...sent });
  const answer = (await response.json()) as { status: string };
  assert.ok(response.ok, `${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

const targetsOf =
  (file: StackFile) =>
  (job: string): string[] =>
    Object.entries({ ...file.services, ...file.metrics })
      .filter(([name]) => name.replace(/-\d+$/, "") === job)
      .map(([, url]) => new URL(url).host);

test(
  "the whole stack starts, works, keeps its data over a restart, and stops",
  { skip, timeout: 600_000 },
  async (t) => {
    const data = await mkdtemp(join(tmpdir(), "tributary-stack-test-"));
    const start = (...more: string[]) => stack("--detach", "--trino-memory", "1G", "--data", data, ...more);
    const count = "SELECT count(*) FROM iceberg.lakehouse.sales";
    let pids: number[] = [];
    try {
      await t.test("starts four services, two parsers among them", async () => {
        await start("--parsers", "2");
        const file = readStack(data);
        pids = file.pids;
        assert.deepEqual(Object.keys(file.services), ["gateway", "parser-1", "parser-2", "committer", "scheduler"]);
        assert.equal(pids.length, 3 + 5);
        assert.equal(statSync(join(data, "stack.json")).mode & 0o077, 0, "only its owner may read the keys");
      });

      await t.test("ingests files", async () => {
        const file = readStack(data);
        const sample = await readFile(join(ROOT, "data", "sales_sample.csv"));
        await upload(file, "sales_sample.csv", sample);
        assert.deepEqual(await statement(file.trino!, count), [[200]]);
        const header = sample.toString("utf8").split("\n")[0]!;
        await upload(
          file,
          "faulty.csv",
          Buffer.from(`${header}\nORD-1,CUST-1,1.00,Italy,2024-01-01\nORD-2,CUST-1,much,Italy,2024-01-01\n`),
        );
        const binary = await fetch(`${file.gateway}/v1/tables/binary/files/a.csv?wait=committed&timeout=3m`, {
          method: "PUT",
          body: new Uint8Array(await buffer(createReadStream(process.execPath, { end: 4095 }))),
        });
        assert.equal(((await binary.json()) as { code: string }).code, "FILE_NOT_CSV");
        const path = await statement(file.trino!, 'SELECT DISTINCT "$path" FROM iceberg.lakehouse.sales');
        assert.match(JSON.stringify(path), /s3:\/\/lakehouse-warehouse\//);
      });

      await t.test("ingests a drop after SeaweedFS's notification, long before the next poll", async () => {
        const { s3, trino } = readStack(data);
        const drops = await openBlobStore("s3://csv-uploads", { s3 });
        await drops.put("dropped/a.csv", Readable.from(["id,name\n1,x\n2,y\n"]));
        await drops.close();
        const rows = (): Promise<unknown[][]> => statement(trino!, "SELECT count(*) FROM iceberg.lakehouse.dropped");
        const none = (): unknown[][] => [];
        await until("its rows", async () => String(await rows().catch(none)) === "2", 120_000);
      });

      await t.test("undoes a file, rebuilds a table and renames it", async () => {
        const { gateway, trino } = readStack(data);
        const rows = (table: string): Promise<unknown[][]> =>
          statement(trino!, `SELECT id, CAST(v AS VARCHAR), _source_file FROM iceberg.lakehouse.${table} ORDER BY id`);
        await upload(readStack(data), "text.csv", Buffer.from("id,v\n1,one\n"), "changing");
        await upload(readStack(data), "a.csv", Buffer.from("id,v\n2,2\n3,3\n"), "changing");
        await upload(readStack(data), "b.csv", Buffer.from("id,v\n4,4.5\n"), "changing");
        const undone = await operate(`${gateway}/v1/tables/changing/files/text.csv?reason=wrong`, "DELETE");
        assert.equal(undone.status, "done", JSON.stringify(undone));
        const left = [["2", "a.csv"], ["3", "a.csv"], ["4.5", "b.csv"]]; // prettier-ignore
        assert.deepEqual((await rows("changing")).map(([, ...more]) => more), left); // prettier-ignore
        const confirmed = { confirm: "changing", reason: "types" };
        const rebuilt = await operate(`${gateway}/v1/tables/changing/rebuild`, "POST", confirmed);
        await until("the rebuilt table", async () => (await rows("changing"))[0]?.[1] === "2.00", 120_000);
        assert.ok(["pending", "done"].includes(rebuilt.status), JSON.stringify(rebuilt));
        const kept = [["2.00", "a.csv"], ["3.00", "a.csv"], ["4.50", "b.csv"]]; // prettier-ignore
        assert.deepEqual((await rows("changing")).map(([, ...more]) => more), kept); // prettier-ignore
        const request = { ...confirmed, to: "changed" };
        const renamed = async (): Promise<boolean> =>
          (await operate(`${gateway}/v1/tables/changing/rename`, "POST", request)).status === "done";
        await until("the renamed table", renamed, 180_000);
        assert.deepEqual((await rows("changed")).map(([, ...more]) => more), kept); // prettier-ignore
        await assert.rejects(rows("changing"), /does not exist/);
      });

      await t.test("serves an Iceberg REST catalog that is fit for commits, and is left as it was", async () => {
        const { uri, warehouse, credential, oauth2ServerUri } = readStack(data).restCatalog;
        const { fit, reasons, leftovers, results } = await examineCatalog(
          { uri, warehouse, login: { kind: "oauth2", credential, serverUri: oauth2ServerUri } },
          { race: { ms: 5_000, writers: 4 }, signal: AbortSignal.timeout(120_000) },
        );
        assert.deepEqual({ fit, reasons, leftovers }, { fit: true, reasons: [], leftovers: [] });
        const views = results.find(({ check }) => check === "views");
        assert.equal(views?.status, "yes");
      });

      await t.test("lets Trino write, read and merge tables of the REST catalog, beside its own", async () => {
        const { trino } = readStack(data);
        const run = (sql: string): Promise<unknown[][]> => statement(trino!, sql);
        await run("CREATE SCHEMA rest.tried");
        await run("CREATE TABLE rest.tried.pairs (id BIGINT, v VARCHAR)");
        await run("INSERT INTO rest.tried.pairs VALUES (1, 'one'), (2, 'two')");
        // The creation of the table makes a snapshot, too.
        const snapshots = 'SELECT CAST(snapshot_id AS VARCHAR) FROM rest.tried."pairs$snapshots" ORDER BY committed_at';
        const inserted = (await run(snapshots)).flat().at(-1) as string;
        await run(
          "MERGE INTO rest.tried.pairs t USING (VALUES (2, 'zwei'), (3, 'drei')) s (id, v) ON t.id = s.id " +
            "WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)",
        );
        const all = "SELECT v FROM rest.tried.pairs";
        assert.deepEqual((await run(`${all} ORDER BY id`)).flat(), ["one", "zwei", "drei"]);
        assert.deepEqual((await run(`${all} FOR VERSION AS OF ${inserted} ORDER BY id`)).flat(), ["one", "two"]);
        await run("DROP TABLE rest.tried.pairs");
        await run("DROP SCHEMA rest.tried");
        assert.deepEqual(await run(count), [[201]]);
      });

      await t.test(
        "provides data for every panel of the dashboards",
        { skip: missing("prometheus", "Debian: prometheus", "REQUIRE_PROMETHEUS") },
        () =>
          withPrometheus(targetsOf(readStack(data)), data, async ({ ask }) => {
            for (const { panels } of Object.values(DASHBOARDS)) {
              for (const { title, queries, composeOnly } of panels) {
                if (composeOnly) continue;
                for (const [expr] of queries) {
                  await until(`${title}: ${expr}`, async () => (await ask(expr)).length > 0, 60_000);
                }
              }
            }
          }),
      );

      await t.test("writes no key to its logs", async () => {
        const { s3 } = readStack(data);
        for (const name of await readdir(join(data, "logs"))) {
          assert.ok(!(await readFile(join(data, "logs", name), "utf8")).includes(s3.secretKey), name);
        }
      });

      await t.test("refuses a second start in the same folder and keeps running", async () => {
        await assert.rejects(start(), /a stack is running in/);
        assert.deepEqual(await statement(readStack(data).trino!, count), [[201]]);
      });

      await t.test("stops all processes and starts again with its data", async () => {
        await stack("--stop", "--data", data);
        for (const pid of pids) assert.equal(startTimeOf(pid), undefined);
        assert.ok(!existsSync(join(data, "stack.json")));
        await start("--no-services");
        assert.deepEqual(await statement(readStack(data).trino!, count), [[201]]);
      });
    } finally {
      await stack("--stop", "--data", data);
      await rm(data, { recursive: true, force: true });
    }
  },
);

test("--stop without a running stack succeeds", { skip }, async () => {
  const data = await mkdtemp(join(tmpdir(), "tributary-stack-test-"));
  try {
    assert.match((await stack("--stop", "--data", data)).stderr, /no stack is running/);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});

test("an unsuitable Java is reported before any process starts", { skip }, async () => {
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
