import assert from "node:assert/strict";
import { test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { WideStatements } from "../../../../lib/warehouse/duckdb-engine/wide-statements.ts";

test("statements over many rows have all threads, and the instance has one again after the last", async (t) => {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  t.after(() => instance.closeSync());
  const [first, second, observer] = await Promise.all([instance.connect(), instance.connect(), instance.connect()]);
  const wide = new WideStatements(3);
  const threads = async (): Promise<unknown> => {
    const [row] = (await observer.runAndReadAll("SELECT current_setting('threads')")).getRows();
    return row![0];
  };

  await wide.during(first, async () => {
    assert.equal(await threads(), 3n);
    assert.equal(await wide.during(second, () => threads()), 3n);
    assert.equal(await threads(), 3n, "the first one still runs");
  });
  assert.equal(await threads(), 1n);

  await assert.rejects(
    wide.during(first, () => Promise.reject(new Error("of the work"))),
    /of the work/,
  );
  assert.equal(await threads(), 1n, "also after a failure");

  const gone = await instance.connect();
  gone.closeSync();
  await assert.rejects(wide.during(gone, () => Promise.resolve()));
  await wide.during(first, () => Promise.resolve());
  assert.equal(await threads(), 1n, "also if the setting failed");
});
