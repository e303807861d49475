/**
 * Checks, gate and maintenance from a user's view: `tributary serve` with contracts, used by commands and
 * HTTP.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../../scripts/tributary-process.ts";
import { until } from "../support/until.ts";
import { tributary } from "./tributary.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const TIMEOUT_MS = 60_000;
let folder: string;
let url: string;
let server: ChildProcess;
const run = (...args: string[]) => tributary(args, { env: { TRIBUTARY_URL: url }, cwd: folder });
const rows = async (sql: string): Promise<unknown[][]> =>
  (JSON.parse((await run("query", sql, "--json")).out) as { rows: unknown[][] }).rows;

async function send(table: string, name: string, csv: string): Promise<void> {
  writeFileSync(join(folder, name), csv);
  const { code, err } = await run("upload", table, name, "--wait");
  assert.equal(code, 0, err);
}

const GATED = `
table: gated
writeMode: upsert
key: [id]
gate: block
checks:
  - { name: amount_positive, type: positive, column: amount }
`;
const BROKEN = `
table: broken
checks:
  - { name: fine, type: not_null, column: id }
  - { name: nonsense, type: custom_sql, sql: "SELECT nonsense FROM broken" }
`;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tributary-quality-"));
  mkdirSync(join(folder, "contracts"));
  cpSync(join(root, "contracts/sales.yml"), join(folder, "contracts/sales.yml"));
  writeFileSync(join(folder, "contracts/gated.yml"), GATED);
  writeFileSync(join(folder, "contracts/broken.yml"), BROKEN);
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const bin = join(root, "bin/tributary.mjs");
  server = spawn(process.execPath, [bin, "serve", "--port", String(port), "--data", join(folder, "data")], {
    cwd: folder,
    env: { ...process.env, TRIBUTARY_LOG_LEVEL: "fatal", TRIBUTARY_CHECKS_GAP: "0ms" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const ready = () => fetch(`${url}/readyz`).then(async (response) => (await response.text(), response.ok), () => false); // prettier-ignore
  await until("tributary serve", ready, TIMEOUT_MS);
});
after(async () => {
  // Not SIGKILL: it would leave the services, which run in a child process.
  server.kill("SIGTERM");
  if (server.exitCode === null) await once(server, "exit");
  rmSync(folder, { recursive: true, force: true });
});

test("the eight sales checks pass on the sample: exit code 0, a text table, and each result is recorded", async () => {
  cpSync(join(root, "data/sales_sample.csv"), join(folder, "sample.csv"));
  assert.equal((await run("upload", "sales", "sample.csv", "--wait")).code, 0);
  const { code, out, err } = await run("checks", "run", "sales");
  assert.equal(code, 0, err);
  const names = [
    ["sales_order_id_unique", "uniqueness", "order_id"],
    ["sales_order_id_not_null", "not_null", "order_id"],
    ["sales_amount_positive", "positive", "amount"],
    ["sales_amount_reasonable_range", "range", "amount"],
    ["sales_country_accepted", "accepted_values", "country"],
    ["sales_ingestion_date_not_future", "no_future_dates", "ingestion_date"],
    ["sales_row_count_reasonable", "row_count_range", ""],
    ["sales_customer_id_not_null", "not_null", "customer_id"],
  ];
  for (const name of names) assert.match(out, new RegExp(`^${name.filter(Boolean).join(" +")} +passed +0 +200 `, "m"));
  assert.match(out, /^passed$/m);
  const found = await rows(
    "SELECT check_name, check_type, column_name, status, failing_rows, total_rows FROM _quality_results WHERE table_name = 'sales'",
  );
  assert.deepEqual(found.toSorted(), names.map((name) => [...name, "passed", 0, 200]).toSorted());
});

test("a failing check: exit code 1 and its rows; the HTTP response is 200 with the result in its body", async () => {
  await send("sales", "bad.csv", "order_id,customer_id,amount,country,ingestion_date\nX-1,C,0,Atlantis,2024-01-01\n");
  const { code, out } = await run("checks", "run", "sales", "--check", "sales_amount_positive");
  assert.equal(code, 1);
  assert.match(out, /^sales_amount_positive +positive +amount +failed +1 +201 +1 of 201 rows fail$/m);
  const response = await fetch(`${url}/v1/tables/sales/checks/run`, { method: "POST" });
  assert.equal(response.status, 200);
  const body = (await response.json()) as { status: string; results: Record<string, unknown>[] };
  assert.equal(body.status, "failed");
  assert.deepEqual(
    body.results.filter(({ status }) => status !== "passed").map(({ check_name: name, details: _details, ...rest }) => [name, rest]), // prettier-ignore
    [
      ["sales_amount_positive", { check_type: "positive", column_name: "amount", status: "failed", failing_rows: 1, total_rows: 201 }], // prettier-ignore
      ["sales_amount_reasonable_range", { check_type: "range", column_name: "amount", status: "failed", failing_rows: 1, total_rows: 201 }], // prettier-ignore
      ["sales_country_accepted", { check_type: "accepted_values", column_name: "country", status: "failed", failing_rows: 1, total_rows: 201 }], // prettier-ignore
    ],
  );
});

test("a check that cannot run is an error: exit code 2, with its message; other checks run", async () => {
  await send("broken", "b.csv", "id\n1\n");
  const { code, out } = await run("checks", "run", "broken");
  assert.equal(code, 2);
  assert.match(out, /^fine +not_null +id +passed +0 +1 /m);
  assert.match(out, /^nonsense +custom_sql +error +0 +1 +Error: .*nonsense/m);
  const unknown = await run("checks", "run", "broken", "--check", "other");
  assert.match(unknown.err, /BAD_REQUEST: .*'broken' has no check other; its checks are: fine, nonsense/);
});

test("gate: block shows the last passed state, runs checks after commits, reports since when it holds back", async () => {
  await send("gated", "a.csv", "id,amount\n1,10\n2,20\n");
  const trusted = () => rows("SELECT id, amount FROM gated_trusted ORDER BY id");
  const shows = (what: unknown[][]) =>
    until(`gated_trusted to show ${JSON.stringify(what)}`, async () => JSON.stringify(await trusted()) === JSON.stringify(what), TIMEOUT_MS); // prettier-ignore
  await shows([[1, 10], [2, 20]]); // prettier-ignore
  await send("gated", "b.csv", "id,amount\n1,-1\n3,30\n");
  const held = async () => {
    const { gate } = JSON.parse((await run("health", "gated", "--json")).out) as {
      gate: { heldBackSince: string | null };
    };
    return gate.heldBackSince !== null && gate;
  };
  const gate = await until("the gate to be held back", held, TIMEOUT_MS);
  assert.deepEqual(await trusted(), [[1, 10], [2, 20]]); // prettier-ignore
  const { code, out } = await run("checks", "run", "gated");
  assert.equal(code, 1);
  assert.match(out, new RegExp(`^gated_trusted: as of \\S+, held back since ${gate.heldBackSince}$`, "m"));
  assert.match((await run("tables", "gated")).out, /^trusted data +gated_trusted: as of \S+, held back since \S+$/m);
  await send("gated", "c.csv", "id,amount\n1,11\n");
  await shows([[1, 11], [2, 20], [3, 30]]); // prettier-ignore
  assert.equal(await held(), false);
});

test("maintenance and health: completed, due and not applicable operations", async () => {
  const { code, out, err } = await run("maintain", "sales");
  assert.equal(code, 0, err);
  assert.match(out, /^optimize +(completed|not_applicable) /m);
  assert.match(out, /^expire_snapshots +not_applicable .*DuckDB keeps no snapshots/m);
  const dry = await run("maintain", "sales", "--dry-run");
  assert.match(dry.out, /^remove_orphan_files +not_applicable /m);
  assert.doesNotMatch(dry.out, /optimize|expire_snapshots/, "only orphan files have a dry run");
  assert.match((await run("maintain", "sales", "--dry-run", "--only", "optimize")).err, /BAD_REQUEST.*dry run/);
  const health = await run("health", "sales");
  assert.match(health.out, /^rows +201$/m);
  assert.match(health.out, /^due +nothing$/m);
  assert.match(health.out, /^remove_orphan_files +not_applicable +\d{4}-/m);
  const logged = await rows("SELECT operation FROM _maintenance_log WHERE table_name = 'sales'");
  assert.equal(logged.length, 3, "a dry run is not on record");
  assert.equal((await run("health", "_quality_results")).code, 0, "internal tables have health too");
  assert.match((await run("health", "nowhere")).err, /NOT_FOUND/);
});
