/** A service listens on other addresses than loopback only if configured. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { hasCode } from "../../../lib/errors.ts";
import { readConfig } from "../../../lib/process/config.ts";
import { checkHealthExposure, isLoopback } from "../../../lib/process/exposure.ts";
import { gatewayConfig } from "../../../services/gateway/config.ts";
import { until } from "../../support/until.ts";

test("loopback addresses, and addresses that only look like one", () => {
  for (const host of ["127.0.0.1", "127.8.9.1", "::1", "localhost"]) assert.ok(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "127.evil.example", "localhost.evil.example", "10.0.0.1", "127.1", ""]) {
    assert.ok(!isLoopback(host), host);
  }
});

test("health and metrics on other addresses need TRIBUTARY_METRICS_PUBLIC", () => {
  checkHealthExposure("TRIBUTARY_PARSER_HOST", "127.0.0.1", false);
  checkHealthExposure("TRIBUTARY_PARSER_HOST", "0.0.0.0", true);
  assert.throws(
    () => checkHealthExposure("TRIBUTARY_PARSER_HOST", "0.0.0.0", false),
    (error) =>
      hasCode(error, "CONFIG_INVALID") && /TRIBUTARY_PARSER_HOST.*TRIBUTARY_METRICS_PUBLIC/.test(error.message),
  );
});

/** A service still running after this time was not refused. */
const START_MS_MAX = 30_000;
const SUPERSET = {
  TRIBUTARY_SUPERSET_URL: "http://127.0.0.1:1",
  TRIBUTARY_SUPERSET_PASSWORD: "correct-horse-battery",
  TRIBUTARY_WAREHOUSE_URL: "trino://tributary@127.0.0.1:1/iceberg/lakehouse",
};
const mainOf = (service: string): string =>
  fileURLToPath(new URL(`../../../services/${service}/main.ts`, import.meta.url));

for (const service of ["gateway", "parser", "committer", "scheduler", "registrar"]) {
  test(`${service} does not start on all addresses without TRIBUTARY_METRICS_PUBLIC`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "tributary-exposure-"));
    const name = service === "gateway" ? "TRIBUTARY_HOST" : `TRIBUTARY_${service.toUpperCase()}_HOST`;
    const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), mainOf(service)], {
      cwd: folder,
      env: {
        ...process.env,
        ...(service === "registrar" ? SUPERSET : {}),
        TRIBUTARY_DATA_DIR: join(folder, "data"),
        [name]: "0.0.0.0",
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    t.after(() => {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS_MAX);
    const code = await new Promise((resolve) => child.once("close", resolve));
    clearTimeout(timer);
    assert.equal(code, 1, said);
    assert.match(said, new RegExp(`CONFIG_INVALID: ${name} is 0\\.0\\.0\\.0`));
  });
}

test("the registrar's log omits the password of Superset, even if Superset echoes it", async (t) => {
  const echo = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => response.writeHead(500, { "content-type": "text/plain" }).end(`refused: ${body}`));
  }).listen(0, "127.0.0.1");
  await once(echo, "listening");
  const folder = mkdtempSync(join(tmpdir(), "tributary-exposure-"));
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), mainOf("registrar")], {
    cwd: folder,
    env: {
      ...process.env,
      ...SUPERSET,
      TRIBUTARY_SUPERSET_URL: `http://127.0.0.1:${(echo.address() as AddressInfo).port}`,
      TRIBUTARY_DATA_DIR: join(folder, "data"),
      TRIBUTARY_REGISTRAR_PORT: "0",
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const closed = once(child, "close");
  t.after(async () => {
    child.kill("SIGKILL");
    await closed;
    echo.close();
    rmSync(folder, { recursive: true, force: true });
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  await until("Superset's answer in the log", () => log.includes("refused: "), START_MS_MAX);
  assert.ok(!log.includes(SUPERSET.TRIBUTARY_SUPERSET_PASSWORD), log);
  assert.match(log, /\[redacted\]/);
});

test("a password in a URL is refused and not repeated in the message", () => {
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
