import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { TOPICS } from "../../lib/messages/topics.ts";
import { testGateway, type TestGateway } from "../services/gateway/gateway.ts";
import { tableText } from "../../cli/output.ts";
import { tributary } from "./tributary.ts";

let gateway: TestGateway;
let folder: string;
const run = (args: string[], options: Parameters<typeof tributary>[1] = {}) =>
  tributary(args, { ...options, env: { TRIBUTARY_URL: gateway.url, ...options.env }, cwd: folder });

before(async () => {
  gateway = await testGateway();
  folder = mkdtempSync(join(tmpdir(), "tributary-cli-"));
  writeFileSync(join(folder, "a b.csv"), "id\n1\n");
  writeFileSync(join(folder, "b.csv.gz"), gzipSync("id\n1\n"));
});
after(async () => {
  await gateway.drain();
  rmSync(folder, { recursive: true });
});

test("an upload of a file that is missing names the file and the folder", async () => {
  const { code, err } = await run(["upload", "sales", "nosuch.csv"]);
  assert.equal(code, 2);
  assert.match(err, /there is no file or folder 'nosuch\.csv'/);
  assert.doesNotMatch(err, /ENOENT/);
});

/** Ends every file as soon as it arrives. */
function answerFiles(status: "committed" | "failed"): () => void {
  const failure = status === "failed" ? { errorCode: "FILE_EMPTY", errorMessage: "0 bytes" } : { rowsRejected: 0 };
  const publish = gateway.log.publish.bind(gateway.log);
  gateway.log.publish = async (topic, records) => {
    const positions = await publish(topic, records);
    const fileId = gateway.published().at(-1)?.fileId;
    if (topic === TOPICS.fileEvents.name) setImmediate(() => void gateway.ended(fileId!, { status, ...failure }));
    return positions;
  };
  return () => (gateway.log.publish = publish);
}

test("upload sends files unchanged, under their own names", async () => {
  const { code, out, err } = await run(["upload", "sales", "a b.csv", "b.csv.gz"]);
  assert.equal(code, 0, err);
  assert.match(err, /sent a b\.csv \(5 B\)/);
  assert.match(out, /a b\.csv +sales +received/);
  const [plain, zipped] = gateway.published().slice(-2);
  assert.deepEqual([plain!.sourceFile, zipped!.sourceFile], ["a b.csv", "b.csv.gz"]);
  assert.deepEqual(gateway.blob.objects.get(zipped!.blobKey), readFileSync(join(folder, "b.csv.gz")));
});

test("upload says what was there already; --again and another key make no difference to the file", async () => {
  writeFileSync(join(folder, "twice.csv"), "id\n7\n");
  const first = await run(["upload", "sales", "twice.csv", "--json"]);
  const second = await run(["upload", "sales", "twice.csv"]);
  assert.deepEqual([first.code, second.code], [0, 0]);
  assert.match(second.err, /twice\.csv was there already with this content: no new version/);
  const before = gateway.published().length;
  const again = await run(["upload", "sales", "twice.csv", "--again", "--idempotency-key", "k1"]);
  const repeated = await run(["upload", "sales", "twice.csv", "--again", "--idempotency-key", "k1"]);
  assert.match(again.err, /sent twice\.csv/);
  assert.match(repeated.err, /was there already/);
  assert.equal(gateway.published().length, before + 1);
});

