/** Who listens beyond this machine has been told to. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { hasCode } from "../../../lib/errors.ts";
import { readConfig } from "../../../lib/process/config.ts";
import { checkHealthExposure, isLoopback } from "../../../lib/process/exposure.ts";
import { gatewayConfig } from "../../../services/gateway/config.ts";

test("loopback addresses, and those that only look like one", () => {
  for (const host of ["127.0.0.1", "127.8.9.1", "::1", "localhost"]) assert.ok(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "127.evil.example", "localhost.evil.example", "10.0.0.1", "127.1", ""]) {
    assert.ok(!isLoopback(host), host);
  }
});

test("health and metrics beyond this machine want a word", () => {
  checkHealthExposure("TRIBUTARY_PARSER_HOST", "127.0.0.1", false);
  checkHealthExposure("TRIBUTARY_PARSER_HOST", "0.0.0.0", true);
  assert.throws(
    () => checkHealthExposure("TRIBUTARY_PARSER_HOST", "0.0.0.0", false),
    (error) =>
      hasCode(error, "CONFIG_INVALID") && /TRIBUTARY_PARSER_HOST.*TRIBUTARY_METRICS_PUBLIC/.test(error.message),
  );
});

for (const service of ["gateway", "parser", "committer", "scheduler"]) {
  test(`${service} does not start on every address unless told to`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "tributary-exposure-"));
    const name = service === "gateway" ? "TRIBUTARY_HOST" : `TRIBUTARY_${service.toUpperCase()}_HOST`;
    const main = fileURLToPath(new URL(`../../../services/${service}/main.ts`, import.meta.url));
    const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), main], {
      cwd: folder,
      env: { ...process.env, TRIBUTARY_DATA_DIR: join(folder, "data"), [name]: "0.0.0.0" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const code = await new Promise((resolve) => child.once("close", resolve));
    rmSync(folder, { recursive: true, force: true });
    assert.equal(code, 1, said);
    assert.match(said, new RegExp(`CONFIG_INVALID: ${name} is 0\\.0\\.0\\.0`));
  });
}

test("a password in a URL is refused, and not repeated", () => {
  for (const [name, url] of Object.entries({
    TRIBUTARY_LOG_URL: "kafka://user:hunter2@broker:9092",
    TRIBUTARY_WAREHOUSE_URL: "trino+https://user:hunter2@trino/iceberg",
    TRIBUTARY_BLOB_URL: "s3://key:hunter2@bucket",
    TRIBUTARY_S3_ENDPOINT: "https://key:hunter2@s3.example",
  })) {
    assert.throws(
      () => readConfig(gatewayConfig, { [name]: url }),
      (error) => hasCode(error, "CONFIG_INVALID") && error.message.includes(name) && !error.message.includes("hunter2"),
    );
  }
  const plain = {
    TRIBUTARY_WAREHOUSE_URL: "trino://user@trino:8080/iceberg/a:b@c",
    TRIBUTARY_BLOB_URL: "s3://bucket/p",
  };
  assert.ok(readConfig(gatewayConfig, plain));
});
