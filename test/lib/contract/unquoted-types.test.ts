import assert from "node:assert/strict";
import { test } from "node:test";
import { liveContracts } from "../../../lib/contract/load.ts";

const faultsOf = (text: string): string[] =>
  liveContracts([{ path: "t.yml", text }])
    .faults()
    .flatMap(({ faults }) => faults);

test("an unquoted DECIMAL(p,s) in a flow mapping is one fault, which says to quote it", () => {
  const text = `table: t
columns:
  - { name: id, type: BIGINT }
  - { name: amount, type: DECIMAL(12,2), required: true }
  - { name: tax, type: decimal(8, 3) }
`;
  assert.deepEqual(faultsOf(text), [
    't.yml:4:21: columns.1.type: quote the type, which ends at its comma: type: "DECIMAL(12,2)"',
    't.yml:5:18: columns.2.type: quote the type, which ends at its comma: type: "decimal(8,3)"',
  ]);
});

test("a quoted type is none, and other faults stay as they are", () => {
  assert.deepEqual(faultsOf('table: t\ncolumns: [{ name: amount, type: "DECIMAL(12,2)" }]\n'), []);
  const [type, ...more] = faultsOf("table: t\ncolumns: [{ name: amount, type: DECIMAL(12 }]\n");
  assert.match(type!, /columns\.0\.type: 'DECIMAL\(12' is not a column type/);
  assert.deepEqual(more, []);
  const others = faultsOf("table: t\ncolumns: [{ name: A, type: DECIMAL(12,2), sort: true }]\n");
  assert.deepEqual(
    others.map((fault) => /columns\.0\.(\w+)/.exec(fault)?.[1]),
    ["name", "type", "sort"],
  );
});
