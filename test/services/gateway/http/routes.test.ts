import assert from "node:assert/strict";
import { test } from "node:test";
import { contractSchema } from "../../../../lib/contract/contract.ts";
import { contractsOf } from "../../../../lib/contract/load.ts";
import { TributaryError } from "../../../../lib/errors.ts";
import {
  fileListSchema,
  fileStatusSchema,
  queryResultSchema,
  rejectListSchema,
  tableListSchema,
  tableSchema,
} from "../../../../services/gateway/http/schemas.ts";
import { testGateway, type TestGateway } from "../gateway.ts";
import { problemIn } from "./problem-in.ts";

const get = (gateway: TestGateway, path: string) => fetch(gateway.url + path);
const json = async (response: Promise<Response>): Promise<unknown> => (await response).json();
const postJson = (gateway: TestGateway, path: string, body: string) =>
  fetch(gateway.url + path, { method: "POST", body, headers: { "content-type": "application/json" } });

async function upload(gateway: TestGateway, name: string, table = "sales"): Promise<string> {
  const response = await fetch(`${gateway.url}/v1/tables/${table}/files/${name}`, { method: "PUT", body: "id\n1\n" });
  return fileStatusSchema.parse(await response.json()).fileId;
}

const OLD_ID = "01000000-0000-7000-8000-000000000001";
const OLD_ROW = [
  OLD_ID,
  "sales",
  "old.csv",
  "failed",
  10,
  "ff",
  null,
  3,
  4,
  2,
  0,
  2,
  ",",
  "utf-8",
  "2020-01-01T00:00:00",
  "2020-01-01T00:00:01.500000",
  "2020-01-01T00:00:02",
  7,
  "FILE_EMPTY",
  "nothing in it",
];

/** Makes the warehouse know a file whose events are gone. */
function rememberOldFile({ warehouse }: TestGateway): void {
  warehouse.described.set("_ingest_files", { table: "_ingest_files", columns: [], partitioning: [] });
  warehouse.answer = () => ({ columns: [], rows: [OLD_ROW], truncated: false });
}

test("GET /v1/files/{id}: the status, also of files that only the warehouse knows", async () => {
  await using gateway = await testGateway();
  const fileId = await upload(gateway, "a.csv");
  await gateway.ended(fileId);
  assert.equal(fileStatusSchema.strict().parse(await json(get(gateway, `/v1/files/${fileId}`))).status, "committed");
  await problemIn(await get(gateway, `/v1/files/${OLD_ID}`), 404, "NOT_FOUND");
  rememberOldFile(gateway);
  const old = fileStatusSchema.strict().parse(await json(get(gateway, `/v1/files/${OLD_ID}`)));
  assert.deepEqual(
    [old.status, old.sourceFile, old.receivedAt, old.parsedAt, old.error?.code, old.rowsRejected],
    ["failed", "old.csv", "2020-01-01T00:00:00.000Z", "2020-01-01T00:00:01.500Z", "FILE_EMPTY", 2],
  );
  await problemIn(await get(gateway, "/v1/files/nonsense"), 400, "BAD_REQUEST");
  await problemIn(await get(gateway, `/v1/files/${"x".repeat(3000)}`), 400, "BAD_REQUEST");
});

test("GET /v1/files/{id}?wait=committed responds when the file has ended", async () => {
  await using gateway = await testGateway();
  const fileId = await upload(gateway, "a.csv");
  const waiting = json(get(gateway, `/v1/files/${fileId}?wait=committed`));
  await gateway.ended(fileId, { status: "failed", errorCode: "FILE_EMPTY", errorMessage: "" });
  assert.equal(fileStatusSchema.parse(await waiting).status, "failed");
  const timedOut = await upload(gateway, "b.csv");
  const status = fileStatusSchema.parse(await json(get(gateway, `/v1/files/${timedOut}?wait=committed&timeout=1ms`)));
  assert.equal(status.status, "received");
});

