import assert from "node:assert/strict";
import { test } from "node:test";
import { carrying, readTraceparent, untraced } from "../../../lib/process/tracing.ts";
import { testGateway } from "../../services/gateway/gateway.ts";

const CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("a traceparent is parsed, and an invalid one is undefined", () => {
  assert.deepEqual(readTraceparent(CONTEXT), {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    flags: 1,
  });
  for (const text of [
    undefined,
    "",
    "nonsense",
    CONTEXT.toUpperCase(),
    `${CONTEXT} `,
    CONTEXT.replace("0af7651916cd43dd8448eb211c80319c", "0".repeat(32)),
    CONTEXT.replace("b7ad6b7169203331", "0".repeat(16)),
    CONTEXT.replace(/^00/, "ff"),
  ])
    assert.equal(readTraceparent(text), undefined, text);
});

test("a service without tracing passes on the context", () => {
  const span = untraced.start("parse", { parent: CONTEXT, attributes: {} });
  assert.deepEqual(carrying(span.traceparent), { headers: { traceparent: CONTEXT } });
  assert.deepEqual(carrying(untraced.start("parse", { parent: undefined, attributes: {} }).traceparent), {});
});

test("an upload's context goes into the log; an invalid header does not", async () => {
  await using gateway = await testGateway();
  for (const traceparent of [CONTEXT, "x".repeat(4_000)]) {
    const path = `${gateway.url}/v1/tables/sales/files/a.csv`;
    await fetch(path, { method: "PUT", body: `id\n${traceparent.length}\n`, headers: { traceparent } });
  }
  const headers = gateway.log.records.filter(({ topic }) => topic === "file-events").map(({ headers }) => headers);
  assert.deepEqual(headers, [{ traceparent: CONTEXT }, undefined]);
});
