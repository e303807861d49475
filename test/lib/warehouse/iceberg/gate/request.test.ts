import assert from "node:assert/strict";
import { test } from "node:test";
import {
  isCommit,
  readCommit,
  type Announced,
  type CommitRequest,
} from "../../../../../lib/warehouse/iceberg/gate/request.ts";

const TRANSACTION = "/v1/lake/transactions/commit";
const TABLE = "/v1/lake/namespaces/a%1Fb.c/tables/t%2Fx";
const ID = "8123456789012345678";
const PARENT = "7123456789012345679";

const announced = (base?: Announced["base"]) => (): Announced => ({ summary: { "tributary.batch": "7" }, base });
const snapshot = (id = ID, parent: string | undefined = PARENT): string =>
  `{"snapshot-id":${id},${parent === undefined ? "" : `"parent-snapshot-id":${parent},`}"summary":{"operation":"append"}}`;
const change = (parts: { requirements?: string[]; updates?: string[]; table?: string }): string =>
  JSON.stringify({
    identifier: { namespace: ["a", "b.c"], name: parts.table ?? "t/x" },
    requirements: "R",
    updates: "U",
  })
    .replace('"R"', `[${(parts.requirements ?? [guard()]).join(",")}]`)
    .replace('"U"', `[${(parts.updates ?? [add(), move()]).join(",")}]`);
const guard = (id: string | null = PARENT): string =>
  `{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":${id}}`;
const add = (id = ID, parent?: string): string => `{"action":"add-snapshot","snapshot":${snapshot(id, parent)}}`;
const move = (id = ID): string => `{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":${id}}`;
const inOne = (...changes: string[]): string => `{"table-changes":[${changes.join(",")}]}`;
const read = (body: string, path = TRANSACTION, base?: Announced["base"]): CommitRequest => {
  const request = readCommit(path, body, announced(base));
  if ("fault" in request) throw new Error(request.fault);
  return request;
};
const faultOf = (body: string, path = TRANSACTION, of = announced() as () => Announced | undefined): string => {
  const request = readCommit(path, body, of);
  assert.ok("fault" in request, "no fault");
  return request.fault;
};

test("commits are known by their path, however it is written", () => {
  for (const path of [
    TRANSACTION,
    TABLE,
    `${TRANSACTION}/`,
    "/v1//lake//transactions/commit?x=1",
    "/v1/a/b/namespaces/n/tables/t",
  ])
    assert.ok(isCommit("POST", path), path);
  for (const path of [
    "/v1/lake/namespaces/n/tables",
    "/v1/lake/namespaces/n/tables/t/metrics",
    "/v1/lake/tables/rename",
    "/v1/config",
  ])
    assert.ok(!isCommit("POST", path), path);
  assert.ok(!isCommit("GET", TABLE));
  assert.ok(!isCommit("DELETE", TABLE));
});

test("the newest snapshot gets the properties, and every other byte stays", () => {
  const body = change({});
  const [found] = read(inOne(body)).changes;
  assert.equal(found!.text, body.replace('"operation":"append"', '"operation":"append","tributary.batch":"7"'));
  assert.deepEqual(found!.evidence, { snapshotId: ID });
  assert.equal(found!.loadPath, TABLE);
});

test("of two snapshots in one change the one that readers will see gets the properties", () => {
  const updates = [add("11", PARENT), add("12", "11"), move("12")];
  const text = read(inOne(change({ updates }))).changes[0]!.text;
  assert.equal(text.split("tributary.batch").length, 2);
  assert.ok(text.indexOf("tributary.batch") > text.indexOf('"snapshot-id":12'));
});

test("a table's own path and the transaction name the same table", () => {
  const [byPath] = read(change({}), TABLE).changes;
  const [byName] = read(inOne(change({}))).changes;
  assert.deepEqual(byPath, byName);
});

test("a change of a branch without an expected snapshot gets its parent as one", () => {
  const bare = change({ requirements: ['{"type":"assert-table-uuid","uuid":"u"}'] });
  assert.ok(read(inOne(bare)).changes[0]!.text.includes(guard()));
  const first = change({
    requirements: [],
    updates: [`{"action":"add-snapshot","snapshot":{"snapshot-id":${ID}}}`, move()],
  });
  assert.ok(read(inOne(first)).changes[0]!.text.includes(guard(null)));
  const other = change({ requirements: ['{"type":"assert-ref-snapshot-id","ref":"audit","snapshot-id":1}'] });
  assert.ok(read(inOne(other)).changes[0]!.text.includes(guard()));
});

