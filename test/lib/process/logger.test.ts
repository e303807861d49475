import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newSecret } from "../../../lib/process/api-keys.ts";
import { cleaner, makeLoggers, secretsIn, textCleaner } from "../../../lib/process/logger.ts";
import { capturedLog } from "../../support/captured-log.ts";

const TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLWl0";

test("no line contains a secret setting, an API key, a token or the text after Bearer", () => {
  const password = 'pass"word\\with\nall';
  const log = capturedLog([password]);
  const key = newSecret();
  const inner = new Error(`cannot log in as x:${password}`);
  const err = new Error(`request with Bearer abc.def failed`, { cause: inner });
  for (const secret of [password, key, TOKEN]) {
    log.logger.warn({ err, detail: `it said ${secret}`, deep: { list: [{ secret }] }, [secret]: 1 }, `at ${secret}`);
  }
  assert.equal(log.lines.length, 3, "lines stay JSON");
  const text = log.text();
  for (const secret of [JSON.stringify(password).slice(1, -1), key, TOKEN, "abc.def"])
    assert.ok(!text.includes(secret));
  assert.ok(text.includes("[redacted]"));
});

test("no secret of any characters appears in a line", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 6, unit: "binary" }), fc.string(), (secret, around) => {
      const log = capturedLog([secret]);
      log.logger.info({ around: around + secret + around }, secret);
      const written = JSON.stringify(log.lines.map(({ around: field, msg }) => [field, msg]));
      // A secret can be a part of the marker itself.
      assert.ok("[redacted]".includes(secret) || !written.includes(JSON.stringify(secret).slice(1, -1)), written);
    }),
    { numRuns: 40 },
  );
});

test("control characters in values are replaced; line breaks of stacks and backslashes stay", () => {
  const log = capturedLog();
  log.logger.info({ name: "a\u001b[2J\u009b31m\u0000\b\r\u007fb", path: "C:\\u001b\\n", stack: "Error\n\tat x" }, "m");
  const [{ name, path, stack }] = log.lines as [Record<string, string>];
  assert.equal(name, "a�[2J�31m����b");
  assert.deepEqual([path, stack], ["C:\\u001b\\n", "Error\n\tat x"]);
  assert.equal(log.text().trim().split("\n").length, 1);
});

test("ordinary text stays unchanged", () => {
  const clean = cleaner(["hunter2hunter2"]);
  for (const line of ['{"msg":"the bearer of news"}', '{"sha":"ey12"}', '{"file":"tby_short.csv"}', '{"n":"ü…日本"}']) {
    assert.equal(clean(line), line);
  }
});

test("secretsIn selects environment variables by name", () => {
  const env = {
    TRIBUTARY_S3_SECRET_KEY: "sssssss",
    TRIBUTARY_KAFKA_PASSWORD: "ppppppp",
    TRIBUTARY_API_KEY: "kkkkkkk",
    AWS_SESSION_TOKEN: "ttttttt",
    TRIBUTARY_S3_ACCESS_KEY: "tributary",
    TRIBUTARY_API_KEYS_FILE: "/etc/keys.yml",
    TRIBUTARY_TRINO_PASSWORD: "",
    SHORT_PASSWORD: "a",
    TRIBUTARY_REST_CATALOG_CREDENTIAL: "iiii:ccccccc",
  };
  assert.deepEqual(secretsIn(env), ["sssssss", "ppppppp", "kkkkkkk", "ttttttt", "iiii:ccccccc"]);
});

test("text for people contains no secret and no control characters; its lines stay", () => {
  const clean = textCleaner(['pass"word\\']);
  const key = newSecret();
  assert.equal(
    clean(`CONFIG_INVALID: x:pass"word\\@host\n\t${key}\u001b[2J`),
    "CONFIG_INVALID: x:[redacted]@host\n\t[redacted]\ufffd[2J",
  );
});

test("the logger of each service names it once; an unknown level counts as info", () => {
  const loggerOf = makeLoggers({ level: "loud" });
  const bindings = ["tributary", "gateway"].map((name) => loggerOf(name).bindings()["service"] as string);
  assert.deepEqual([bindings, loggerOf("gateway").level], [["tributary", "gateway"], "info"]);
});
