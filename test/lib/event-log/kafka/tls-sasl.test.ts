/**
 * Kafka with TLS, client certificates and SASL on a real broker. Needs the programs that `npm run stack`
 * installs.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { z } from "zod";
import { systemClock } from "../../../../lib/clock.ts";
import { hasCode } from "../../../../lib/errors.ts";
import { platformSettings, readConfig } from "../../../../lib/process/config.ts";
import { Scope } from "../../../../lib/process/scope.ts";
import { cacheDir, runTool } from "../../../../scripts/stack/programs/install.ts";
import { findJava } from "../../../../scripts/stack/programs/java.ts";
import { freePort } from "../../../../scripts/tributary-process.ts";
import { portsOf } from "../../../../services/ports.ts";
import { capturedLog } from "../../../support/captured-log.ts";
import { selfSigned, type Certificate } from "../../../support/certificates.ts";
import { until } from "../../../support/until.ts";

const SECRET = "kafka-hunter2";
const cache = cacheDir(process.env);
const kafka = existsSync(cache) ? readdirSync(cache).find((name) => /^kafka-[\d.]+$/.test(name)) : undefined;
const wanted = process.env["TRIBUTARY_TEST_KAFKA"] !== undefined;
const missing =
  "TRIBUTARY_TEST_KAFKA is not set, or no Kafka is installed by `npm run stack`: TLS and SASL are not tested";
if ((!wanted || !kafka) && process.env["REQUIRE_STACK"] === "1") throw new Error(missing);

describe("a Kafka that requires TLS and a login", { skip: wanted && kafka ? false : missing }, () => {
  let folder: string;
  let broker: ChildProcess;
  let server: Certificate;
  let client: Certificate;
  let urls: { sasl: string; mutual: string };
  const pem = (name: string): string => join(folder, name);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "tributary-kafka-secure-"));
    [server, client] = await Promise.all([selfSigned("broker"), selfSigned("client")]);
    await writeFile(pem("server.pem"), server.key + server.cert);
    await writeFile(pem("ca.pem"), server.cert);
    await writeFile(pem("client.pem"), client.cert);
    await writeFile(pem("client.key"), client.key);
    const [sasl, mutual, plain, controller] = [await freePort(), await freePort(), await freePort(), await freePort()];
    urls = { sasl: `kafka://localhost:${sasl}`, mutual: `kafka://localhost:${mutual}` };
    broker = await startBroker({ sasl, mutual, plain, controller });
  });
  after(async () => {
    broker.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });

  /** Starts a broker with a listener for each kind of authentication, and waits until it is ready. */
  async function startBroker(ports: Record<"sasl" | "mutual" | "plain" | "controller", number>): Promise<ChildProcess> {
    const properties = join(folder, "server.properties");
    const at = (name: string, port: number) => `${name}://localhost:${port}`;
    const listeners = [at("SASL", ports.sasl), at("MUTUAL", ports.mutual), at("INSIDE", ports.plain)].join();
    const login = "listener.name.sasl.";
    const settings = {
      "process.roles": "broker,controller",
      "node.id": 1,
      "controller.quorum.voters": `1@localhost:${ports.controller}`,
      listeners: `${listeners},${at("CONTROLLER", ports.controller)}`,
      "advertised.listeners": listeners,
      "inter.broker.listener.name": "INSIDE",
      "controller.listener.names": "CONTROLLER",
      "listener.security.protocol.map": "SASL:SASL_SSL,MUTUAL:SSL,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
      "log.dirs": join(folder, "data"),
      "offsets.topic.replication.factor": 1,
      "offsets.topic.num.partitions": 1,
      "group.initial.rebalance.delay.ms": 0,
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": pem("server.pem"),
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": pem("client.pem"),
      "listener.name.mutual.ssl.client.auth": "required",
      "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
      [`${login}plain.sasl.jaas.config`]: `org.apache.kafka.common.security.plain.PlainLoginModule required user_tributary="${SECRET}";`,
      [`${login}scram-sha-512.sasl.jaas.config`]: "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    };
    await mkdir(join(folder, "data"));
    await writeFile(properties, Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join("")); // prettier-ignore
    const java = join(findJava(process.env), "bin", "java");
    const classes = [
      "-Xmx384m",
      "-XX:+UseSerialGC",
      "-XX:TieredStopAtLevel=1",
      "-cp",
      join(cache, kafka!, "libs", "*"),
    ];
    const scram = `SCRAM-SHA-512=[name=tributary,password=${SECRET}]`;
    const format = ["format", "--cluster-id", "c2VjdXJlLWthZmthLXRlc3Q", "--config", properties, "--add-scram", scram];
    await runTool(java, [...classes, "kafka.tools.StorageTool", ...format], { missing: "no java", cwd: folder });
    const child = spawn(java, [...classes, "kafka.Kafka", properties], { cwd: folder, stdio: "ignore" });
    const open = async (): Promise<boolean> => {
      assert.equal(child.exitCode, null, "the broker has exited");
      return ready({ TRIBUTARY_LOG_URL: `kafka://localhost:${ports.plain}` }).then(
        () => true,
        () => false,
      );
    };
    await until("the broker", open, 120_000);
    return child;
  }

  /** Opens the log as a service with these settings does. */
  async function opened<T>(env: Record<string, string>, use: (log: Awaited<ReturnType<typeof openLog>>) => Promise<T>) {
    const scope = new Scope();
    try {
      return await use(await openLog(scope, env));
    } finally {
      await scope.close();
    }
  }
  const openLog = (scope: Scope, env: Record<string, string>) =>
    portsOf(scope, readConfig(z.object(platformSettings), env), systemClock, capturedLog().logger).log();
  const ready = (env: Record<string, string>): Promise<void> => opened(env, (log) => log.ready());
  const login = (more: Record<string, string> = {}) => ({
    TRIBUTARY_LOG_URL: urls.sasl,
    TRIBUTARY_KAFKA_TLS: "true",
    TRIBUTARY_CA_FILE: pem("ca.pem"),
    TRIBUTARY_KAFKA_SASL: "scram-sha-512",
    TRIBUTARY_KAFKA_USERNAME: "tributary",
    TRIBUTARY_KAFKA_PASSWORD: SECRET,
    ...more,
  });
  const refused = async (env: Record<string, string>, says = /./): Promise<void> => {
    const isOurs = (error: unknown): boolean => {
      assert.ok(hasCode(error, "LOG_UNAVAILABLE"), String(error));
      assert.match(error.message, says);
      assert.ok(!error.message.includes(SECRET));
      return true;
    };
    await assert.rejects(ready(env), isOurs);
  };

  for (const mechanism of ["plain", "scram-sha-512"]) {
    test(`TLS and ${mechanism}: topics, records, a group`, async () => {
      await opened(login({ TRIBUTARY_KAFKA_SASL: mechanism }), async (log) => {
        const topic = `secure-${mechanism}`;
        await log.createTopics([{ name: topic, partitions: 1, cleanup: "delete" }]);
        await log.publish(topic, [{ key: "k", value: Buffer.from("hello") }]);
        const seen: string[] = [];
        const consumer = await log.consume({ group: topic, topics: [topic] }, (partition) => async (records) => {
          seen.push(...records.map(({ value }) => value.toString()));
          await partition.ack(records.at(-1)!.offset + 1);
        });
        await until("the record", () => seen.length === 1, 30_000);
        await consumer.close();
        assert.deepEqual(await log.groupOffsets(topic, topic), [{ partition: 0, offset: 1 }]);
      });
    });
  }

  test("a wrong password, a missing login and an untrusted certificate are refused", async () => {
    await refused(login({ TRIBUTARY_KAFKA_PASSWORD: "wrong-password" }), /[Aa]uthentication/);
    await refused(login({ TRIBUTARY_KAFKA_SASL: "" }));
    await refused(login({ TRIBUTARY_CA_FILE: "" }), /self-signed/);
    await refused(login({ TRIBUTARY_CA_FILE: pem("client.pem") }), /self-signed|verif/);
  });

  test("a listener with client certificates accepts a client certificate and refuses its absence", async () => {
    const env = { TRIBUTARY_LOG_URL: urls.mutual, TRIBUTARY_CA_FILE: pem("ca.pem") };
    await ready({ ...env, TRIBUTARY_KAFKA_CERT_FILE: pem("client.pem"), TRIBUTARY_KAFKA_KEY_FILE: pem("client.key") });
    await refused({ ...env, TRIBUTARY_KAFKA_TLS: "true" });
  });
});