test("GET /v1/files: newest first, by table and status, in pages, continuing in the warehouse", async () => {
  await using gateway = await testGateway({ TRIBUTARY_FILES_REMEMBERED: "3" });
  for (const n of [1, 2, 3, 4]) await upload(gateway, `${n}.csv`, n === 2 ? "other" : "sales");
  const list = async (query: string) => fileListSchema.strict().parse(await json(get(gateway, `/v1/files?${query}`)));
  const names = ({ files }: Awaited<ReturnType<typeof list>>) => files.map(({ sourceFile }) => sourceFile);
  assert.deepEqual(names(await list("table=other")), ["2.csv"]);
  assert.deepEqual(names(await list("status=committed")), []);
  const first = await list("limit=2");
  assert.deepEqual(names(first), ["4.csv", "3.csv"]);
  rememberOldFile(gateway);
  const second = await list(`limit=2&cursor=${first.nextCursor}`);
  assert.deepEqual(names(second), ["2.csv", "old.csv"]);
  assert.equal(second.nextCursor, null);
  await problemIn(await get(gateway, "/v1/files?limit=0"), 400, "BAD_REQUEST");
  await problemIn(await get(gateway, "/v1/files?status=lost"), 400, "BAD_REQUEST");
  await problemIn(await get(gateway, "/v1/files?cursor=%27%3B--"), 400, "BAD_REQUEST");
  await problemIn(await get(gateway, "/v1/files?table=a%00b"), 400, "BAD_REQUEST");
});

test("quotes in a filter stay inside their literal", async () => {
  await using gateway = await testGateway({ TRIBUTARY_FILES_REMEMBERED: "1" });
  for (const n of [1, 2, 3]) await upload(gateway, `${n}.csv`);
  rememberOldFile(gateway);
  await get(gateway, `/v1/files?table=${encodeURIComponent("x' OR '1'='1")}`);
  assert.match(gateway.warehouse.queries[0]!, /table_name = 'x'' OR ''1''=''1'/);
});

test("GET /v1/tables: existing, declared and pending tables; no internal ones", async () => {
  const sales = contractSchema.parse({ table: "sales", columns: [{ name: "id", type: "BIGINT" }] });
  await using gateway = await testGateway({}, { contracts: contractsOf([sales]) });
  const described = { table: "t", columns: [], partitioning: [] };
  gateway.warehouse.described.set("orders", described).set("_ingest_files", described);
  const fileId = await upload(gateway, "a.csv", "coming");
  const { tables } = tableListSchema.strict().parse(await json(get(gateway, "/v1/tables")));
  assert.deepEqual(
    tables.map(({ table, exists, declared, lag }) => [table, exists, declared, lag.files]),
    [
      ["coming", false, false, 1],
      ["orders", true, false, 0],
      ["sales", false, true, 0],
    ],
  );
  assert.ok(tables[0]!.lag.oldestSeconds >= 0);
  await gateway.ended(fileId, {}, { table: "coming", committedAtMs: 5_000 });
  const after = tableListSchema.parse(await json(get(gateway, "/v1/tables")));
  assert.deepEqual(
    after.tables.map(({ table }) => table),
    ["orders", "sales"],
  );
});

test("GET /v1/tables/{t}: columns, contract, rows, freshness", async () => {
  await using gateway = await testGateway();
  gateway.warehouse.described.set("sales", {
    table: "sales",
    columns: [{ name: "ingestion_date", type: "DATE", header: "Ingestion Date" }],
    partitioning: ["ingestion_date"],
  });
  gateway.warehouse.answer = () => ({
    columns: [],
    rows: [[2, "2024-02-01T00:00:00", "2024-01-31"]],
    truncated: false,
  });
  const table = tableSchema.strict().parse(await json(get(gateway, "/v1/tables/sales")));
  assert.equal(table.rowCount, 2);
  assert.deepEqual(table.freshness, {
    lastIngestedAt: "2024-02-01T00:00:00",
    lastCommitAt: null,
    lastIngestionDate: "2024-01-31",
  });
  assert.equal(table.contract["writeMode"], "replace");
  await problemIn(await get(gateway, "/v1/tables/none"), 404, "NOT_FOUND");
  await problemIn(await get(gateway, "/v1/tables/Bad%20Name"), 400, "TABLE_NAME_INVALID");
});