test("a new table needs none: it must not exist", () => {
  const created = change({
    requirements: ['{"type":"assert-create"}'],
    updates: ['{"action":"assign-uuid","uuid":"u"}', add(), move()],
  });
  assert.ok(!read(inOne(created)).changes[0]!.text.includes("assert-ref"));
  const empty = change({
    requirements: ['{"type":"assert-create"}'],
    updates: ['{"action":"assign-uuid","uuid":"u"}'],
  });
  assert.deepEqual(read(inOne(empty)).changes[0]!.evidence, { tableUuid: "u" });
});

test("a change of properties has no evidence, is sent as it is and needs no transaction", () => {
  const body = change({ updates: ['{"action":"set-properties","updates":{"a":"1"}}'] });
  const request = readCommit(TRANSACTION, inOne(body), () => undefined);
  assert.ok(!("fault" in request));
  assert.equal(request.changes[0]!.text, body);
  assert.equal(request.changes[0]!.evidence, undefined);
});

test("a commit on another snapshot than the caller's is a conflict", () => {
  assert.ok(read(inOne(change({})), TRANSACTION, { snapshotId: PARENT }));
  for (const snapshotId of ["1", undefined]) {
    const refused = readCommit(TRANSACTION, inOne(change({})), announced({ snapshotId }));
    assert.ok("fault" in refused && refused.isConflict);
    assert.deepEqual(refused.keys, ['["a","b.c","t/x"]']);
  }
});

test("a commit to a table that was created again is a conflict", () => {
  const uuid = (id: string): string => `{"type":"assert-table-uuid","uuid":"${id}"}`;
  const base = { snapshotId: PARENT, uuid: "u" };
  const named = change({ requirements: [uuid("other"), guard()] });
  const refused = readCommit(TRANSACTION, inOne(named), announced(base));
  assert.ok("fault" in refused && refused.isConflict);
  for (const requirements of [[uuid("u"), guard()], [guard()]]) {
    const { text } = read(inOne(change({ requirements })), TRANSACTION, base).changes[0]!;
    assert.equal(text.split(uuid("u")).length, 2, "asserted once");
  }
});

test("a change that joins goes along in one transaction, wherever the writer sends its own", () => {
  const [own, joined] = [change({}), change({ table: "ledger", updates: [add("11"), move("11")] })];
  const asked: (readonly string[])[] = [];
  const joining = (keys: readonly string[]): string[] => {
    asked.push(keys);
    return [joined];
  };
  const atTable = own.replace(/"identifier":\{[^}]*\},/, "");
  for (const [path, body] of [
    [TRANSACTION, inOne(own)],
    [TABLE, atTable],
  ] as const) {
    const request = readCommit(path, body, announced(), joining);
    assert.ok(!("fault" in request));
    assert.deepEqual([request.path, request.isTransaction], [TRANSACTION, true]);
    const expected = read(inOne(own, joined));
    assert.deepEqual(request.changes, expected.changes);
  }
  assert.deepEqual(asked, [['["a","b.c","t/x"]'], ['["a","b.c","t/x"]']]);
  assert.equal(read(atTable, TABLE).changes[0]!.text.includes("identifier"), false, "alone it stays as it is");
  const same = readCommit(TABLE, atTable, announced(), () => [own]);
  assert.ok("fault" in same && /the same table/.test(same.fault));
  const stale = readCommit(
    TABLE,
    atTable,
    (key) => announced({ snapshotId: /ledger/.test(key) ? "1" : PARENT })(),
    joining,
  );
  assert.ok("fault" in stale && stale.isConflict, "its base counts, too");
});

test("what cannot be made safe is refused", () => {
  assert.match(faultOf("{"), /not JSON/);
  assert.match(faultOf("[]"), /not a JSON object/);
  assert.match(faultOf(inOne()), /1 to 500 tables/);
  assert.match(faultOf(inOne(...Array.from({ length: 501 }, (_, n) => change({ table: `t${n}` })))), /1 to 500 tables/);
  assert.match(faultOf(inOne('{"requirements":[],"updates":[]}')), /names no table/);
  assert.match(faultOf(inOne(change({}), change({}))), /the same table/);
  assert.match(faultOf(inOne(change({ updates: [add()] }))), /no branch is set/);
  assert.match(
    faultOf(inOne(change({})), TRANSACTION, () => undefined),
    /no transaction is open/,
  );
  const properties = change({ table: "other", updates: ['{"action":"set-properties","updates":{}}'] });
  assert.match(faultOf(inOne(change({}), properties)), /in a transaction of their own/);
  assert.match(faultOf(change({}), "/v1/lake/namespaces/%E0%A4%A/tables/t"), /names no table/);
});
