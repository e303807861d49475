import assert from "node:assert/strict";
import { test } from "node:test";
import type { CatalogConfig } from "../../../../../lib/warehouse/iceberg/catalog/config.ts";
import type { HttpRequest } from "../../../../../lib/warehouse/iceberg/catalog/transport.ts";
import { isUnsent } from "../../../../../lib/warehouse/iceberg/gate/catalog-port.ts";
import { throughCatalog } from "../../../../../lib/warehouse/iceberg/gate/through-catalog.ts";
import { writerSettings } from "../../../../../lib/warehouse/iceberg/gate/writer-settings.ts";

const CONFIG: CatalogConfig = {
  prefix: "",
  uri: undefined,
  namespaceSeparator: "\u001f",
  endpoints: new Set(),
  listsEndpoints: false,
  idempotencyKeyLifetime: undefined,
};

const request = (path: string) => ({ method: "GET", path, headers: { a: "b" }, timeoutMs: 1 });

test("requests go below the catalog's address, as they are encoded", async () => {
  const sent: HttpRequest[] = [];
  const answer = { status: 200, headers: {}, body: Buffer.from("{}") };
  const send = throughCatalog(
    {
      config: CONFIG,
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

test("a catalog that names another address for itself is asked there", async () => {
  let asked = "";
  const catalog = {
    config: { ...CONFIG, uri: "https://other/x" },
    send: async ({ url }: HttpRequest) => {
      asked = url.href;
      return { status: 200, headers: {}, body: Buffer.alloc(0) };
    },
  };
  await throughCatalog(catalog, "https://host")(request("/v1/config"));
  assert.equal(asked, "https://other/x/v1/config");
});

test("the writer waits longer than the gate", () => {
  assert.ok(writerSettings(90_000).includes("SET http_timeout = 180"));
});