test("GET /v1/tables/{t}: a gate whose name is taken says so", async () => {
  const sales = contractSchema.parse({ table: "sales", gate: "block" });
  await using gateway = await testGateway({}, { contracts: contractsOf([sales]) });
  gateway.warehouse.described.set("sales", { table: "sales", columns: [], partitioning: [] });
  gateway.warehouse.answer = () => ({ columns: [], rows: [[0, null, null]], truncated: false });
  gateway.warehouse.published = async () => {
    throw new TributaryError("TRUSTED_NAME_TAKEN", "'sales_trusted' is a table");
  };
  const { gate } = tableSchema.strict().parse(await json(get(gateway, "/v1/tables/sales")));
  const relation = "sales_trusted";
  assert.deepEqual(gate, { relation, trustedAsOf: null, heldBackSince: null, problem: "'sales_trusted' is a table" });
  gateway.warehouse.published = async () => ({ asOfMs: 0, heldBackSinceMs: null });
  const made = tableSchema.parse(await json(get(gateway, "/v1/tables/sales")));
  assert.equal(made.gate?.problem, null);
  const file = await fetch(`${gateway.url}/v1/tables/sales_trusted/files/a.csv`, { method: "PUT", body: "id\n1\n" });
  await problemIn(file, 400, "TABLE_NAME_INVALID");
});

test("POST /v1/query: rows, limits and errors of the statement", async () => {
  await using gateway = await testGateway({ TRIBUTARY_QUERIES_MAX: "1", TRIBUTARY_QUERY_ROWS_MAX: "5" });
  const query = (body: object | string) =>
    postJson(gateway, "/v1/query", typeof body === "string" ? body : JSON.stringify(body));
  const answer = { columns: [{ name: "n", type: "bigint" }], rows: [["9007199254740993"]], truncated: true };
  gateway.warehouse.answer = () => answer;
  assert.deepEqual(queryResultSchema.strict().parse(await json(query({ sql: "SELECT 1" }))), answer);

  gateway.warehouse.answer = () => {
    throw new TributaryError("QUERY_FAILED", "no such column: x");
  };
  assert.match((await problemIn(await query({ sql: "SELECT x" }), 400, "QUERY_FAILED")).detail, /no such column/);

  const missing = await problemIn(await query({ sq: "SELECT 1" }), 400, "BAD_REQUEST");
  assert.deepEqual(missing.errors?.map(({ field }) => field).sort(), ["body", "body.sql"]);
  await problemIn(await query({ sql: "SELECT 1", rowsMax: 6 }), 400, "BAD_REQUEST");
  await problemIn(await query("{"), 400, "BAD_REQUEST");
  await problemIn(await query({ sql: "x".repeat(2 << 20) }), 413, "BODY_TOO_LARGE");
  const asText = await fetch(`${gateway.url}/v1/query`, { method: "POST", body: "SELECT 1" });
  await problemIn(asText, 415, "UNSUPPORTED_MEDIA_TYPE");

  let finish!: () => void;
  gateway.warehouse.answer = () => new Promise((resolve) => (finish = () => resolve(answer)));
  const running = query({ sql: "SELECT slow" });
  while (!gateway.warehouse.queries.includes("SELECT slow")) await get(gateway, "/healthz");
  await problemIn(await query({ sql: "SELECT 2" }), 503, "OVERLOADED");
  finish();
  assert.equal((await running).status, 200);
});

test("a client that disconnects cancels its query", async () => {
  await using gateway = await testGateway();
  const cancelled = new Promise<void>((resolve) => {
    gateway.warehouse.answer = (_sql, signal) =>
      new Promise((_, reject) => {
        signal!.addEventListener("abort", () => {
          reject(new TributaryError("QUERY_TIMEOUT", "cancelled"));
          resolve();
        });
        leaving.abort();
      });
  });
  const leaving = new AbortController();
  const query = fetch(`${gateway.url}/v1/query`, {
    method: "POST",
    body: '{"sql":"SELECT 1"}',
    headers: { "content-type": "application/json" },
    signal: leaving.signal,
  });
  await assert.rejects(query);
  await cancelled;
});

