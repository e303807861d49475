import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, test } from "node:test";
import { systemClock } from "../../../../lib/clock.ts";
import { TrinoClient } from "../../../../lib/warehouse/trino/client/client.ts";
import { internalQuery, userQuery } from "../../../../lib/warehouse/trino/queries/run.ts";
import type { CommitReceipt } from "../../../../lib/warehouse/warehouse.ts";
import { columns, reject, type Row } from "../../../support/rows.ts";
import { assertCounts, READ_ALL, TestTable } from "../../../support/test-table.ts";
import { openTestTrino, trinoGiven } from "../../../support/trino-server.ts";

const COLUMNS = columns({ id: "BIGINT", day: "DATE", name: "VARCHAR", amount: "DECIMAL(12,2)" });

/** `count` rows on so many days. */
const rowsOn = (count: number, days: number, name = "x"): Row[] =>
  Array.from({ length: count }, (_, k) => ({
    id: k,
    day: new Date(Date.UTC(2010, 0, 1 + (k % days))).toISOString().slice(0, 10),
    name: `${name}${k}`,
    amount: `${k}.05`,
  }));

/** A Trino that answers what the test says, request by request. */
async function fakeTrino(answer: (request: IncomingMessage, response: ServerResponse, url: string) => void) {
  const server = createServer((request, response) => {
    request.resume();
    answer(request, response, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const target = { server: `http://127.0.0.1:${port}`, user: "u", catalog: "c", schema: "s" };
  const client = new TrinoClient(target, systemClock);
  const close = async (): Promise<void> => {
    client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { client, close };
}

const page = (response: ServerResponse, body: object, status = 200): void => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ id: "q", ...body }));
};

describe("trino client against a server of the test's own", () => {
  test("polls answered 503 are repeated; headers say who asks, and sessions stay with their statement", async (t) => {
    const seen: string[] = [];
    let polls = 0;
    const { client, close } = await fakeTrino((request, response, url) => {
      seen.push(String(request.headers["x-trino-session"] ?? ""));
      assert.equal(request.headers["x-trino-source"], "tributary");
      assert.equal(request.headers["x-trino-client-capabilities"], "PARAMETRIC_DATETIME");
      if (request.method === "POST") return page(response, { nextUri: `${url}/next` });
      polls += 1;
      if (polls < 3) return page(response, {}, 503);
      page(response, { columns: [{ name: "a", type: "bigint" }], data: [[1]] });
    });
    t.after(close);
    const [first] = await Promise.all([client.run("SELECT 1", { session: { x: "a b" } }), client.run("SELECT 1")]);
    assert.deepEqual(first.rows, [[1]]);
    assert.ok(seen.includes("x=a%20b") && seen.includes(""));
  });

  test("users' queries and checks have a source and limits each; an internal one has its time only", async (t) => {
    const seen: Record<string, string>[] = [];
    const { client, close } = await fakeTrino((request, response, url) => {
      if (request.method === "GET") return page(response, { columns: [{ name: "a", type: "bigint" }], data: [[1]] });
      const { "x-trino-source": source, "x-trino-client-tags": tags, "x-trino-session": session } = request.headers;
      seen.push({ source: String(source), tags: String(tags), session: decodeURIComponent(String(session)) });
      page(response, { nextUri: `${url}/next` });
    });
    t.after(close);
    const options = { rowsMax: 1, timeoutMs: 1_500 };
    const limits = { memoryBytesMax: 1_000_000, scanBytesMax: 2_000_000, cpuMsMax: 3_000 };
    for (const source of ["tributary-query", "tributary-check"] as const)
      assert.deepEqual((await userQuery(client, "SELECT 1", options, { limits, source })).rows, [[1]]);
    await internalQuery(client, "s", "SELECT 1", options);
    const times = ["query_max_run_time=2s", "query_max_execution_time=2s", "query_max_planning_time=2s"];
    const own = [
      "query_max_cpu_time=3000ms",
      "query_max_memory=1000000B",
      "query_max_memory_per_node=1000000B",
      "query_max_scan_physical_bytes=2000000B",
    ];
    assert.deepEqual(
      seen.map(({ source, tags, session }) => [source, tags, session!.split(/,\s*/)]),
      [
        ["tributary-query", "tributary-query", [...times, ...own]],
        ["tributary-check", "tributary-check", [...times, ...own]],
        ["tributary", "tributary", times],
      ],
    );
  });

  test("errors throw, also in the very first page", async (t) => {
    const { client, close } = await fakeTrino((_, response) =>
      page(response, { error: { errorName: "SYNTAX_ERROR", errorType: "USER_ERROR", message: "no" } }),
    );
    t.after(close);
    await assert.rejects(client.run("x"), { code: "WAREHOUSE_FAILED", message: /no \(SYNTAX_ERROR, query q\)/ });
  });

  test("a deadline or an abort cancels the statement on the server", async (t) => {
    const cancelled: string[] = [];
    let onPoll = (): void => undefined;
    const { client, close } = await fakeTrino((request, response, url) => {
      if (request.method === "GET") onPoll();
      if (request.method === "DELETE") {
        cancelled.push(request.url ?? "");
        return void response.writeHead(204).end();
      }
      if (request.method === "POST") page(response, { nextUri: `${url}/never` });
    });
    t.after(close);
    // Long enough for the answer to the POST, which names the query, on a busy machine.
    await assert.rejects(client.run("x", { timeoutMs: 500 }), { code: "WAREHOUSE_TIMEOUT" });
    const caller = new AbortController();
    onPoll = () => caller.abort();
    const { signal } = caller;
    await assert.rejects(client.run("x", { signal }), { code: "WAREHOUSE_TIMEOUT" });
    assert.deepEqual(cancelled, ["/v1/query/q", "/v1/query/q"]);
  });

  test("rows beyond the limit are left, and the statement is given up", async (t) => {
    let cancelled = 0;
    const { client, close } = await fakeTrino((request, response, url) => {
      if (request.method === "DELETE") cancelled += 1;
      page(response, { nextUri: `${url}/next`, columns: [{ name: "a", type: "bigint" }], data: [[1], [2]] });
    });
    t.after(close);
    const { rows, truncated } = await client.run("x", { rowsMax: 3 });
    assert.deepEqual([rows.length, truncated, cancelled], [3, true, 1]);
  });

  test("nobody there, or a server error, is WAREHOUSE_UNAVAILABLE; a refusal is one", async (t) => {
    const gone = await fakeTrino(() => undefined);
    await gone.close();
    await assert.rejects(gone.client.run("x"), { code: "WAREHOUSE_UNAVAILABLE" });
    let status = 502;
    const { client, close } = await fakeTrino((_, response) => page(response, {}, status));
    t.after(close);
    await assert.rejects(client.run("x"), { code: "WAREHOUSE_UNAVAILABLE" });
    status = 401;
    await assert.rejects(client.run("x"), { code: "WAREHOUSE_REFUSED" });
    status = 413;
    await assert.rejects(client.run("x"), { code: "WAREHOUSE_LIMIT" });
  });
});

