import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { hasCode } from "../../../../lib/errors.ts";
import { hashOf, newSecret } from "../../../../lib/process/api-keys.ts";
import { openApiKeys, parseApiKeys } from "../../../../services/gateway/access/api-keys.ts";
import { capturedLog } from "../../../support/captured-log.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { until } from "../../../support/until.ts";
import { testGateway } from "../gateway.ts";
import { problemIn } from "../http/problem-in.ts";

let folder: string;
let path: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "tributary-keys-"));
});
after(() => rmSync(folder, { recursive: true }));
let files = 0;
beforeEach(() => {
  path = join(folder, `keys-${files++}.yml`);
});

const line = (id: string, secret: string, more = "") =>
  `- { id: ${id}, sha256: ${hashOf(secret).toString("hex")}, scopes: [read]${more} }\n`;
const [OLD, NEW] = [newSecret(), newSecret()];
const ask = (url: string, secret: string) =>
  fetch(`${url}/v1/tables`, { headers: { authorization: `Bearer ${secret}` } });

test("errors of a keys file are reported all at once", () => {
  const faultsOf = (text: string): string => {
    try {
      parseApiKeys(text, "keys.yml");
      return "";
    } catch (error) {
      assert.ok(hasCode(error, "CONFIG_INVALID"));
      return error.message;
    }
  };
  const many = faultsOf("- { id: a, sha256: abc, scopes: [fly] }\n- { id: b, key: plain, expiresAt: tomorrow }\n");
  for (const fault of [/0\.sha256/, /0\.scopes/, /1\.sha256/, /1.*key/, /1\.expiresAt: must be an ISO 8601 time/]) {
    assert.match(many, fault);
  }
  assert.match(faultsOf("[]"), /top/);
  assert.match(faultsOf("- {"), /keys\.yml/);
  assert.match(faultsOf(line("a", OLD) + line("b", OLD)), /1\.sha256: duplicate key/);
  assert.equal(faultsOf(line("a", OLD) + line("a", NEW)), "", "an id may have two keys during a rotation");
  assert.throws(
    () => openApiKeys(join(folder, "none.yml"), { ...capturedLog(), clock: new FakeClock(), onState: () => undefined }),
    (error) => hasCode(error, "CONFIG_INVALID"),
  );
});

test("a key is rotated without a restart: first both keys are valid, then only the new one", async () => {
  writeFileSync(path, line("loader", OLD));
  await using gateway = await testGateway({ TRIBUTARY_API_KEYS_FILE: path, TRIBUTARY_AUTH_FAILURES_MAX: "1000" });
  const answers = async () => [(await ask(gateway.url, OLD)).status, (await ask(gateway.url, NEW)).status].join();
  assert.equal(await answers(), "200,401");
  writeFileSync(path, line("loader", OLD) + line("loader", NEW));
  await until("both", async () => (await answers()) === "200,200");
  writeFileSync(path, line("loader", NEW));
  await until("the new one alone", async () => (await answers()) === "401,200");
});

test("an unusable keys file is logged and keeps the old keys; a valid one is loaded again", async () => {
  const log = capturedLog();
  writeFileSync(path, line("loader", OLD));
  const settings = { TRIBUTARY_API_KEYS_FILE: path, TRIBUTARY_AUTH_FAILURES_MAX: "1000" };
  await using gateway = await testGateway(settings, { logger: log.logger });
  const isStale = async () => /^tributary_stale_files\{file="api-keys"\} 1$/m.test(await metricsOf(gateway.url));
  const errors = () => log.lines.filter(({ level }) => level === 50);
  for (const [n, broken] of ["- { id: loader, sha", "[]", "", line("loader", NEW, ", expiresAt: soon")].entries()) {
    writeFileSync(path, broken);
    await until(`an error is logged for ${JSON.stringify(broken)}`, () => errors().length === n + 1);
    assert.match(String(errors()[n]!["msg"]), /OLD API KEYS STAY VALID/);
    assert.equal((await ask(gateway.url, OLD)).status, 200);
    assert.ok(await isStale());
  }
  rmSync(path);
  await until("the missing file is logged", () => errors().length === 5);
  assert.equal((await ask(gateway.url, OLD)).status, 200);
  writeFileSync(path, line("loader", NEW));
  await until("the new key", async () => (await ask(gateway.url, NEW)).status === 200);
  assert.equal((await ask(gateway.url, OLD)).status, 401);
  assert.ok(!(await isStale()));
  assert.ok(!log.text().includes(OLD) && !log.text().includes(NEW));

  async function metricsOf(url: string): Promise<string> {
    return (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${OLD}` } })).text();
  }
});

test("an expired key is refused by its id from its expiry on", async () => {
  const clock = new FakeClock(Date.parse("2027-01-30T23:59:59Z"));
  const log = capturedLog();
  writeFileSync(path, line("loader", OLD, ", expiresAt: 2027-01-31T01:00:00+01:00") + line("boss", NEW));
  const keys = openApiKeys(path, { clock, logger: log.logger, onState: () => undefined });
  const caller = keys.callerOf(OLD)!;
  assert.deepEqual([caller.id, caller.isStillValid()], ["loader", true]);
  clock.advance(1_000);
  assert.equal(caller.isStillValid(), false, "long-lived requests end too");
  assert.throws(
    () => keys.callerOf(OLD),
    (error) => hasCode(error, "UNAUTHENTICATED") && /'loader' has expired/.test(error.message),
  );
  assert.equal(keys.callerOf(NEW)!.id, "boss");
  openApiKeys(path, { clock, logger: log.logger, onState: () => undefined });
  assert.deepEqual(
    log.lines.map(({ expired }) => expired),
    [[], ["loader"]],
  );
});

test("an event stream ends when its key is revoked", async () => {
  writeFileSync(path, line("loader", OLD) + line("boss", NEW));
  const clock = new FakeClock();
  await using gateway = await testGateway({ TRIBUTARY_API_KEYS_FILE: path }, { clock });
  const stream = await fetch(`${gateway.url}/v1/events`, { headers: { authorization: `Bearer ${OLD}` } });
  const ended = stream.text();
  writeFileSync(path, line("boss", NEW));
  await until("the key is refused", async () => {
    clock.advance(1_000);
    return (await ask(gateway.url, OLD)).status !== 200;
  });
  clock.advance(15_000);
  assert.match(await ended, /^: hello/);
});

test("without keys and issuer, other machines get no access; metrics need a key unless public", async () => {
  await assert.rejects(testGateway({ TRIBUTARY_HOST: "0.0.0.0" }), (error) => {
    assert.ok(hasCode(error, "CONFIG_INVALID"));
    assert.match(error.message, /TRIBUTARY_API_KEYS_FILE or TRIBUTARY_OIDC_ISSUER/);
    return true;
  });
  writeFileSync(path, line("loader", OLD));
  await using open = await testGateway({ TRIBUTARY_HOST: "0.0.0.0", TRIBUTARY_API_KEYS_FILE: path });
  const url = open.url.replace("0.0.0.0", "127.0.0.1");
  await problemIn(await fetch(`${url}/metrics`), 401, "UNAUTHENTICATED");
  const withKey = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${OLD}` } });
  assert.match(await withKey.text(), /tributary_/);
  await using shown = await testGateway({ TRIBUTARY_API_KEYS_FILE: path }, { metricsPublic: true });
  assert.equal((await fetch(`${shown.url}/metrics`)).status, 200);
});
