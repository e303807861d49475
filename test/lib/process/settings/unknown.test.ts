import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SETTING_NAMES } from "../../../../lib/process/settings/names.ts";
import { unknownSettingFaults } from "../../../../lib/process/settings/unknown.ts";

const faultOf = (name: string): string | undefined => unknownSettingFaults({ [name]: "x" })[0];

test("a misspelt setting is told with the nearest name", () => {
  assert.equal(faultOf("TRIBUTARY_PROT"), "TRIBUTARY_PROT: no such setting: use TRIBUTARY_PORT");
  assert.match(faultOf("TRIBUTARY_CONTRACT_DIR")!, /use TRIBUTARY_CONTRACTS_DIR$/);
  assert.match(faultOf("TRIBUTARY_UPLOADS_MAXIMUM")!, /use TRIBUTARY_UPLOADS_MAX$/);
  assert.match(faultOf("TRIBUTRAY_PORT")!, /use TRIBUTARY_PORT$/);
  assert.match(faultOf("tributary_port")!, /use TRIBUTARY_PORT$/);
  assert.match(faultOf("TRIBUTARY_FAVOURITE_COLOUR")!, /no such setting: docs\/configuration\.md/);
});

test("every setting with one slip is told, and no setting itself", () => {
  for (const name of SETTING_NAMES) assert.equal(faultOf(name), undefined);
  fc.assert(
    fc.property(fc.constantFrom(...SETTING_NAMES), fc.nat(), fc.constantFrom("", "X", "_"), (name, at, put) => {
      const position = "TRIBUTARY_".length + (at % (name.length - "TRIBUTARY_".length));
      const slip = name.slice(0, position) + put + name.slice(position + 1);
      fc.pre(!SETTING_NAMES.includes(slip));
      assert.match(faultOf(slip) ?? "", /no such setting: use TRIBUTARY_/);
    }),
    { numRuns: 200 },
  );
});

test("names of other tools, of Kubernetes and of anything else are left alone", () => {
  for (const name of [
    ...["TRIBUTARY_URL", "TRIBUTARY_API_KEY", "TRIBUTARY_VERSION", "TRIBUTARY_TEST_SEED", "TRIBUTARY_SIM_SEED"],
    ...["TRIBUTARY_SERVICE_HOST", "TRIBUTARY_GATEWAY_SERVICE_PORT_HTTP", "TRIBUTARY_PORT_8080_TCP_ADDR"],
    ...["PATH", "OTEL_EXPORTER_OTLP_ENDPOINT", "TRIBE", "TRIBUTE_PORT_OF_CALL"],
  ])
    assert.equal(faultOf(name), undefined, name);
});
