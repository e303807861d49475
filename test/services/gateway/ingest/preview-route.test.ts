import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { json as readJson } from "node:stream/consumers";
import { test } from "node:test";
import { tableSchemas } from "../../../../lib/messages/avro.ts";
import { TOPICS } from "../../../../lib/messages/topics.ts";
import { previewSchema } from "../../../../services/gateway/http/schemas.ts";
import { testGateway, type TestGateway } from "../gateway.ts";
import { problemIn } from "../http/problem-in.ts";

const CSV = "id;amount\n1;2,50\n2;x\n";
const send = (gateway: TestGateway, query: string, body: string | FormData) =>
  fetch(`${gateway.url}/v1/preview?${query}`, { method: "POST", body });
const preview = async (gateway: TestGateway, query: string, body: string | FormData) =>
  previewSchema.strict().parse(await (await send(gateway, query, body)).json());

test("previews a file without any effect", async () => {
  await using gateway = await testGateway();
  const seen = await preview(gateway, "name=a.csv", CSV);
  assert.equal(seen.dialect?.delimiter, ";");
  assert.deepEqual(
    seen.columns.map(({ name, type }) => `${name} ${type}`),
    ["id INTEGER", "amount VARCHAR"],
  );
  assert.deepEqual(seen.rows, [
    [1, "2,50"],
    [2, "x"],
  ]);
  assert.deepEqual([seen.complete, seen.error], [true, null]);
  assert.deepEqual([gateway.published().length, gateway.blob.objects.size], [0, 0]);
});

test("previews against the table's current columns", async () => {
  await using gateway = await testGateway();
  const dialect = { delimiter: ";", quote: '"', escape: '"', header: true, encoding: "utf-8" };
  const columns = [
    { name: "id", type: "BIGINT", header: "id" },
    { name: "note", type: "VARCHAR", header: "note" },
  ];
  const value = tableSchemas.encode({ table: "sales", sourceOffset: 0, columns, dialectJson: JSON.stringify(dialect) });
  await gateway.log.publish(TOPICS.tableSchemas.name, [{ key: "sales", value }]);
  const { diff } = await preview(gateway, "table=sales", CSV);
  assert.deepEqual(diff.added, [{ name: "amount", type: "VARCHAR" }]);
  assert.deepEqual(diff.missing, ["note"]);
});

test("previews a form with a dialect and a row limit", async () => {
  await using gateway = await testGateway();
  const form = new FormData();
  form.append("file", new File([CSV], "a.csv"));
  const seen = await preview(gateway, "header=false&delimiter=semicolon&rowsMax=1", form);
  assert.deepEqual(seen.rows, [["id", "amount"]]);
  await problemIn(await send(gateway, "", new FormData()), 400, "BAD_REQUEST");

  const encoded = new FormData();
  const bytes = Buffer.concat([Buffer.from("id;city\n1;"), Buffer.from([0xa3, 0xf3, 0x64, 0xbc]), Buffer.from("\n")]);
  encoded.append("file", new File([bytes], "b.csv", { type: "text/csv; charset=iso-8859-2" }));
  const read = await preview(gateway, "", encoded);
  assert.deepEqual(read.rows, [[1, "Łódź"]]);
  assert.equal(read.dialect?.["encoding"], "iso-8859-2");
});

test("a file that would fail gives a preview; a wrong request gives problem details", async () => {
  await using gateway = await testGateway();
  const empty = await preview(gateway, "", "");
  assert.equal(empty.error?.code, "FILE_EMPTY");
  assert.match(empty.error.remedy, /header/);
  await problemIn(await send(gateway, "table=Bad%20Table", CSV), 400, "TABLE_NAME_INVALID");
  await problemIn(await send(gateway, "rowsMax=0", CSV), 400, "BAD_REQUEST");
});

test("only the beginning of a long file is read, and the response is sent before its end", async () => {
  await using gateway = await testGateway({ TRIBUTARY_PREVIEW_SIZE_MAX: "64KB" });
  const request = http.request(`${gateway.url}/v1/preview`, { method: "POST" });
  request.on("error", () => undefined);
  request.write(`a;b\n${"1;2\n".repeat(2_000_000)}`);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const seen = previewSchema.parse(await readJson(response));
  request.destroy();
  assert.equal(seen.complete, false);
  assert.deepEqual(seen.unchecked, ["footer", "types"], "it says what may come further down");
  assert.ok(seen.textBytes < 2_000_000);
});

test("no preview holds the gateway's event loop", async () => {
  await using gateway = await testGateway();
  const columns = Array.from({ length: 2_000 }, (_, index) => ({
    name: `c${index}`,
    type: "INTEGER",
    header: `h${index}`,
  }));
  const dialectJson = JSON.stringify({ delimiter: ",", quote: '"', escape: '"', header: true, encoding: "utf-8" });
  const value = tableSchemas.encode({ table: "wide", sourceOffset: 0, columns, dialectJson });
  await gateway.log.publish(TOPICS.tableSchemas.name, [{ key: "wide", value }]);
  await preview(gateway, "", CSV);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const hostile: [query: string, body: string][] = [
    ["delimiter=comma", `${"a,".repeat(120_000)}1.5\n${"x\n".repeat(499)}`],
    ["rowsMax=1000", `${"1.5,".repeat(500)}1\n`.repeat(400)],
    ["", "\r".repeat(1_000_000)],
    ["", '"a",'.repeat(200_000)],
    ["table=wide&rowsMax=1000", `h0\n${"1\n".repeat(500_000)}`],
  ];
  for (const [query, body] of hostile) {
    const seen = await preview(gateway, query, body);
    assert.ok(seen.rows.length * seen.columns.length <= 52_000, `${seen.rows.length} rows`);
  }
  delay.disable();
  // The first of these stopped the event loop for 15 s when the gateway parsed previews itself.
  assert.ok(delay.max / 1e6 < 1_500, `the event loop stood still for ${Math.round(delay.max / 1e6)} ms`);
});

test("any quote is a character, not a pattern; what cannot be a quote is a wrong request", async () => {
  await using gateway = await testGateway();
  for (const quote of "!$%()*+.?[\\]^{}#'\"") {
    const seen = await preview(
      gateway,
      `quote=${encodeURIComponent(quote)}`,
      `id,v\n1,${quote}a${quote}\n2,x\\${quote}\n`,
    );
    assert.equal(seen.rows[0]?.[1], "a", quote);
  }
  for (const query of ["quote=,", "quote=%0A", "quote=%20", "quote=%C3%A9", "escape=%7C", "escape=%0D"]) {
    await problemIn(await send(gateway, query, CSV), 400, "BAD_REQUEST");
  }
});
