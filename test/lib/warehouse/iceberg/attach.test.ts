import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { attachStatement, checkedExtensions, loadStatements } from "../../../../lib/warehouse/iceberg/attach.ts";

const attachment = { extensionsFolder: "/it's", endpoint: "http://127.0.0.1:1/s", warehouse: "w'w" };

test("missing extension files are named, with the command that installs them", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "extensions-"));
  t.after(() => rm(folder, { recursive: true }));
  const installs = { code: "CONFIG_INVALID", message: /npm run duckdb-extensions/ };
  assert.throws(() => checkedExtensions(undefined), installs);
  await writeFile(join(folder, "httpfs.duckdb_extension"), "");
  assert.throws(() => checkedExtensions(folder), { ...installs, message: /no avro.*, iceberg\.duckdb_extension/ });
  for (const name of ["avro", "iceberg"]) await writeFile(join(folder, `${name}.duckdb_extension`), "");
  assert.equal(checkedExtensions(folder), folder);
});

test("what is given stands in statements as text", () => {
  const s3 = { endpoint: "https://s3.example:9000", region: "eu", accessKey: "a'b", secretKey: "c" };
  const statements = loadStatements({ ...attachment, s3 });
  assert.equal(statements[0], "LOAD '/it''s/avro.duckdb_extension'");
  assert.match(statements.at(-1)!, /KEY_ID 'a''b'.*ENDPOINT 's3\.example:9000', URL_STYLE 'path', USE_SSL true/);
  assert.match(attachStatement({ ...attachment, s3 }, "X"), /^ATTACH 'w''w' AS "ice" .*, X\)$/);
});

test("without keys, or with an endpoint that is no URL, nothing is opened", () => {
  const keys = { accessKey: "a", secretKey: "b" };
  for (const s3 of [{}, { accessKey: "a" }, { ...keys, endpoint: "s3.example" }])
    assert.throws(() => loadStatements({ ...attachment, s3 }), { code: "CONFIG_INVALID" });
});
