/** A Trino that wants TLS and a password, as far as what is sent to it goes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { z } from "zod";
import { systemClock } from "../../../../../lib/clock.ts";
import { hasCode } from "../../../../../lib/errors.ts";
import { platformSettings, readConfig } from "../../../../../lib/process/config.ts";
import { Scope } from "../../../../../lib/process/scope.ts";
import { targetOf } from "../../../../../lib/warehouse/trino/target.ts";
import { portsOf } from "../../../../../services/ports.ts";
import { capturedLog } from "../../../../support/captured-log.ts";
import { selfSigned } from "../../../../support/certificates.ts";

const SECRET = "trino-hunter2";
let folder: string;
let server: Server;
let settings: Record<string, string>;
const logins = new Set<string>();

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tributary-trino-https-"));
  const certificate = await selfSigned();
  writeFileSync(join(folder, "ca.pem"), certificate.cert);
  server = createServer(certificate, (request, response) => {
    const [, encoded = ""] = /^Basic (.+)$/.exec(request.headers.authorization ?? "") ?? [];
    logins.add(`${request.headers["x-trino-user"] as string} ${Buffer.from(encoded, "base64").toString()}`);
    if (encoded === "") return void response.writeHead(401).end("Unauthorized");
    const error = { message: "not today", errorName: "X", errorType: "USER_ERROR", errorCode: 1 };
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ id: "q1", stats: { state: "FAILED" }, error }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  settings = {
    TRIBUTARY_WAREHOUSE_URL: `trino+https://alice@localhost:${(server.address() as { port: number }).port}/iceberg/lakehouse`,
    TRIBUTARY_STAGING_URL: `file:${join(folder, "staging")}`,
    TRIBUTARY_CA_FILE: join(folder, "ca.pem"),
    TRIBUTARY_TRINO_PASSWORD: SECRET,
  };
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** What comes of the first statement of a service with these settings. */
async function failure(env: Record<string, string>): Promise<unknown> {
  const scope = new Scope();
  try {
    const config = readConfig(z.object(platformSettings), env);
    const warehouse = await portsOf(scope, config, systemClock, capturedLog().logger).warehouse();
    await warehouse.ready();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await scope.close();
  }
}

test("the user of the URL logs in by the password of the settings", async () => {
  logins.clear();
  const error = await failure(settings);
  assert.ok(hasCode(error, "WAREHOUSE_FAILED") && /not today/.test(error.message), String(error));
  assert.deepEqual([...logins], [`alice alice:${SECRET}`]);
});

test("a server whose authority is not trusted gets no password", async () => {
  logins.clear();
  const error = await failure({ ...settings, TRIBUTARY_CA_FILE: "" });
  assert.ok(hasCode(error, "WAREHOUSE_UNAVAILABLE"), String(error));
  assert.equal(logins.size, 0);
  assert.ok(!String(error).includes(SECRET));
});

test("a password is sent by https only, and stands in no URL", async () => {
  const plain = settings["TRIBUTARY_WAREHOUSE_URL"]!.replace("trino+https", "trino");
  assert.ok(hasCode(await failure({ ...settings, TRIBUTARY_WAREHOUSE_URL: plain }), "CONFIG_INVALID"));
  assert.throws(
    () => targetOf(`trino+https://alice:${SECRET}@localhost/iceberg`),
    (error) => hasCode(error, "CONFIG_INVALID") && !error.message.includes(SECRET),
  );
});
