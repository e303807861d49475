import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { DEPENDENCY_PLUGIN, install, MAVEN_MISSING, runTool, verifySha256, type Program } from "./install.ts";
import { INFRA, render } from "../paths.ts";
import { HOST } from "../ports.ts";
import { startProcess, waitUntilReady, type Started } from "../processes.ts";
import type { StackContext } from "../context.ts";

const VERSION = "4.1.1";

/** Apache Kafka's server: the jars of infra/kafka/pom.xml, each verified against infra/kafka/jars.sha256. */
const program: Program = {
  name: "kafka",
  version: VERSION,
  async build(into) {
    await runTool(
      "mvn",
      [
        "--batch-mode",
        "-q",
        `--file=${INFRA}/kafka/pom.xml`,
        `${DEPENDENCY_PLUGIN}:copy-dependencies`,
        "-DincludeScope=runtime",
        `-DoutputDirectory=${join(into, "libs")}`,
      ],
      { missing: MAVEN_MISSING, cwd: into },
    );
    const pins = await readFile(`${INFRA}/kafka/jars.sha256`, "utf8");
    for (const line of pins.trim().split("\n")) {
      const [sha256, jar] = line.split(/\s+/);
      await verifySha256(join(into, "libs", jar!), sha256!);
    }
  },
};

/**
 * Starts one Kafka node (KRaft, broker and controller in one process) and waits until it accepts connections.
 */
export async function startKafka(context: StackContext): Promise<Started> {
  const { ports } = context.settings;
  const home = await install(context.cache, program, context.say);
  const folder = join(context.data, "kafka");
  const dataDir = join(folder, "data");
  await mkdir(folder, { recursive: true });
  const properties = join(folder, "server.properties");
  const values = { KAFKA_PORT: ports.kafka, KAFKA_CONTROLLER_PORT: ports.kafkaController, KAFKA_DATA_DIR: dataDir };
  await writeFile(properties, await render(`${INFRA}/kafka/server.properties`, values));

  const java = join(context.java, "bin", "java");
  const logging = `-Dlog4j2.configurationFile=${INFRA}/kafka/log4j2.yaml`;
  const run = (mainClass: string, ...args: string[]): string[] => [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=4",
    logging,
    "-cp",
    join(home, "libs", "*"),
    mainClass,
    ...args,
  ];
  if (!existsSync(join(dataDir, "meta.properties"))) {
    // With "=", because an id can start with a hyphen.
    const format = ["format", `--cluster-id=${context.settings.kafkaClusterId}`, "--config", properties];
    await runTool(java, run("kafka.tools.StorageTool", ...format), { missing: `${java} does not exist`, cwd: folder });
  }
  const started = context.started(
    startProcess({
      name: "kafka",
      command: java,
      args: run("kafka.Kafka", properties),
      env: context.env,
      cwd: folder,
      log: context.log("kafka"),
    }),
  );
  await waitUntilReady(started, () => accepts(ports.kafka), { withinMs: 180_000, signal: context.signal });
  return started;
}

/**
 * Kafka opens its client listener when the broker is ready.
 * @throws Error unless the port accepts a connection.
 */
function accepts(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: HOST, port });
    socket.setTimeout(2_000, () => socket.destroy(new Error(`no response from ${HOST}:${port}`)));
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.destroy();
      resolve();
    });
  });
}
