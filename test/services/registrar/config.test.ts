import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../../../lib/process/config.ts";
import { registrarConfig, registrarSettings, type RegistrarSettings } from "../../../services/registrar/config.ts";

const GIVEN = {
  TRIBUTARY_SUPERSET_URL: "http://superset:8088/",
  TRIBUTARY_SUPERSET_PASSWORD: "secret",
  TRIBUTARY_WAREHOUSE_URL: "trino://tributary@trino:8080/iceberg/lakehouse",
};
const settingsOf = (env: Record<string, string | undefined>): RegistrarSettings =>
  registrarSettings(readConfig(registrarConfig, env));

test("Superset reaches the warehouse that the services use, as a user of its own, or as it is told", () => {
  const { trinoUrl, schema, superset } = settingsOf(GIVEN);
  assert.equal(trinoUrl, "trino://superset@trino:8080/iceberg/lakehouse");
  assert.equal(schema, "lakehouse");
  assert.equal(superset.url, "http://superset:8088");
  const told = "trino://bi:word@public:443/iceberg/lakehouse?source=superset";
  assert.equal(settingsOf({ ...GIVEN, TRIBUTARY_SUPERSET_TRINO_URL: told }).trinoUrl, told);
});

test("faults of the settings are told at start, the password never", () => {
  const faulty: [Record<string, string | undefined>, RegExp][] = [
    [{ TRIBUTARY_SUPERSET_URL: undefined }, /TRIBUTARY_SUPERSET_URL: is no URL/],
    [{ TRIBUTARY_SUPERSET_URL: "superset:8088" }, /TRIBUTARY_SUPERSET_URL: is no URL/],
    [{ TRIBUTARY_SUPERSET_TRINO_URL: "http://trino:8080" }, /TRIBUTARY_SUPERSET_TRINO_URL: is no URL/],
    [{ TRIBUTARY_WAREHOUSE_URL: undefined }, /must be trino:/],
    [{ TRIBUTARY_WAREHOUSE_URL: "trino+https://trino/iceberg/lakehouse" }, /TRIBUTARY_SUPERSET_TRINO_URL is needed/],
  ];
  for (const [fault, message] of faulty) {
    assert.throws(() => settingsOf({ ...GIVEN, ...fault }), { code: "CONFIG_INVALID", message });
  }
});
