/**
 * Hostile requests to the whole process as `npm start` runs it, with secrets in its settings: input stays
 * data, and no log line contains a secret.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hashOf, newSecret } from "../../lib/process/api-keys.ts";
import { startTributary, type TributaryProcess } from "../../scripts/tributary-process.ts";
import { until } from "../support/until.ts";

const KEY = newSecret();
const WRONG_KEY = newSecret();
const TOKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJtYWxsb3J5In0.c2lnbmF0dXJlLXRoYXQtaXMtbm9uZQ";
const PASSWORDS = { TRIBUTARY_KAFKA_PASSWORD: "kafka-hunter2", TRIBUTARY_S3_SECRET_KEY: "s3-hunter2", TRIBUTARY_TRINO_PASSWORD: "trino-hunter2" }; // prettier-ignore

let folder: string;
let tributary: TributaryProcess;
const auditFile = () => join(folder, "audit.jsonl");

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tributary-hostile-"));
  const keysFile = join(folder, "keys.json");
  writeFileSync(keysFile, JSON.stringify([{ id: "boss", sha256: hashOf(KEY).toString("hex"), scopes: ["admin"] }]));
  const contracts = join(folder, "contracts");
  mkdirSync(contracts);
  writeFileSync(
    join(contracts, "guarded.yml"),
    `table: guarded
columns: [{ name: country, type: VARCHAR }]
checks:
  - { name: "it's fine", type: accepted_values, column: country, accepted: ["O'Hara'); DROP TABLE guarded; --", 'a"b'] }
`,
  );
  tributary = await startTributary(join(folder, "data"), {
    ...PASSWORDS,
    TRIBUTARY_LOG_LEVEL: "trace",
    TRIBUTARY_API_KEYS_FILE: keysFile,
    TRIBUTARY_CONTRACTS_DIR: contracts,
    TRIBUTARY_AUDIT_FILE: auditFile(),
    // No server listens there, so the check of every token fails and is logged.
    TRIBUTARY_OIDC_ISSUER: "http://127.0.0.1:9",
    TRIBUTARY_OIDC_AUDIENCE: "tributary",
  });
});
after(async () => {
  await tributary.stop("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const send = (method: string, path: string, init: { body?: string; bearer?: string; type?: string } = {}) =>
  fetch(tributary.url + path, {
    method,
    ...(init.body === undefined ? {} : { body: init.body }),
    headers: { authorization: `Bearer ${init.bearer ?? KEY}`, ...(init.type ? { "content-type": init.type } : {}) },
  });
const postJson = async (path: string, body: unknown) => {
  const response = await send("POST", path, { body: JSON.stringify(body), type: "application/json" });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const rowsOf = async (sql: string) => (await postJson("/v1/query", { sql })).body["rows"] as unknown[][];
const upload = async (table: string, name: string, body: string) => {
  const path = `/v1/tables/${encodeURIComponent(table)}/files/${encodeURIComponent(name)}?delimiter=comma&wait=committed&timeout=60s`;
  const response = await send("PUT", path, { body });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
};

const STATEMENT = "x'); DROP TABLE victim; --";

test("file names, headers and values that contain SQL or formulas are stored unchanged", async () => {
  assert.equal((await upload("victim", "v.csv", "id\n1\n")).status, 200);
  const headers = ['"; DROP TABLE victim; --', "x') , (SELECT 1", "=cmd|' /C calc'!A0", "a\u202eb"];
  const values = [STATEMENT, '=HYPERLINK("http://evil")', "+1+1", "@SUM(1)"];
  const quoted = (texts: string[]) => texts.map((text) => `"${text.replaceAll('"', '""')}"`).join(",");
  const name = `${STATEMENT.replace("/", "")}$(reboot)\`id\`.csv`;
  const sent = await upload("hostile", name, `${quoted(headers)}\n${quoted(values)}\n`);
  assert.equal(sent.status, 200, JSON.stringify(sent.body));
  const columns = (sent.body["columns"] as { name: string; header: string }[]).map((column) => column.name);
  assert.ok(
    columns.every((column) => /^[a-z_][a-z0-9_]*$/.test(column)),
    columns.join(),
  );
  assert.deepEqual(await rowsOf(`SELECT ${columns.join(", ")}, _source_file FROM hostile`), [[...values, name]]);
  assert.deepEqual(await rowsOf("SELECT id FROM victim"), [[1]]);
});

test("table and file names with path traversal or header injection are refused without an effect", async () => {
  const before = readdirSync(join(folder, "data")).sort();
  for (const table of ['a"; DROP TABLE victim', "../victim", "lakehouse.victim", "_ingest_files", "a\r\nX: y"]) {
    assert.equal((await upload(table, "a.csv", "id\n1\n")).status, 400, table);
  }
  for (const name of ["../../keys.json", "..\\..\\x", "/etc/passwd", "a\r\nSet-Cookie: x=1", "a\0b"]) {
    const { status, headers } = await upload("victim", name, "id\n1\n");
    assert.equal(status, 400, name);
    assert.equal(headers.get("set-cookie"), null);
  }
  assert.deepEqual(readdirSync(join(folder, "data")).sort(), before);
  assert.ok(!existsSync(join(folder, "a.csv")));
});

test("filters, ranges and checks that contain SQL match nothing, or only literal names", async () => {
  const filter = encodeURIComponent(STATEMENT);
  for (const path of [
    `/v1/files?table=${filter}`,
    `/v1/tables/victim/rejects?file=${filter}&reason=${filter}&column=${filter}&fileId=${filter}`,
  ]) {
    const response = await send("GET", path);
    assert.equal(response.status, 200, await response.text());
  }
  assert.equal((await postJson("/v1/tables/victim/rejects/replay", { file: STATEMENT })).status, 404);
  assert.equal((await postJson("/v1/tables/victim/replay", { onlyFile: STATEMENT, dryRun: true })).status, 404);
  assert.equal((await postJson("/v1/tables/victim/checks/run", { checks: [STATEMENT] })).status, 400);
  assert.equal((await upload("guarded", "g.csv", `country\n"O'Hara'); DROP TABLE guarded; --"\n"a""b"\n`)).status, 200);
  const checked = await postJson("/v1/tables/guarded/checks/run", {});
  assert.equal(checked.body["status"], "passed", JSON.stringify(checked.body));
  assert.deepEqual(await rowsOf("SELECT count(*) FROM guarded"), [[2]]);
  assert.deepEqual(await rowsOf("SELECT id FROM victim"), [[1]]);
});

test("no log line contains a secret after failures, and each log line is one JSON object", async () => {
  const failing = [
    send("GET", "/v1/tables", { bearer: WRONG_KEY }),
    send("GET", "/v1/tables", { bearer: TOKEN }),
    send("PUT", `/v1/tables/victim/files/${KEY}.csv`, { body: `id\n${KEY}\n` }),
    send("POST", "/v1/query", { body: JSON.stringify({ sql: `SELECT '${KEY}` }), type: "application/json" }),
    send("POST", "/v1/query", { body: `{"sql": "${KEY}`, type: "application/json" }),
    send("GET", `/v1/nothing?key=${KEY}`),
    send("GET", `/v1/tables/victim?api_key=${KEY}`),
    send("POST", "/v1/tables/victim/replay", {
      body: JSON.stringify({ onlyFile: KEY, dryRun: true }),
      type: "application/json",
    }),
    send("POST", "/v1/tables/none/maintenance/run", { body: "{}", type: "application/json" }),
  ];
  const statuses = (await Promise.all(failing)).map(({ status }) => status);
  assert.deepEqual(statuses.slice(0, 2), [401, 503]);
  // A raw request, because a library would normalise the path.
  await new Promise((resolve) => {
    const raw = request(
      tributary.url,
      { path: `/v1/%zz?${KEY}`, headers: { authorization: `Bearer ${KEY}` } },
      resolve,
    );
    raw.on("error", resolve).end();
  });
  await until("the token's failure in the log", () => tributary.log().includes("IDENTITY_UNAVAILABLE"));
  assert.equal(await tributary.stop("SIGTERM"), 0, tributary.log().slice(-3_000));
  const logs = { log: tributary.log(), audit: readFileSync(auditFile(), "utf8") };
  for (const [name, text] of Object.entries(logs)) {
    const lines = text.trim().split("\n");
    assert.ok(lines.length > 5, `${name} has lines`);
    for (const line of lines) assert.equal(typeof JSON.parse(line), "object");
    for (const secret of [KEY, WRONG_KEY, TOKEN, ...Object.values(PASSWORDS), hashOf(KEY).toString("hex")]) {
      assert.ok(!text.includes(secret), `${name} contains a secret: ${lines.find((line) => line.includes(secret))}`);
    }
  }
  assert.match(logs.audit, /"operation":"uploadFile"/);
});
