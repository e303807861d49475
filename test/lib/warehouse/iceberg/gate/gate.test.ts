import assert from "node:assert/strict";
import { test } from "node:test";
import type { CatalogAnswer, CatalogRequest } from "../../../../../lib/warehouse/iceberg/gate/catalog-port.ts";
import type { GateEvent } from "../../../../../lib/warehouse/gate-events.ts";
import { CommitGate } from "../../../../../lib/warehouse/iceberg/gate/gate.ts";
import { tableKey } from "../../../../../lib/warehouse/iceberg/gate/request.ts";
import { CommitError } from "../../../../../lib/warehouse/iceberg/gate/transactions.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { CatalogModel } from "../../../../support/catalog-model.ts";
import { writeAndCommit, type WriterSend } from "../../../../support/iceberg-writer-model.ts";
import { seededRandom } from "../../../../support/random.ts";

const ORDERS = { namespace: ["lake"], name: "orders" };
const LEDGER = { namespace: ["lake"], name: "ledger" };
const OTHER = { namespace: ["lake"], name: "other" };
const SUMMARY = { "tributary.batch": "1" };

type Fault = "before" | "after" | "away" | number | ((request: CatalogRequest) => CatalogAnswer);

/** A gate before a model catalog, whose next commits meet these faults. Waits take no time. */
function setUp(options: { isAtomic?: boolean; deadlineMs?: number } = {}) {
  const catalog = new CatalogModel(options.isAtomic ?? true);
  for (const table of [ORDERS, LEDGER, OTHER]) catalog.create(tableKey(table));
  const faults: Fault[] = [];
  const events: GateEvent[] = [];
  const sent: CatalogRequest[] = [];
  const deleted: string[] = [];
  const clock = new FakeClock();
  clock.sleep = async (ms, signal) => {
    await new Promise((resolve) => setImmediate(resolve));
    if (!signal?.aborted) clock.advance(ms);
  };
  const gate = new CommitGate({
    clock,
    onEvent: (event) => events.push(event),
    send: async (request) => {
      sent.push(request);
      const fault = request.method === "POST" ? faults.shift() : undefined;
      if (fault === "away") throw Object.assign(new Error("refused"), { sent: false });
      if (fault === "before") throw new Error("reset");
      if (typeof fault === "function") return fault(request);
      const { status, body } = catalog.handle(request.method, request.path, String(request.body ?? ""));
      if (fault === "after") throw new Error("reset");
      return { status: fault ?? status, headers: {}, body: Buffer.from(fault ? "{}" : body) };
    },
    deadlineMs: options.deadlineMs ?? 60_000,
  });
  const send: WriterSend = async (method, path, body) => {
    if (method === "GET") return catalog.handle(method, path, body);
    const answer = await gate.commit(path, { "content-type": "application/json" }, body);
    return { status: answer.status, body: Buffer.from(answer.body).toString("utf8") };
  };
  const random = seededRandom(7);
  const write = (tables = [ORDERS, LEDGER]): Promise<void> =>
    writeAndCommit(tables, { send, random, remove: (file) => deleted.push(file) });
  const transact = (commit: () => Promise<unknown> = write) =>
    gate.transaction(
      [ORDERS, LEDGER].map((table) => ({ table, summary: SUMMARY })),
      commit,
    );
  const rival = (): void => {
    const body = `{"requirements":[],"updates":[{"action":"add-snapshot","snapshot":{"snapshot-id":5,"manifest-list":"r"}},{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":5}]}`;
    catalog.handle("POST", "/v1/lake/namespaces/lake/tables/orders", body);
  };
  return { catalog, gate, faults, events, sent, deleted, write, transact, rival };
}

const errorOf = async (work: Promise<unknown>): Promise<CommitError> => {
  const thrown: unknown = await work.then(
    () => assert.fail("no error"),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof CommitError, String(thrown));
  return thrown;
};

test("whatever happens to the answer, what is committed is reported so, once, and keeps its files", async () => {
  for (const fault of ["after", 500, 502, 503, 504] as const) {
    const { catalog, faults, deleted, transact } = setUp();
    faults.push(fault, "before");
    const { kind, id, committed, snapshots } = await transact();
    assert.equal(kind, "committed");
    assert.deepEqual(committed, [tableKey(ORDERS), tableKey(LEDGER)]);
    for (const key of committed) {
      const [snapshot, ...others] = catalog.history(key);
      assert.deepEqual(others, []);
      const [told, ...more] = snapshots.get(key)!;
      assert.deepEqual([told!.id, Object.fromEntries(told!.summary)], [snapshot!.id, snapshot!.summary]);
      assert.deepEqual(more, []);
      const { operation, ...ours } = snapshot!.summary;
      assert.equal(operation, "append");
      assert.deepEqual(ours, {
        "tributary.batch": "1",
        "tributary.transaction": id,
        "tributary.tables": '[["lake","ledger"],["lake","orders"]]',
      });
    }
    assert.deepEqual(deleted, [], String(fault));
  }
});

