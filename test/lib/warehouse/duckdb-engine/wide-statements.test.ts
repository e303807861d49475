import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { WideStatements } from "../../../../lib/warehouse/duckdb-engine/wide-statements.ts";

async function opened(t: TestContext) {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  t.after(() => instance.closeSync());
  const [first, second, observer] = await Promise.all([instance.connect(), instance.connect(), instance.connect()]);
  const threads = async (): Promise<unknown> => {
    const [row] = (await observer.runAndReadAll("SELECT current_setting('threads')")).getRows();
    return row![0];
  };
  return { instance, first, second, threads, statements: new WideStatements(3) };
}

test("statements over many rows have all threads, and the instance has one again after the last", async (t) => {
  const { instance, first, second, threads, statements } = await opened(t);
  await statements.during(first, true, async () => {
    assert.equal(await threads(), 3n);
    assert.equal(await statements.during(second, true, () => threads()), 3n);
    assert.equal(await threads(), 3n, "the first one still runs");
  });
  assert.equal(await threads(), 1n);
  assert.equal(await statements.during(first, false, () => threads()), 1n);

  await assert.rejects(
    statements.during(first, true, () => Promise.reject(new Error("of the work"))),
    /of the work/,
  );
  assert.equal(await threads(), 1n, "also after a failure");

  const gone = await instance.connect();
  gone.closeSync();
  await assert.rejects(statements.during(gone, true, () => Promise.resolve()));
  await statements.during(first, true, () => Promise.resolve());
  assert.equal(await threads(), 1n, "also if the setting failed");
});

test("threads are taken away only while no statement runs, and none begins meanwhile", async (t) => {
  const { first, second, threads, statements } = await opened(t);
  let end: () => void = () => undefined;
  const small = statements.during(second, false, () => new Promise<void>((resolve) => (end = resolve)));
  await statements.during(first, true, async () => assert.equal(await threads(), 3n));
  assert.equal(await threads(), 3n, "the small one may be a COMMIT on one of the threads");
  end();
  await small;
  assert.equal(await threads(), 1n);

  const run = second.run.bind(second);
  let began = false;
  second.run = async (sql) => {
    if (sql.endsWith("threads = 1")) {
      const next = statements.during(first, false, async () => void (began = true));
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(began, false);
      void next;
    }
    return run(sql);
  };
  await statements.during(second, true, async () => undefined);
  await statements.during(first, false, async () => assert.equal(await threads(), 1n));
  assert.equal(began, true);
});
