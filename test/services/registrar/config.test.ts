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

test("Superset uses the warehouse URL of the services with its own user, or the configured URL", () => {
  const { trinoUrl, schema, superset } = settingsOf(GIVEN);
  assert.equal(trinoUrl, "trino://superset@trino:8080/iceberg/lakehouse");
  assert.equal(schema, "lakehouse");
  assert.equal(superset.url, "http://superset:8088");
  const configured = "trino://bi:word@public:443/iceberg/lakehouse?source=superset";
  assert.equal(settingsOf({ ...GIVEN, TRIBUTARY_SUPERSET_TRINO_URL: configured }).trinoUrl, configured);
});

test("setting faults are reported at start, without the password", () => {
  const faulty: [Record<string, string | undefined>, RegExp][] = [
    [{ TRIBUTARY_SUPERSET_URL: undefined }, /TRIBUTARY_SUPERSET_URL: is not a valid URL/],
    [{ TRIBUTARY_SUPERSET_URL: "superset:8088" }, /TRIBUTARY_SUPERSET_URL: is not a valid URL/],
    [{ TRIBUTARY_SUPERSET_TRINO_URL: "http://trino:8080" }, /TRIBUTARY_SUPERSET_TRINO_URL: is not a valid URL/],
    [{ TRIBUTARY_WAREHOUSE_URL: undefined }, /must be trino:/],
    [{ TRIBUTARY_WAREHOUSE_URL: "trino+https://trino/iceberg/lakehouse" }, /set TRIBUTARY_SUPERSET_TRINO_URL/],
  ];
  for (const [fault, message] of faulty) {
    assert.throws(() => settingsOf({ ...GIVEN, ...fault }), { code: "CONFIG_INVALID", message });
  }
});
