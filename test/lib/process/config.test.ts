import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../../../lib/errors.ts";
import { checkConfig, readConfig } from "../../../lib/process/config.ts";
import { committerConfig } from "../../../services/committer/config.ts";
import { gatewayConfig } from "../../../services/gateway/config.ts";
import { parserConfig } from "../../../services/parser/config.ts";

function faultsOf(env: Record<string, string>): string[] {
  try {
    checkConfig([gatewayConfig, parserConfig, committerConfig], env);
    return [];
  } catch (error) {
    assert.ok(hasCode(error, "CONFIG_INVALID"));
    return error.message.split("\n  ").slice(1);
  }
}

test("one start tells the faults of all services, each once, and no follow-up of another fault", () => {
  const faults = faultsOf({
    TRIBUTARY_COMMIT_INTERVAL: "fast",
    TRIBUTARY_UPLOADS_MAX: "-2",
    TRIBUTARY_LOG_LEVEL: "loud",
    TRIBUTARY_PORT: "abc",
    TRIBUTARY_PARSER_WORKERS: "1.5",
    TRIBUTARY_PROT: "19",
    TRIBUTARY_TLS_KEY_FILE: "key.pem",
    TRIBUTARY_OIDC_ISSUER: "https://issuer.example",
  });
  assert.deepEqual(
    faults.map((fault) => fault.slice(0, fault.indexOf(":"))).sort(),
    [
      ...["TRIBUTARY_COMMIT_INTERVAL", "TRIBUTARY_LOG_LEVEL", "TRIBUTARY_OIDC_ISSUER", "TRIBUTARY_PARSER_WORKERS"],
      ...["TRIBUTARY_PORT", "TRIBUTARY_PROT", "TRIBUTARY_TLS_KEY_FILE", "TRIBUTARY_UPLOADS_MAX"],
    ],
    faults.join("\n"),
  );
  assert.ok(faults.includes("TRIBUTARY_PORT: is not a port: use a whole number from 0 to 65535"), faults.join("\n"));
});

test("a rule over two settings is told beside other faults", () => {
  const faults = faultsOf({ TRIBUTARY_COMMIT_GAP: "5s", TRIBUTARY_COMMIT_ROWS_MAX: "many" });
  assert.deepEqual(faults.sort(), [
    "TRIBUTARY_COMMIT_GAP: must not be longer than TRIBUTARY_COMMIT_INTERVAL",
    "TRIBUTARY_COMMIT_ROWS_MAX: is not a whole number of at least 1",
  ]);
  assert.match(faultsOf({ TRIBUTARY_COMMIT_FILES_MAX: "501" })[0]!, /at most 500/);
});

test("a blank value counts as absent", () => {
  const settings = readConfig(gatewayConfig, { TRIBUTARY_PORT: " ", TRIBUTARY_HOST: "" });
  assert.deepEqual([settings.TRIBUTARY_PORT, settings.TRIBUTARY_HOST], [8080, "127.0.0.1"]);
});
