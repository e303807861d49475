import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, test } from "node:test";
import { systemClock } from "../../../../../lib/clock.ts";
import type { ErrorCode } from "../../../../../lib/errors.ts";
import { CatalogError, type Outcome } from "../../../../../lib/warehouse/iceberg/catalog/errors.ts";
import {
  openRestCatalog,
  type RestCatalog,
  type RestCatalogOptions,
} from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { httpTransport, NoAnswer } from "../../../../../lib/warehouse/iceberg/catalog/transport.ts";
import { scratchCommit, snapshotIdOf } from "../../../../../lib/warehouse/iceberg/doctor/scratch-commit.ts";
import {
  startFakeRestCatalog,
  type FakeCatalogOptions,
  type FakeRestCatalog,
  type Fault,
} from "../../../../support/rest-catalog/fake-rest-catalog.ts";

const COLUMNS = [{ id: 1, name: "id", type: "long", required: false }];
const TABLE = { namespace: ["a", "b"], name: "t" };

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function fakeWith(options: FakeCatalogOptions = {}): Promise<FakeRestCatalog> {
  const fake = await startFakeRestCatalog(options);
  closers.push(() => fake.close());
  return fake;
}

async function openAt(options: RestCatalogOptions): Promise<RestCatalog> {
  const catalog = await openRestCatalog(options);
  closers.push(catalog.close);
  return catalog;
}

/** A server that answers every request with the same text. */
async function answering(status: number, body: string, headers: Record<string, string> = {}): Promise<string> {
  const server: Server = createServer((_, response) => response.writeHead(status, headers).end(body));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const failsWith =
  (code: ErrorCode, outcome: Outcome, text = /./) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof CatalogError, String(error));
    assert.deepEqual([error.code, error.outcome], [code, outcome], error.message);
    assert.match(error.message, text);
    return true;
  };

describe("REST catalog: the outcome of a commit", () => {
  const cases: [Fault, ErrorCode, Outcome, boolean][] = [
    ["before", "CATALOG_UNAVAILABLE", "unknown", false],
    ["after", "CATALOG_UNAVAILABLE", "unknown", true],
    ["slow", "CATALOG_UNAVAILABLE", "unknown", true],
    [500, "CATALOG_UNAVAILABLE", "unknown", true],
    [502, "CATALOG_UNAVAILABLE", "unknown", true],
    [503, "CATALOG_UNAVAILABLE", "unknown", true],
    [504, "CATALOG_UNAVAILABLE", "unknown", true],
    [408, "CATALOG_UNAVAILABLE", "unknown", true],
    [200, "CATALOG_FAILED", "unknown", true],
    [{ refused: 429 }, "CATALOG_UNAVAILABLE", "none", false],
    [{ refused: 409 }, "CATALOG_CONFLICT", "none", false],
    [{ refused: 400 }, "CATALOG_FAILED", "none", false],
    [{ refused: 403 }, "CATALOG_REFUSED", "none", false],
    [{ refused: 501 }, "CATALOG_UNSUPPORTED", "none", false],
  ];
  for (const [fault, code, outcome, isApplied] of cases) {
    test(`${JSON.stringify(fault)}: ${code}, ${outcome}; the commit is sent once`, async () => {
      const faults: Fault[] = [];
      const fake = await fakeWith({
        fault: ({ method, path }) => (method === "POST" && /tables.t$/.test(path) ? faults[0] : undefined),
      });
      const catalog = await openAt({ uri: fake.uri, timeoutMs: fault === "slow" ? 150 : 10_000 });
      await catalog.createNamespace(TABLE.namespace);
      const { metadata } = await catalog.createTable(TABLE.namespace, { name: TABLE.name, columns: COLUMNS });
      faults.push(fault);
      const change = scratchCommit(TABLE, metadata, { atMs: 1_000 });
      const sentBefore = fake.requests.length;
      await assert.rejects(catalog.commitTable(change), failsWith(code, outcome, /commit to table a\.b\.t/));
      assert.equal(fake.requests.length, sentBefore + 1);
      const { snapshots } = (await catalog.loadTable(TABLE)).metadata;
      assert.deepEqual(
        snapshots.map(({ id }) => id),
        isApplied ? [snapshotIdOf(change)] : [],
      );
    });
  }

  test("without a connection nothing was sent: none", async () => {
    const fake = await fakeWith();
    const catalog = await openAt({ uri: fake.uri });
    await fake.close();
    const base = { uuid: "u", location: "s3://x", lastSequenceNumber: 0, schemaId: 0, currentSnapshotId: undefined };
    const change = scratchCommit(TABLE, base as never, { atMs: 1_000 });
    // A connection that stayed open may have carried it.
    await assert.rejects(catalog.commitTable(change), { code: "CATALOG_UNAVAILABLE" });
    await assert.rejects(catalog.commitTable(change), failsWith("CATALOG_UNAVAILABLE", "none", /ECONNREFUSED/));
  });
});

