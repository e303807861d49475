import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { test } from "node:test";
import fc from "fast-check";
import { Buckets } from "../../../../lib/warehouse/iceberg/tables/buckets.ts";
import { repaired, TextBounds, withRepaired } from "../../../../lib/warehouse/iceberg/text-bounds.ts";

const text = fc.string({ minLength: 17, unit: "binary" }).map((one) => Buffer.from(one, "utf8"));

test("a repaired bound is text, as long as before, and not above the value that it was cut from", () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 16 }), (value, length) => {
      const bound = repaired(value.subarray(0, length));
      assert.ok(isUtf8(bound));
      assert.equal(bound.length, length);
      assert.ok(Buffer.compare(bound, value) <= 0);
    }),
  );
});

test("only the bound changes in a manifest, wherever it stands", () => {
  const broken = Buffer.from("ab日日日日日").subarray(0, 16);
  const entry = Buffer.concat([Buffer.from([32]), broken]);
  const other = Buffer.from("-ab日日日日日 stays");
  const manifest = Buffer.concat([Buffer.from("head"), entry, other, entry]);
  const fixed = Buffer.concat([Buffer.from([32]), Buffer.from("ab日日日日\0\0")]);
  const expected = Buffer.concat([Buffer.from("head"), fixed, other, fixed]);
  assert.deepEqual(withRepaired(manifest, [broken, broken]), expected);
});

test("bytes that stand there more often than the bound, or not at all, are not touched", () => {
  const broken = Buffer.from("ab日日日日日").subarray(0, 16);
  const entry = Buffer.concat([Buffer.from([32]), broken]);
  assert.throws(() => withRepaired(Buffer.from("compressed"), [broken]), /0 times, not 1 times/);
  assert.throws(() => withRepaired(Buffer.concat([entry, entry]), [broken]), /2 times, not 1 times/);
});

test("manifests are read unless the writer says that its texts have no such bound", async () => {
  const reads: string[] = [];
  const bounds = new TextBounds({
    session: () => ({ rowsBeforeCommit: async (sql) => (reads.push(sql), []) }),
    buckets: new Buckets(() => assert.fail("nothing is repaired")),
    textIds: () => new Set([1]),
  });
  const list = (table: string, name: string): object => ({
    identifier: { namespace: ["n"], name: table },
    updates: [{ action: "add-snapshot", snapshot: { "manifest-list": name, "sequence-number": 1 } }],
  });
  const parts = ["known", "unknown"].map((name) => ({
    table: { namespace: ["n"], name },
    summary: {},
    ...(name === "known" ? { cutsNoText: () => true } : {}),
  }));
  const send = (n: number): Promise<void> =>
    bounds.repair(
      "/v1/transactions/commit",
      JSON.stringify({ "table-changes": [list("known", `k${n}`), list("unknown", `u${n}`)] }),
    );
  await bounds.during(parts, () => send(1));
  assert.match(reads.join(), /u1/);
  assert.doesNotMatch(reads.join(), /k1/);
  await send(2);
  assert.match(reads.join(), /k2/, "the transaction has ended");
});