if (trinoGiven("trino: strategies on a real server")) {
  const server = await openTestTrino();
  after(() => server.close());

  describe("trino: strategies on a real server", () => {
    test("a small file travels in the statement, a larger one as Parquet, a large new one is adopted", async (t) => {
      const warehouse = await server.open({ adoptRowsMin: 30_000 });
      t.after(() => warehouse.close());
      const table = new TestTable(warehouse, COLUMNS);
      const strategies: string[] = [];
      const send = async (sourceFile: string, sourceOffset: number, count: number): Promise<CommitReceipt> => {
        const receipt = await table.commit({ sourceFile, sourceOffset, rows: rowsOn(count, 9) });
        strategies.push(receipt.strategy);
        return receipt;
      };
      assertCounts(await send("small", 1, 100), 100, 0, 0);
      assertCounts(await send("middle", 2, 20_000), 20_000, 0, 0);
      assertCounts(await send("large", 3, 30_000), 30_000, 0, 0);
      assert.deepEqual(strategies, ["inline", "staged", "adopted"]);
      assertCounts(await send("large", 3, 30_000), 0, 0, 0);
      assertCounts(await send("large", 4, 29_999), 0, 0, 1);
      assert.deepEqual(
        await table.query("SELECT _source_file, count(*), sum(amount) FROM $t GROUP BY 1 ORDER BY 2"),
        [
          ["small", 100, "4955.00"],
          ["middle", 20_000, "199991000.00"],
          ["large", 29_999, "449956500.95"],
        ].map(([file, count, sum]) => [file, count, sum]),
      );
    });

    test("a file that several processes record at once is in the ledger once, with its rejects", async (t) => {
      const first = await server.open();
      const warehouses = [first, await server.open(), await server.open()];
      t.after(() => Promise.all(warehouses.map((one) => one.close())));
      const sent = { sourceFile: "a", sourceOffset: 1, fileId: "both", rows: [], rejects: [reject(1), reject(2)] };
      await first.ready();
      await Promise.all(
        warehouses.map(async (warehouse) => {
          const table = new TestTable(warehouse, COLUMNS);
          await table.record(await table.files(sent));
        }),
      );
      const count = async (name: string): Promise<unknown> =>
        (await first.query(`SELECT count(*) FROM ${name} WHERE file_id = 'both'`, READ_ALL)).rows[0]?.[0];
      assert.deepEqual([await count("_ingest_files"), await count("_rejected_rows")], [1, 2]);
    });

    test("a stage that outgrew memory, and an append adopted twice", async (t) => {
      const warehouse = await server.open({ stageBytesHeldMax: 10_000, adoptRowsMin: 1_000 });
      t.after(() => warehouse.close());
      const table = new TestTable(warehouse, COLUMNS, { mode: "append" });
      const file = { sourceFile: "f", sourceOffset: 1, rows: rowsOn(2_000, 3) };
      const first = await table.commit(file);
      assert.equal(first.strategy, "adopted");
      assertCounts(first, 2_000, 0, 0);
      assertCounts(await table.commit(file), 0, 0, 0);
      assertCounts(await table.commit({ ...file, sourceOffset: 2 }), 2_000, 0, 0);
      assert.deepEqual(await table.query("SELECT count(*), count(DISTINCT _source_offset) FROM $t"), [[4_000, 2]]);
      const widened = columns({ id: "BIGINT", day: "DATE", name: "VARCHAR", amount: "DECIMAL(20,2)", more: "INTEGER" });
      await table.commit({
        sourceFile: "g",
        sourceOffset: 3,
        columns: widened,
        rows: [{ id: 1, amount: "1.00", more: 5 }],
      });
      assert.deepEqual(await table.query("SELECT sum(amount), count(more) FROM $t"), [["3998201.00", 1]]);
    });

    test("more partitions than a writer may hold open get in as one change", async (t) => {
      const warehouse = await server.open();
      t.after(() => warehouse.close());
      const table = new TestTable(warehouse, COLUMNS, { partitioning: ["day"] });
      assertCounts(await table.commit({ sourceFile: "f", sourceOffset: 1, rows: rowsOn(50, 50) }), 50, 0, 0);
      const receipt = await table.commit({ sourceFile: "f", sourceOffset: 2, rows: rowsOn(2_100, 2_100) });
      assert.equal(receipt.strategy, "inline unpartitioned");
      assertCounts(receipt, 2_050, 0, 0);
      assert.deepEqual(await table.query("SELECT count(DISTINCT day) FROM $t WHERE day > DATE '2010-01-10'"), [
        [2_090],
      ]);
      assert.deepEqual((await warehouse.describe(table.name))?.partitioning, ["day"]);
      assertCounts(await table.commit({ sourceFile: "f", sourceOffset: 3, rows: rowsOn(10, 10) }), 0, 0, 2_090);
    });

    test("two writers at once: nothing is doubled, nothing lost", async (t) => {
      const warehouses = [await server.open(), await server.open()];
      t.after(async () => {
        for (const warehouse of warehouses) await warehouse.close();
      });
      const tables = warehouses.map((warehouse) => new TestTable(warehouse, COLUMNS));
      const [first, second] = tables as [TestTable, TestTable];
      Object.assign(second, { layout: first.layout });
      await first.commit({ sourceFile: "other", sourceOffset: 1, rows: rowsOn(10, 2) });
      await second.warehouse.ensureTable(second.layout, COLUMNS);
      const file = { sourceFile: "f", sourceOffset: 2, rows: rowsOn(500, 3) };
      const receipts = await Promise.all(tables.map((table) => table.commit(file)));
      assert.deepEqual(receipts.map(({ rowsInserted }) => rowsInserted).sort(), [0, 500]);
      assert.deepEqual(await first.query("SELECT count(*) FROM $t"), [[510]]);
    });

    test("records that wait together share a statement", async (t) => {
      const warehouse = await server.open();
      t.after(() => warehouse.close());
      await warehouse.ready();
      const tables = Array.from({ length: 6 }, () => new TestTable(warehouse, COLUMNS));
      const snapshots = async (): Promise<number> => (await warehouse.health("_ingest_files")).snapshots;
      const before = await snapshots();
      await Promise.all(
        tables.map(async (table) =>
          table.record(await table.files({ sourceFile: "f", sourceOffset: 5, rows: [{ id: 1 }] })),
        ),
      );
      assert.ok((await snapshots()) - before <= 2);
      const marks = await warehouse.watermarks();
      for (const table of tables) assert.equal(marks.get(table.name), 5);
    });

    test("nothing staged is left behind", async () => {
      const warehouse = await server.open({ stageBytesHeldMax: 1_000 });
      const table = new TestTable(warehouse, COLUMNS, { mode: "upsert", key: ["id"] });
      assert.equal((await table.commit({ sourceFile: "f", sourceOffset: 1, rows: rowsOn(500, 3) })).strategy, "staged");
      await warehouse.close();
      const { rows } = await server.client.run(
        `SHOW TABLES FROM "${new URL(server.url).pathname.split("/")[2]!}_staging"`,
      );
      assert.deepEqual(rows, []);
      for await (const { key } of server.staging.list(`stage/${table.name}/`)) assert.fail(`${key} is left`);
    });
  });
}
