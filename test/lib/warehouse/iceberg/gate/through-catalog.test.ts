import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpRequest } from "../../../../../lib/warehouse/iceberg/catalog/transport.ts";
import { isUnsent } from "../../../../../lib/warehouse/iceberg/gate/catalog-port.ts";
import { throughCatalog } from "../../../../../lib/warehouse/iceberg/gate/through-catalog.ts";
import { writerSettings } from "../../../../../lib/warehouse/iceberg/gate/writer-settings.ts";

const request = (path: string) => ({ method: "GET", path, headers: { a: "b" }, timeoutMs: 1 });

test("requests go below the catalog's address, as they are encoded", async () => {
  const sent: HttpRequest[] = [];
  const answer = { status: 200, headers: {}, body: Buffer.from("{}") };
  const send = throughCatalog(
    {
      send: async (asked) => {
        sent.push(asked);
        return answer;
      },
    },
    "https://host/api/catalog/",
  );
  assert.equal(await send(request("/v1/p%2Fq/namespaces/a%1Fb/tables/t%20?snapshots=all")), answer);
  assert.equal(sent[0]!.url.href, "https://host/api/catalog/v1/p%2Fq/namespaces/a%1Fb/tables/t%20?snapshots=all");
  assert.deepEqual(sent[0]!.headers, { a: "b" });
  for (const path of ["/v1/../../admin", "/v2/x", "/v1/%2e%2e/%2e%2e/x"])
    await assert.rejects(send(request(path)), isUnsent, path);
  assert.equal(sent.length, 1);
});

test("the writer waits longer than the gate", () => {
  assert.ok(writerSettings(90_000).includes("SET http_timeout = 180"));
});