test("each attempt sends the same bytes", async () => {
  const { faults, sent, transact } = setUp();
  faults.push("before", 503, "away");
  await transact();
  const bodies = new Set(sent.filter(({ method }) => method === "POST").map(({ body }) => body));
  assert.equal(bodies.size, 1);
});

test("a rival's commit is a conflict, and the writer takes its files away", async () => {
  const { catalog, deleted, write, transact, rival } = setUp();
  const error = await errorOf(
    transact(() => {
      const writing = write();
      rival();
      return writing;
    }),
  );
  // The writer had loaded the table before.
  assert.equal(error.code, "WAREHOUSE_CONFLICT");
  assert.deepEqual(error.result.missing, [tableKey(ORDERS), tableKey(LEDGER)]);
  assert.equal(deleted.length, 2);
  assert.equal(catalog.history(tableKey(LEDGER)).length, 0);
});

test("an outcome that stays unknown is success for the writer, and an error for the caller", async () => {
  const { faults, deleted, transact } = setUp({ deadlineMs: 500 });
  faults.push(...Array.from({ length: 50 }, () => "before" as const));
  const error = await errorOf(transact());
  assert.equal(error.result.kind, "unknown");
  assert.equal(error.code, "WAREHOUSE_UNAVAILABLE");
  assert.ok(error.retryable);
  assert.deepEqual(deleted, []);
});

test("a catalog that is away is a failure for certain, which the writer does not repeat", async () => {
  const { faults, deleted, events, transact } = setUp({ deadlineMs: 500 });
  faults.push(...Array.from({ length: 50 }, () => "away" as const));
  const error = await errorOf(transact());
  assert.equal(error.result.kind, "unavailable");
  assert.equal(deleted.length, 2);
  assert.equal(events.filter(({ event }) => event === "commit").length, 1);
});

test("a stop leaves a running commit unknown, and the writer deletes nothing", async () => {
  const { faults, deleted, gate, transact } = setUp();
  faults.push(...Array.from({ length: 50 }, () => "before" as const));
  const running = errorOf(transact());
  await new Promise((resolve) => setImmediate(resolve));
  await gate.close(0);
  assert.equal((await running).result.kind, "unknown");
  assert.deepEqual(deleted, []);
});

test("a catalog that stops between two tables: the gate commits the second", async () => {
  const { catalog, faults, transact } = setUp({ isAtomic: false });
  faults.push((request) => {
    const { status, body } = catalog.handle("POST", request.path, String(request.body), 1);
    return { status, headers: {}, body: Buffer.from(body) };
  });
  assert.equal((await transact()).kind, "committed");
  for (const table of [ORDERS, LEDGER]) assert.equal(catalog.history(tableKey(table)).length, 1);
});

test("half a transaction keeps its files, and the error names both halves", async () => {
  const { catalog, faults, deleted, rival, transact } = setUp({ isAtomic: false });
  faults.push((request) => {
    const changes = JSON.parse(String(request.body).replace(/(?<=:)\d{16,}/g, '"$&"')) as { "table-changes": object[] };
    changes["table-changes"].reverse();
    catalog.handle("POST", request.path, JSON.stringify(changes), 1);
    rival();
    return { status: 500, headers: {}, body: Buffer.from("{}") };
  });
  const error = await errorOf(transact());
  assert.equal(error.result.kind, "partial");
  assert.deepEqual(error.result.committed, [tableKey(LEDGER)]);
  assert.deepEqual(error.result.missing, [tableKey(ORDERS)]);
  assert.match(error.message, /committed \["lake","ledger"\] and not \["lake","orders"\]/);
  assert.deepEqual(deleted, []);
});

test("tables committed one by one are one result", async () => {
  const { catalog, gate, write } = setUp();
  const parts = [ORDERS, LEDGER].map((table) => ({ table, summary: SUMMARY }));
  const result = await gate.transaction(parts, async () => {
    await write([ORDERS]);
    await write([LEDGER]);
  });
  assert.deepEqual(result.committed, [tableKey(ORDERS), tableKey(LEDGER)]);
  assert.equal(catalog.history(tableKey(ORDERS)).length, 1);
});