test("GET /v1/tables/{t}/rejects: position, text and reason, in pages", async () => {
  await using gateway = await testGateway();
  const list = async (query: string) =>
    rejectListSchema.strict().parse(await json(get(gateway, `/v1/tables/sales/rejects?${query}`)));
  assert.deepEqual(await list(""), { rejects: [], nextCursor: null });
  for (const table of ["_rejected_rows", "_ingest_files"]) {
    gateway.warehouse.described.set(table, { table, columns: [], partitioning: [] });
  }
  const row = (n: number) => [
    OLD_ID,
    "a.csv",
    5,
    n,
    n + 1,
    "amount",
    "type",
    "no number",
    `${n},x`,
    "2024-01-01T00:00:00",
  ];
  gateway.warehouse.answer = () => ({ columns: [], rows: [row(1), row(2)], truncated: false });
  const first = await list(`limit=1&file=${encodeURIComponent("o'hara.csv")}&reason=type&column=amount`);
  assert.match(
    gateway.warehouse.queries.at(-1)!,
    /r.source_file = 'o''hara.csv' AND r.reason = 'type' AND r.column_name = 'amount'.*LIMIT 2\b/,
  );
  assert.deepEqual(first.rejects, [
    {
      fileId: OLD_ID,
      sourceFile: "a.csv",
      sourceOffset: 5,
      row: 1,
      line: 2,
      column: "amount",
      reason: "type",
      message: "no number",
      raw: "1,x",
      rejectedAt: "2024-01-01T00:00:00.000Z",
    },
  ]);
  await list(`limit=1&cursor=${first.nextCursor}`);
  assert.match(gateway.warehouse.queries.at(-1)!, /source_offset < 5 OR .*source_row > 1/);
  await problemIn(await get(gateway, "/v1/tables/sales/rejects?cursor=nonsense"), 400, "BAD_REQUEST");
  const long = (n: number) => row(n).with(8, "x".repeat(3 * 1024 * 1024));
  gateway.warehouse.answer = () => ({ columns: [], rows: [long(1), long(2), long(3), long(4)], truncated: false });
  const short = await list("limit=100");
  assert.deepEqual(short.rejects.map(({ row: n }) => n), [1, 2], "a page of long rows ends early"); // prettier-ignore
  assert.ok(short.nextCursor);
  const forged = Buffer.from('{"sourceOffset":"1 OR 1=1","fileId":"x","row":1}').toString("base64url");
  await problemIn(await get(gateway, `/v1/tables/sales/rejects?cursor=${forged}`), 400, "BAD_REQUEST");
});

test("unknown paths and methods get problem details", async () => {
  await using gateway = await testGateway();
  await problemIn(await get(gateway, "/v1/nothing"), 404, "NOT_FOUND");
  const refused = await fetch(`${gateway.url}/v1/tables/t/files/a/b.csv`, { method: "POST" });
  assert.equal(refused.headers.get("allow"), "DELETE, PUT");
  await problemIn(refused, 405, "METHOD_NOT_ALLOWED");
});

test("health, readiness and metrics", async () => {
  await using gateway = await testGateway();
  assert.equal((await get(gateway, "/healthz")).status, 200);
  assert.equal((await get(gateway, "/readyz")).status, 200);
  gateway.log.fault = new TributaryError("LOG_UNAVAILABLE", "the broker is away");
  assert.equal((await get(gateway, "/readyz")).status, 503);
  gateway.log.fault = undefined;
  await upload(gateway, "a.csv");
  const metrics = await (await get(gateway, "/metrics")).text();
  assert.match(metrics, /^tributary_ingest_bytes_total 5$/m);
  assert.match(metrics, /^tributary_sent_total\{component="gateway",kind="file"\} 1$/m);
  assert.match(
    metrics,
    /tributary_http_request_seconds_count\{method="PUT",route="\/v1\/tables\/:table\/files\/\*",status="202"\} 1/,
  );
});
