import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { contractFilesReader, liveContracts, otherNames, type ContractFile } from "../../../lib/contract/load.ts";
import { hasCode } from "../../../lib/errors.ts";

const file = (name: string, text: string): ContractFile => ({ path: `/c/${name}.yml`, text });
const UPSERT = file("sales", "table: sales\nwriteMode: upsert\nkey: [id]\n");
const APPEND = file("sales", "table: sales\nwriteMode: append\n");
const FAULTY = file("sales", "table: sales\nwriteMode: upsrt\n");
const OTHER = file("other", "table: other\nwriteMode: append\n");

test("a changed contract is taken over, and a removed one gives way to the default", () => {
  const contracts = liveContracts([UPSERT, OTHER]);
  assert.equal(contracts.of("sales").writeMode, "upsert");
  assert.deepEqual(contracts.take([APPEND, OTHER]), { changed: ["sales"], removed: [], faults: [] });
  assert.equal(contracts.of("sales").writeMode, "append");
  assert.deepEqual(contracts.take([OTHER]).removed, ["sales"]);
  assert.equal(contracts.of("sales").writeMode, "replace");
});

test("a faulty contract leaves the earlier one in force, however broken its text is", () => {
  for (const text of [FAULTY.text, "table: sales\n key: [", "", "]", "table: Sales\n", "- table: sales"]) {
    const contracts = liveContracts([UPSERT, OTHER]);
    const { faults, removed } = contracts.take([file("sales", text), APPEND_OF_OTHER]);
    assert.deepEqual([removed, faults.length, faults[0]?.inForce], [[], 1, true], text);
    assert.deepEqual([contracts.of("sales").writeMode, contracts.of("other").writeMode], ["upsert", "replace"], text);
    assert.deepEqual(contracts.take([UPSERT, OTHER]).changed, ["other"], text);
    assert.deepEqual(contracts.faults(), [], text);
  }
});
const APPEND_OF_OTHER = file("other", "table: other\n");

test("a faulty file keeps its table also if its name is another", () => {
  const contracts = liveContracts([file("prod", UPSERT.text)]);
  contracts.take([file("prod", "table: [")]);
  assert.equal(contracts.of("sales").writeMode, "upsert");
});

test("a contract that is faulty at the start stops its own table only, until it is corrected", () => {
  const contracts = liveContracts([FAULTY, OTHER]);
  assert.throws(
    () => contracts.of("sales"),
    (error) => hasCode(error, "CONTRACT_INVALID") && /\/c\/sales\.yml:2:1: writeMode: /.test(error.message),
  );
  assert.deepEqual([contracts.of("other").writeMode, contracts.of("none").writeMode], ["append", "replace"]);
  contracts.take([file("sales", "table: sales\nkey: 1\n"), OTHER]);
  assert.throws(() => contracts.of("sales"));
  contracts.take([UPSERT, OTHER]);
  assert.equal(contracts.of("sales").writeMode, "upsert");
});

test("a faulty first contract of a running table stops the table, until it is corrected or gone", () => {
  const contracts = liveContracts([]);
  assert.equal(contracts.of("sales").writeMode, "replace");
  assert.deepEqual(contracts.take([FAULTY]).faults[0]?.inForce, false);
  assert.throws(
    () => contracts.of("sales"),
    (error) => hasCode(error, "CONTRACT_INVALID"),
  );
  contracts.take([]);
  assert.equal(contracts.of("sales").writeMode, "replace");
  contracts.take([FAULTY]);
  contracts.take([UPSERT]);
  assert.equal(contracts.of("sales").writeMode, "upsert");
});

test("a contract whose table is not the file's name is told with its line", () => {
  const files = [
    file("orders", "# first\ntable: ordres\n"),
    file("other", "table: other\n"),
    file("x", "table: other\n"),
  ];
  assert.deepEqual(otherNames(files), [
    "/c/orders.yml:2: table: 'ordres' is not the file's name 'orders': the table 'orders' has no contract",
    "/c/x.yml:1: table: 'other' is not the file's name 'x': the table 'x' has no contract",
  ]);
  const swapped = [file("a", "table: b\n"), file("b", "table: a\n")];
  assert.match(otherNames(swapped)[0]!, /is not the file's name 'a'$/);
});

test("two files for one table: neither is taken, and the fault names both", () => {
  const contracts = liveContracts([UPSERT, file("zweite", APPEND.text)]);
  assert.match(contracts.faults()[0]!.faults.join(), /already has a contract in \/c\/sales\.yml/);
  assert.throws(() => contracts.of("sales"));
});

test("every syntax error of a file is told, with its line", () => {
  const [fault] = liveContracts([file("t", "table: t\na: b: c\nd: [1\n")]).faults();
  assert.ok(fault!.faults.length >= 2, fault!.faults.join("\n"));
  assert.match(fault!.faults[0]!, /^\/c\/t\.yml:\d+:\d+: /);
});

test("a contract file is read again when it changes, whatever its times and its size are", () => {
  const folder = mkdtempSync(join(tmpdir(), "tributary-test-"));
  try {
    const path = join(folder, "sales.yml");
    const texts = ["table: sales # 1", "table: sales # 2", "table: sales # 3"];
    const longAgo = new Date(0);
    const read = contractFilesReader(folder);
    for (const text of texts) {
      writeFileSync(path, text);
      utimesSync(path, longAgo, longAgo);
      assert.deepEqual(read(), [{ path, text }]);
      assert.deepEqual(read(), [{ path, text }]);
    }
    rmSync(path);
    assert.deepEqual(read(), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("every fault is told with its line, also of unknown keys and of what is missing", () => {
  const text = [
    "table: t",
    "writeMode: append",
    "writeMode: append",
    "columns:",
    "  - name: net",
    "    typ: DOUBLE",
    "  - { name: day, type: DATE, number: {} }",
    "rows:",
    "  - name: r",
    "    expression: nett > 0",
    "nullMarker: [NA]",
    "unexpectedColumns: ignore",
    "",
  ].join("\n");
  const [fault] = liveContracts([file("t", text)]).faults();
  const told = fault!.faults.join("\n");
  for (const part of [
    /t\.yml:3:1: Map keys must be unique/,
    /t\.yml:5:5: columns\.0\.type: /,
    /t\.yml:6:5: columns\.0\.typ: unknown key 'typ': did you mean type\?/,
    /t\.yml:7:30: columns\.1\.number: needs a column of numbers, not DATE/,
    /t\.yml:10:5: rows\.0\.expression: 'nett' is not a declared column: did you mean 'net'\?/,
    /t\.yml:11:1: nullMarker: unknown key 'nullMarker': did you mean nullMarkers\?/,
  ])
    assert.match(told, part);
  assert.equal(fault!.faults.length, 6, told);
});