test("a change that joins is committed with the writer's, or not at all", async () => {
  const joins = (): string =>
    '{"identifier":{"namespace":["lake"],"name":"ledger"},"requirements":[' +
    '{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":null}],' +
    '"updates":[{"action":"add-snapshot","snapshot":{"snapshot-id":7,"manifest-list":"l"}},' +
    '{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":7}]}';
  const parts = [
    { table: ORDERS, summary: SUMMARY },
    { table: LEDGER, summary: {}, joins },
  ];
  for (const faults of [[], ["after"], ["before", "after"], [503]] as const) {
    const { catalog, gate, write, faults: next } = setUp();
    next.push(...faults);
    const { kind, committed } = await gate.transaction(parts, () => write([ORDERS]));
    assert.equal(kind, "committed");
    assert.deepEqual(committed, [tableKey(ORDERS), tableKey(LEDGER)]);
    for (const key of committed) assert.equal(catalog.history(key).length, 1);
    assert.match(catalog.history(tableKey(LEDGER))[0]!.summary["tributary.tables"]!, /orders/);
  }
  const { catalog, gate, write, deleted, rival } = setUp();
  rival();
  const rivalled = await errorOf(
    gate.transaction([{ ...parts[0]!, base: { snapshotId: undefined } }, parts[1]!], () => write([ORDERS])),
  );
  assert.equal(rivalled.code, "WAREHOUSE_CONFLICT");
  assert.deepEqual([catalog.history(tableKey(LEDGER)), deleted.length], [[], 1]);
  // A later request of the same transaction takes nothing along again.
  const twice = setUp();
  const { committed } = await twice.gate.transaction([...parts, { table: OTHER, summary: {} }], async () => {
    await twice.write([ORDERS]);
    await twice.write([OTHER]);
  });
  assert.deepEqual(committed, [ORDERS, LEDGER, OTHER].map(tableKey));
  assert.equal(twice.catalog.history(tableKey(LEDGER)).length, 1);
});

test("a repetition of the writer gets the first one's answer, also while that is being made", async () => {
  const { gate, sent } = setUp();
  const body = `{"requirements":[{"type":"assert-table-uuid","uuid":"uuid-of-${tableKey(ORDERS).replaceAll('"', '\\"')}"}],"updates":[{"action":"set-properties","updates":{"a":"1"}}]}`;
  const path = "/v1/lake/namespaces/lake/tables/orders";
  const [one, two] = await Promise.all([gate.commit(path, {}, body), gate.commit(path, {}, body)]);
  assert.equal(one.status, 200);
  assert.equal(one, two);
  assert.equal(await gate.commit(path, {}, body), one);
  assert.equal(sent.length, 1);
});

test("a commit outside a transaction, or on another snapshot, never reaches the catalog", async () => {
  const { gate, sent, events, deleted, write, rival } = setUp();
  await assert.rejects(write([ORDERS]), /no transaction is open for it/);
  rival();
  const parts = [{ table: ORDERS, summary: SUMMARY, base: { snapshotId: undefined } }];
  const error = await errorOf(gate.transaction(parts, () => write([ORDERS])));
  assert.equal(error.code, "WAREHOUSE_CONFLICT");
  assert.match(error.message, /its snapshot is 5, not undefined/);
  assert.equal(sent.length, 0);
  assert.equal(deleted.length, 2);
  assert.deepEqual(
    events.map((event) => event.event === "refuse" && event.status),
    [400, 409],
  );
});

test("a writer that sends no commit: nothing happened, or its own error", async () => {
  const { gate, transact } = setUp();
  assert.equal((await transact(async () => undefined)).kind, "nothing");
  await assert.rejects(
    transact(() => Promise.reject(new Error("disk full"))),
    /disk full/,
  );
  await assert.rejects(
    gate.transaction([{ table: ORDERS, summary: {} }], () => transact()),
    /a table has one writer/,
  );
});

test("only the gate's own properties may be added", async () => {
  const { gate } = setUp();
  for (const name of ["added-records", "tributary.transaction", "tributary.tables"])
    await assert.rejects(
      gate.transaction([{ table: ORDERS, summary: { [name]: "1" } }], () => Promise.resolve()),
      /must begin with tributary\./,
    );
});
