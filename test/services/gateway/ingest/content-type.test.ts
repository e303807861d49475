import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { json } from "node:stream/consumers";
import { test } from "node:test";
import type { Problem } from "../../../../services/gateway/http/schemas.ts";
import { testGateway, type TestGateway } from "../gateway.ts";

const FORM_ENCODED = "application/x-www-form-urlencoded";

/** Headers may repeat, as fetch does not let them. */
async function send(
  { url }: TestGateway,
  [method, path]: readonly [string, string],
  body: string,
  headers: http.OutgoingHttpHeaders,
): Promise<Partial<Problem>> {
  const request = http.request(`${url}${path}`, { method, headers });
  request.end(body);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  return { ...((await json(response)) as object), status: response.statusCode! };
}

const UPLOAD = ["PUT", "/v1/tables/sales/files/a.csv"] as const;
const PREVIEW = ["POST", "/v1/preview"] as const;

test("a preview refuses what the upload of the same request would be refused for", async () => {
  await using gateway = await testGateway();
  for (const [body, headers, code] of [
    ["id,name1,a2,b", { "content-type": FORM_ENCODED }, "UNSUPPORTED_MEDIA_TYPE"],
    ["id\n1\n", { "content-encoding": "br" }, "UNSUPPORTED_ENCODING"],
    ["id\n1\n", { "content-type": "text/csv; charset=klingon" }, "UNSUPPORTED_MEDIA_TYPE"],
  ] as const) {
    const [uploaded, shown] = [await send(gateway, UPLOAD, body, headers), await send(gateway, PREVIEW, body, headers)];
    assert.deepEqual([uploaded.status, uploaded.code], [415, code]);
    assert.deepEqual([shown.status, shown.code, shown.detail], [415, code, uploaded.detail]);
  }
  for (const body of ["id,name\n1,a\n", "id,name\r1,a"]) {
    assert.equal((await send(gateway, PREVIEW, body, { "content-type": FORM_ENCODED })).status, 200);
  }
  assert.equal((await send(gateway, PREVIEW, "", { "content-type": FORM_ENCODED })).status, 200);
});

test("two Content-Type headers that differ are refused, of a request and of a form's part", async () => {
  await using gateway = await testGateway();
  const two = ["text/csv; charset=utf-16le", "text/csv; charset=windows-1252"];
  for (const to of [UPLOAD, PREVIEW]) {
    const refused = await send(gateway, to, "id\n1\n", { "content-type": two });
    assert.deepEqual([refused.status, refused.code], [400, "BAD_REQUEST"]);
    assert.match(refused.detail!, /two headers Content-Type .*utf-16le.*windows-1252/);
    const same = await send(gateway, to, "id\n1\n", { "content-type": ["text/csv", "text/csv"] });
    assert.ok([200, 202].includes(same.status!), same.detail);
  }
  const lines = two.map((type) => `content-type: ${type}\r\n`).join("");
  const form = `--x\r\ncontent-disposition: form-data; name=f; filename=b.csv\r\n${lines}\r\nid\n1\n\r\n--x--\r\n`;
  const headers = { "content-type": "multipart/form-data; boundary=x" };
  const inForm = await send(gateway, ["POST", "/v1/tables/sales/files"], form, headers);
  assert.match(JSON.stringify(inForm), /two headers Content-Type.*207/);
  assert.equal((await send(gateway, PREVIEW, form, headers)).status, 400);
  assert.deepEqual(
    gateway.published().map(({ sourceFile }) => sourceFile),
    ["a.csv"],
  );
});