describe("REST catalog: requests", () => {
  test("a read is repeated while the catalog is unavailable, a few times", async () => {
    let failures = 2;
    const fake = await fakeWith({
      fault: ({ method, path }) =>
        method === "GET" && path.endsWith("namespaces") && failures-- > 0 ? 503 : undefined,
    });
    const catalog = await openAt({ uri: fake.uri, clock: { ...systemClock, sleep: async () => undefined } });
    assert.deepEqual(await catalog.listNamespaces(), []);
    failures = 100;
    await assert.rejects(catalog.listNamespaces(), failsWith("CATALOG_UNAVAILABLE", "unknown"));
    assert.equal(failures, 96);
  });

  test("names are encoded, and levels of a namespace are separated, in paths", async () => {
    const fake = await fakeWith({ prefix: "p/q" });
    const catalog = await openAt({ uri: `${fake.uri}/` });
    const name = "a/b ü?#%";
    await catalog.createNamespace(TABLE.namespace);
    await catalog.createTable(TABLE.namespace, { name, columns: COLUMNS });
    assert.deepEqual(await catalog.listTables(TABLE.namespace), [{ namespace: TABLE.namespace, name }]);
    await catalog.dropTable({ namespace: TABLE.namespace, name });
    assert.ok(fake.requests.at(-1)!.path.startsWith("/v1/p/q/namespaces/a%1Fb/tables/a%2Fb%20%C3%BC%3F%23%25"));
    for (const wrong of ["..", ".", ""]) {
      const load = async () => catalog.loadTable({ ...TABLE, name: wrong });
      await assert.rejects(load, failsWith("CATALOG_FAILED", "none", /cannot be a name/));
    }
  });

  test("a listing has all its pages", async () => {
    const fake = await fakeWith({ pageSize: 3 });
    const catalog = await openAt({ uri: fake.uri });
    await catalog.createNamespace(["n"]);
    const names = Array.from({ length: 8 }, (_, n) => `t${n}`);
    for (const name of names) await catalog.createTable(["n"], { name, columns: COLUMNS });
    assert.deepEqual(
      (await catalog.listTables(["n"])).map(({ name }) => name),
      names,
    );
  });

  test("an endpoint that the catalog does not list is not called", async () => {
    const fake = await fakeWith({ endpoints: ["loadTable"] });
    const catalog = await openAt({ uri: fake.uri });
    await assert.rejects(
      catalog.commitTransaction([]),
      failsWith("CATALOG_UNSUPPORTED", "none", /no endpoint POST \/v1\/\{prefix\}\/transactions\/commit/),
    );
    assert.equal(fake.requests.length, 1);
  });

  test("of a catalog that lists no endpoints, all are tried", async () => {
    const fake = await fakeWith({ endpoints: null });
    const catalog = await openAt({ uri: fake.uri });
    assert.ok(catalog.has("commitTransaction") && catalog.has("createView"));
    assert.ok(!catalog.config.listsEndpoints);
  });
});

describe("REST catalog: answers that are none", () => {
  const open = async (status: number, body: string, headers?: Record<string, string>) =>
    openRestCatalog({ uri: await answering(status, body, headers), timeoutMs: 5_000 });

  test("what is no JSON, or other JSON, is named", async () => {
    await assert.rejects(open(200, "<html>"), failsWith("CATALOG_FAILED", "unknown", /answer is not JSON/));
    await assert.rejects(
      open(200, '{"endpoints": 1}'),
      failsWith("CATALOG_FAILED", "unknown", /not what the specification says: endpoints/),
    );
    await assert.rejects(open(404, "no such page"), failsWith("CATALOG_NOT_FOUND", "none", /404: no such page/));
  });

  test("a redirect is not followed: it would take the token elsewhere", async () => {
    const elsewhere = await answering(200, "{}");
    await assert.rejects(open(302, "", { location: elsewhere }), failsWith("CATALOG_FAILED", "none", /302/));
  });

  test("a prefix that leaves the catalog's path is refused", async () => {
    for (const prefix of ["../x", "a/../../b", "a?b=", "a#b", "a\\b", "a b"]) {
      await assert.rejects(
        open(200, JSON.stringify({ overrides: { prefix } })),
        failsWith("CATALOG_FAILED", "none", /is not a path/),
      );
    }
  });

  test("an answer beyond the limit ends the request", async () => {
    const uri = await answering(200, "x".repeat(100_000));
    const transport = httpTransport({ answerBytesMax: 50_000 });
    closers.push(transport.close);
    const request = { method: "GET", url: new URL(uri), headers: {}, timeoutMs: 5_000 };
    await assert.rejects(
      transport.send(request),
      (error) => error instanceof NoAnswer && /longer than 50000/.test(error.message),
    );
  });

  test("a URI with a password or another scheme is refused before any request", async () => {
    for (const uri of ["http://user:pass@host", "ftp://host", "host:8181", "http://host?warehouse=x"]) {
      await assert.rejects(openRestCatalog({ uri }), { code: "CONFIG_INVALID" });
    }
  });
});