test("upload sends a file again after a 503, as the same request", async () => {
  const keys: unknown[] = [];
  let requests = 0;
  const server = createServer((request, response) => {
    keys.push(request.headers["idempotency-key"]);
    request.resume().on("end", () => {
      const isFirst = ++requests === 1;
      response.writeHead(isFirst ? 503 : 202, { "content-type": "application/json" });
      const file = { fileId: "f", table: "sales", sourceFile: "a b.csv", status: "received", durations: {} };
      response.end(JSON.stringify(isFirst ? { code: "LOG_UNAVAILABLE", detail: "away" } : file));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const { code, err } = await run(["--url", `http://127.0.0.1:${port}`, "upload", "sales", "a b.csv"]);
  server.close();
  assert.equal(code, 0, err);
  assert.equal(keys.length, 2);
  assert.ok(keys[0] !== undefined && keys[0] === keys[1]);
});

test("upload refuses two files of one name, and sends neither", async () => {
  const before = gateway.published().length;
  const { code, err } = await run(["upload", "sales", "a b.csv", join(folder, "a b.csv")]);
  assert.equal(code, 2);
  assert.match(err, /have one name, so the second would replace the first/);
  assert.equal(gateway.published().length, before);
});

test("upload refuses URLs and files of other formats before it sends any", async () => {
  const zip = Buffer.concat([
    Buffer.from("PK\x03\x04\x14\0\x06\0"),
    Buffer.alloc(18),
    Buffer.from("[Content_Types].xml"),
  ]);
  writeFileSync(join(folder, "book.xlsx"), zip);
  writeFileSync(join(folder, "many.zip"), Buffer.concat([zip.subarray(0, 26), Buffer.from("a.csv")]));
  writeFileSync(join(folder, "rows.jsonl"), '{"id":1}\n{"id":2}\n');
  writeFileSync(join(folder, "t.parquet"), Buffer.concat([Buffer.from("PAR1"), Buffer.alloc(64, 3)]));
  const cases: [file: string, message: RegExp][] = [
    ["https://example.org/a.csv", /is a URL.*curl .*--name/],
    ["s3://bucket/a.csv", /is a URL/],
    ["book.xlsx", /looks like an Excel workbook.*save each sheet as CSV/],
    ["many.zip", /looks like a ZIP archive: unpack it/],
    ["rows.jsonl", /looks like JSON/],
    ["t.parquet", /looks like a Parquet file/],
  ];
  const before = gateway.published().length;
  for (const [file, message] of cases) {
    const { code, err } = await run(["upload", "sales", "a b.csv", file]);
    assert.deepEqual([code, message.test(err)], [2, true], err);
  }
  assert.equal(gateway.published().length, before, "nothing was sent");
});

test("upload accepts standard input, a name and a dialect", async () => {
  const args = [
    "upload",
    "sales",
    "-",
    "--name",
    "2024/stdin.csv",
    "--delimiter",
    "semicolon",
    "--no-header",
    "--json",
  ];
  const { code, out, err } = await run(args, { input: "1;2\n" });
  assert.equal(code, 0, err);
  const [file] = JSON.parse(out) as [{ sourceFile: string; sizeBytes: number }];
  assert.deepEqual([file.sourceFile, file.sizeBytes, err], ["2024/stdin.csv", 4, ""]);
  assert.equal(gateway.published().at(-1)!.dialectJson, '{"delimiter":";","header":false}');
});

test("upload --wait: 0 when committed, 1 with code and remedy when failed, 4 when not in time", async () => {
  // Each content is new: the gateway answers a repeated one with the version that is there.
  for (const name of ["good", "bad", "late"]) writeFileSync(join(folder, `${name}.csv`), `id\n${name}\n`);
  let stop = answerFiles("committed");
  const committed = await run(["upload", "sales", "good.csv", "--wait"]);
  assert.deepEqual([committed.code, /committed/.test(committed.out)], [0, true]);
  stop();
  stop = answerFiles("failed");
  const failed = await run(["upload", "sales", "bad.csv", "--wait"]);
  stop();
  assert.equal(failed.code, 1);
  assert.match(failed.err, /bad\.csv: FILE_EMPTY: 0 bytes\n→ Send a file with at least a header line/);
  const late = await run(["upload", "sales", "late.csv", "--wait", "--timeout", "50ms"]);
  assert.deepEqual([late.code, /WAIT_TIMEOUT/.test(late.err)], [4, true]);
});

test("status shows the newest files, or all details of one file", async () => {
  const { fileId } = gateway.published()[0]!;
  await gateway.ended(fileId, { status: "rejected", errorCode: "REJECTS_ABOVE_THRESHOLD", errorMessage: "9 of 10" });
  const list = await run(["status", "--table", "sales", "--limit", "100"]);
  assert.match(list.out, /a b\.csv +sales +rejected \(REJECTS_ABOVE_THRESHOLD\)/);
  assert.match(list.out, /received +offset +id\n(.*\n)*a b\.csv .*Z +0 +\S+$/m, "files undo --help sends here");
  const one = await run(["status", fileId]);
  assert.equal(one.code, 1);
  assert.match(one.out, /^error +REJECTS_ABOVE_THRESHOLD: 9 of 10$/m);
  const json = await run(["status", fileId, "--json"]);
  assert.equal((JSON.parse(json.out) as { fileId: string }).fileId, fileId);
  const unknown = await run(["status", "01000000-0000-7000-8000-000000000001"]);
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /^NOT_FOUND: .*\n→ /);
});

test("tables, query and rejects show the gateway's responses", async () => {
  gateway.warehouse.described.set("orders", {
    table: "orders",
    columns: [{ name: "id", type: "BIGINT", header: "ID" }],
    partitioning: [],
  });
  for (const table of ["_rejected_rows", "_ingest_files"]) {
    gateway.warehouse.described.set(table, { table, columns: [], partitioning: [] });
  }
  gateway.warehouse.answer = (sql) =>
    sql.includes("_rejected_rows")
      ? {
          columns: [],
          rows: [["f", "a.csv", 1, 2, 3, "id", "type", "no number", "x\u001b[2J,\ny", "2024-01-01T00:00:00"]],
          truncated: false,
        }
      : { columns: [{ name: "n", type: "bigint" }], rows: [[41], [7]], truncated: true };
  assert.match((await run(["tables"])).out, /orders +yes +default/);
  assert.match((await run(["tables", "orders"])).out, /^rows +41$[\s\S]*^id +BIGINT +ID$/m);
  const query = await run(["query", "SELECT n", "--limit", "2"]);
  assert.match(query.out, /41\n +7\n\(2 rows; truncated by --limit\)\n$/);
  const unlimited = await run(["query", "SELECT n"]);
  assert.match(unlimited.out, /\(2 rows; truncated: filter or aggregate, or read parts by ORDER BY … LIMIT\)\n$/);
  const rejects = await run(["rejects", "orders", "--reason", "type_mismatch"]);
  assert.match(rejects.out, /a\.csv +3 +2 +id +type +no number/);
  assert.doesNotMatch(rejects.out, /\u001b/, "a file must not control the terminal");
  assert.match(gateway.warehouse.queries.at(-1)!, /reason = 'type_mismatch'/);
});

test("errors: code, message and remedy; JSON for scripts; an exit code for each kind", async () => {
  const refused = await run(["upload", "Bad Table", "a b.csv"]);
  assert.deepEqual([refused.code, /TABLE_NAME_INVALID: .*'bad_table'.*\n→ /.test(refused.err)], [1, true]);
  const asJson = await run(["tables", "none", "--json"]);
  assert.deepEqual([asJson.code, asJson.out, (JSON.parse(asJson.err) as { code: string }).code], [1, "", "NOT_FOUND"]);
  const unreachable = await run(["tables", "--url", "http://127.0.0.1:9"]);
  assert.deepEqual([unreachable.code, /UNREACHABLE: .*\n→ .*tributary serve/.test(unreachable.err)], [3, true]);
  for (const args of [
    ["fly"],
    ["upload", "sales"],
    ["status", "--limit", "none"],
    ["upload", "sales", "no-such-file.csv"],
    ["upload", "sales", "."],
    ["upload", "sales", "-"],
    ["upload", "sales", "a b.csv", "b.csv.gz", "--name", "x"],
    ["tables", "--url", "nonsense"],
  ]) {
    const { code, err } = await run(args);
    assert.equal(code, 2, `${args.join(" ")}: ${err}`);
    assert.ok(err.length > 0);
  }
});

test("a server that is not a gateway is reported", async () => {
  const server = createServer((_request, response) => response.end("<html>hello</html>")).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const { code, err } = await run(["tables", "--url", `http://127.0.0.1:${port}`]);
  server.close();
  assert.equal(code, 1);
  assert.match(err, /is not a Tributary gateway: the response is not JSON/);
});

test("an upload that is refused early reports the reason, not a broken connection", async () => {
  await using small = await testGateway({ TRIBUTARY_UPLOAD_SIZE_MAX: "1MB" });
  writeFileSync(join(folder, "large.csv"), Buffer.alloc(30_000_000, "1\n"));
  const { code, err } = await run(["upload", "sales", "large.csv"], { env: { TRIBUTARY_URL: small.url } });
  assert.match(err, /BODY_TOO_LARGE/);
  assert.equal(code, 1);
});

test("every command has a help text; the main one lists the exit codes", async () => {
  const main = await run(["--help"]);
  assert.deepEqual([main.code, /Exit codes/.test(main.out)], [0, true]);
  const commands = [...main.out.matchAll(/^ {2}([a-z-]+) (?=.*\S)/gm)].map((match) => match[1]!);
  for (const expected of ["serve", "upload", "status", "tables", "query", "rejects", "generate-sales"]) {
    assert.ok(commands.includes(expected), expected);
  }
});

test("a table of 10,000 rows is printed in time linear in its cells", () => {
  const rows = (count: number) =>
    Array.from({ length: count }, (_, index) => [index, `名前 ${index}`, "x".repeat(index % 40)]);
  assert.equal(tableText(["n", "name"], [[1, "é"], [20, "日本"], [3, null]]), " n  name\n 1  é\n20  日本\n 3  –"); // prettier-ignore
  const cpuMs = (count: number): number => {
    const before = process.cpuUsage();
    tableText(["n", "name", "text"], rows(count));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  const leastMs = (count: number): number => Math.min(...[1, 2, 3].map(() => cpuMs(count)));
  const once = leastMs(10_000);
  // Measured: 50 to 150 ms. The quadratic layout took 30 s.
  assert.ok(once < 3_000, `${once} ms`);
  assert.ok(leastMs(20_000) < 3 * once, `${once} ms for half of the rows`);
});
