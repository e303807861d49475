import assert from "node:assert/strict";
import { test } from "node:test";
import { targetOf } from "../../../../lib/warehouse/iceberg/target.ts";

test("the URL names the catalog, and what it leaves out comes from the settings", () => {
  const settings = { uri: "https://set/api/", warehouse: "set", prefix: "p" };
  const lakehouse = ["lakehouse"];
  assert.deepEqual(targetOf("iceberg:http://h:8181/x/?warehouse=a%20b&namespace=n"), {
    uri: "http://h:8181/x",
    warehouse: "a b",
    prefix: undefined,
    namespace: ["n"],
  });
  assert.deepEqual(targetOf("iceberg:", settings), {
    uri: "https://set/api",
    warehouse: "set",
    prefix: "p",
    namespace: lakehouse,
  });
  assert.deepEqual(targetOf("iceberg:?namespace=n", settings).namespace, ["n"]);
  assert.deepEqual(targetOf("iceberg:https://h?prefix=q", settings), {
    uri: "https://h",
    warehouse: "set",
    prefix: "q",
    namespace: lakehouse,
  });
});

test("a URL without catalog or warehouse is refused with the form it must have", () => {
  for (const url of ["iceberg:", "iceberg:https://h", "iceberg:h?warehouse=w", "iceberg:ftp://h?warehouse=w"])
    assert.throws(() => targetOf(url), { code: "CONFIG_INVALID", message: /TRIBUTARY_REST_CATALOG_URI/ }, url);
});
