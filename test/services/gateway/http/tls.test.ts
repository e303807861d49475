import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { after, before, test } from "node:test";
import { hasCode } from "../../../../lib/errors.ts";
import { tributary } from "../../../cli/tributary.ts";
import { capturedLog } from "../../../support/captured-log.ts";
import { selfSigned, type Certificate } from "../../../support/certificates.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { until } from "../../../support/until.ts";
import { testGateway } from "../gateway.ts";

let folder: string;
let [first, second]: Certificate[] = [];
let settings: { TRIBUTARY_TLS_CERT_FILE: string; TRIBUTARY_TLS_KEY_FILE: string };
const write = ({ cert, key }: Certificate): void => {
  writeFileSync(settings.TRIBUTARY_TLS_CERT_FILE, cert);
  writeFileSync(settings.TRIBUTARY_TLS_KEY_FILE, key);
};
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tributary-tls-"));
  settings = { TRIBUTARY_TLS_CERT_FILE: join(folder, "cert.pem"), TRIBUTARY_TLS_KEY_FILE: join(folder, "key.pem") };
  [first, second] = await Promise.all([selfSigned("first"), selfSigned("second")]);
});
after(() => rmSync(folder, { recursive: true }));

/** The response status and the subject of the server's certificate. */
const ask = (url: string, ca: string, headers: Record<string, string> = {}) =>
  new Promise<string>((resolve, reject) => {
    const request = get(`${url}/v1/tables`, { ca, headers, agent: false }, (answer) => {
      const { subject } = (answer.socket as unknown as { getPeerCertificate(): { subject: { CN: string } } }).getPeerCertificate(); // prettier-ignore
      resolve(`${answer.resume().statusCode} ${subject.CN}`);
    });
    request.once("error", reject);
  });

test("with a certificate the gateway serves HTTPS only and reloads a new one without a restart", async () => {
  const [clock, log] = [new FakeClock(), capturedLog()];
  write(first!);
  await using gateway = await testGateway(settings, { clock, logger: log.logger });
  assert.match(gateway.url, /^https:/);
  const { host } = new URL(gateway.url);
  assert.equal(await ask(gateway.url, first!.cert), "200 first");
  assert.equal(await ask(gateway.url, first!.cert, { origin: `https://${host}` }), "200 first");
  assert.equal(await ask(gateway.url, first!.cert, { origin: `http://${host}` }), "403 first");
  await assert.rejects(ask(gateway.url, second!.cert), /self-signed/);
  await assert.rejects(fetch(`http://${host}/healthz`));
  const old = connect({ ...{ host: "127.0.0.1", port: Number(new URL(gateway.url).port) }, maxVersion: "TLSv1.1" });
  await assert.rejects(new Promise((resolve, reject) => old.once("secureConnect", resolve).once("error", reject)));

  writeFileSync(settings.TRIBUTARY_TLS_CERT_FILE, second!.cert);
  await until("the mismatched pair is logged", () => {
    clock.advance(10_000);
    return log.lines.some(({ msg }) => /OLD CERTIFICATE STAYS IN USE/.test(String(msg)));
  });
  assert.equal(await ask(gateway.url, first!.cert), "200 first");
  write(second!);
  await until("the new certificate", async () => {
    clock.advance(10_000);
    return (await ask(gateway.url, second!.cert).catch(() => "")) === "200 second";
  });
  assert.ok(!log.text().includes("PRIVATE KEY"));
});

test("a missing or mismatched certificate or key stops the start", async () => {
  write(first!);
  const { TRIBUTARY_TLS_CERT_FILE: certFile, TRIBUTARY_TLS_KEY_FILE: keyFile } = settings;
  const refused = (env: Record<string, string>) =>
    assert.rejects(testGateway(env), (error) => hasCode(error, "CONFIG_INVALID") && !error.message.includes("PRIVATE"));
  await refused({ TRIBUTARY_TLS_CERT_FILE: certFile });
  await refused({ TRIBUTARY_TLS_KEY_FILE: keyFile });
  await refused({ TRIBUTARY_TLS_CERT_FILE: join(folder, "none.pem"), TRIBUTARY_TLS_KEY_FILE: keyFile });
  writeFileSync(keyFile, second!.key);
  await refused(settings);
});

test("the CLI trusts only the given certificate authority", async () => {
  write(first!);
  await using gateway = await testGateway(settings);
  const run = (args: string[], env: Record<string, string> = {}) =>
    tributary([...args, "--url", gateway.url, "tables", "--json"], { env });
  const blind = await run([]);
  assert.equal(blind.code, 3);
  assert.match(blind.err, /self-signed/);
  const trusting = await run(["--ca-file", settings.TRIBUTARY_TLS_CERT_FILE]);
  assert.deepEqual([trusting.code, JSON.parse(trusting.out)], [0, { tables: [] }]);
  assert.equal((await run([], { TRIBUTARY_CA_FILE: settings.TRIBUTARY_TLS_CERT_FILE })).code, 0);
  const missing = await run(["--ca-file", join(folder, "none.pem")]);
  assert.equal(missing.code, 2);
  const top = await tributary(["--ca-file", settings.TRIBUTARY_TLS_CERT_FILE, "--url", gateway.url, "top", "--once"]);
  assert.equal(top.code, 0, top.err);
});
