import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { DoctorReport } from "../../lib/warehouse/iceberg/doctor/report.ts";
import { startFakeRestCatalog } from "../support/rest-catalog/fake-rest-catalog.ts";
import { tributary } from "./tributary.ts";

const credential = "id:secret-of-the-test";
const sound = await startFakeRestCatalog({ credential, commitMs: 5 });
const losing = await startFakeRestCatalog({ losesCommits: true, commitMs: 5 });
after(async () => {
  await sound.close();
  await losing.close();
});

const QUICK = ["--race", "500ms"];

describe("tributary doctor catalog", () => {
  test("a fit catalog: exit code 0, a table; the login comes from the environment", async () => {
    const env = {
      TRIBUTARY_REST_CATALOG_URI: sound.uri,
      TRIBUTARY_REST_CATALOG_WAREHOUSE: "any",
      TRIBUTARY_REST_CATALOG_CREDENTIAL: credential,
    };
    const { code, out, err } = await tributary(["doctor", "catalog", ...QUICK], { env });
    assert.equal(code, 0, out + err);
    assert.match(out, /^race +yes +needed +keeps every acknowledged commit/m);
    assert.match(out, /is fit for Tributary's commits\n$/);
    assert.match(err, /^examining history …$/m);
    assert.deepEqual([sound.state.tables.size, sound.state.namespaces.size], [0, 0]);
  });

  test("a catalog that loses commits: exit code 1, the reason in text and in JSON", async () => {
    const { code, out } = await tributary(["doctor", "catalog", "--uri", losing.uri, "--json", ...QUICK]);
    assert.equal(code, 1);
    const report = JSON.parse(out) as DoctorReport;
    assert.equal(report.fit, false);
    assert.ok(report.reasons.some((reason) => /^race: loses commits: \d+ of 4 writers/.test(reason)));
    const shown = await tributary(["doctor", "catalog", "--uri", losing.uri, ...QUICK]);
    assert.equal(shown.code, 1);
    assert.match(shown.out, /is NOT fit for Tributary's commits:\n(.*\n)*? {2}race: loses commits/);
  });

  test("wrong settings, a refused login and no catalog: exit codes 2, 1 and 3, and what to do", async () => {
    const none = await tributary(["doctor", "catalog"]);
    assert.deepEqual([none.code, /CONFIG_INVALID: .*no URI/.test(none.err)], [2, true], none.err);
    const both = await tributary(["doctor", "catalog", "--uri", sound.uri, "--token", "x", "--credential", credential]);
    assert.deepEqual([both.code, /two logins/.test(both.err)], [2, true], both.err);
    const wrong = await tributary(["doctor", "catalog", "--uri", sound.uri, "--credential", "id:wrong"]);
    assert.deepEqual([wrong.code, /CATALOG_REFUSED: .*Invalid client/.test(wrong.err)], [1, true], wrong.err);
    assert.match(wrong.err, /→ Correct the credential/);
    const away = await tributary(["doctor", "catalog", "--uri", "http://127.0.0.1:1"]);
    assert.deepEqual([away.code, /CATALOG_UNAVAILABLE: .*ECONNREFUSED/.test(away.err)], [3, true], away.err);
  });
});
