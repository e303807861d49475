import assert from "node:assert/strict";
import { test } from "node:test";
import { openRestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { assertFit } from "../../../../../lib/warehouse/iceberg/doctor/first-start.ts";
import { physicalName } from "../../../../../lib/warehouse/iceberg/names.ts";
import { startFakeRestCatalog, type FakeCatalogOptions } from "../../../../support/rest-catalog/fake-rest-catalog.ts";

const NAMESPACE = ["lakehouse"];

/** Starts with the catalog, and says what happened. */
async function start(given: FakeCatalogOptions, isUsed = false): Promise<{ said: string[]; error: unknown }> {
  const fake = await startFakeRestCatalog({ commitMs: 5, ...given });
  const options = { uri: fake.uri };
  const catalog = await openRestCatalog(options);
  const said: string[] = [];
  try {
    if (isUsed) {
      await catalog.createNamespace(NAMESPACE);
      await catalog.createTable(NAMESPACE, { name: physicalName("_ingest_files"), columns: [] });
    }
    const error: unknown = await assertFit({ catalog, options }, NAMESPACE, {
      raceMs: 400,
      onExamining: () => said.push("examining"),
      onExamined: ({ fit }) => said.push(fit ? "fit" : "not fit"),
    }).catch((thrown: unknown) => thrown);
    return { said, error };
  } finally {
    catalog.close();
    await fake.close();
  }
}

test("an unknown catalog is examined at the first start, a known one is not", async () => {
  assert.deepEqual(await start({}), { said: ["examining", "fit"], error: undefined });
  assert.deepEqual(await start({}, true), { said: [], error: undefined });
});

test("an unknown catalog that loses commits is refused with the reason and the remedy", async () => {
  const { said, error } = await start({ losesCommits: true });
  assert.deepEqual(said, ["examining", "not fit"]);
  const { code, message } = error as { code: string; message: string };
  assert.equal(code, "CONFIG_INVALID");
  assert.match(message, /is not fit for commits: race: .*doctor catalog/);
});

test("a catalog that is away during the examination is not called unfit", async () => {
  const fault: FakeCatalogOptions["fault"] = ({ body }) =>
    body.includes("add-snapshot") ? { refused: 503 } : undefined;
  const { error } = await start({ fault });
  const { code, message } = error as { code: string; message: string };
  assert.equal(code, "WAREHOUSE_UNAVAILABLE");
  assert.match(message, /could not be examined: .*503/);
});
