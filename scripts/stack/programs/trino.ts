import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { install, mavenCopy, PYTHON_MISSING, runTool, verifySha256, type Program } from "./install.ts";
import { INFRA } from "../paths.ts";
import { HOST } from "../ports.ts";
import { runsQueries } from "../prepare.ts";
import { restCatalogOf, TABLE_BUCKET } from "../settings.ts";
import { startProcess, waitUntilReady, type Started } from "../processes.ts";
import type { StackContext } from "../context.ts";

/** 477 writes duplicate rows in MERGE, 478 to 483 raise false "multiple matches" errors. */
const VERSION = "476";
const SERVER_SHA256 = "0f388f9967c177ae70a47c099082fc95387f0c3cb96d8000d1d41fc3a5223158";
/** JDBC driver of the local catalog; the Iceberg plugin includes PostgreSQL's. */
const SQLITE_VERSION = "3.50.3.0";
const SQLITE_SHA256 = "a3f53a2aa15ae9425a9e793bbe9c8e5288febeb4b65ef5c1a4e80d4c2045cf08";
const ICEBERG_SHA256 = "99edba5b491ed94d599aeb61e0794272d3569d8b563f3bb8569e8a49daa87b6c";
/** Plugins of the core distribution that Tributary does not use. */
const UNUSED_PLUGINS = ["exchange-filesystem", "functions-python", "geospatial", "spooling-filesystem"];

/** Trino's core distribution with the Iceberg plugin and the SQLite driver for its catalog. */
const program: Program = {
  name: "trino",
  version: `${VERSION}-sqlite-${SQLITE_VERSION}`,
  async build(into) {
    const downloads = join(into, "downloads");
    await mkdir(downloads);
    await mavenCopy(`io.trino:trino-server-core:${VERSION}:tar.gz`, downloads);
    await mavenCopy(`io.trino:trino-iceberg:${VERSION}:zip`, downloads);
    const server = join(downloads, `trino-server-core-${VERSION}.tar.gz`);
    const iceberg = join(downloads, `trino-iceberg-${VERSION}.zip`);
    await mavenCopy(`org.xerial:sqlite-jdbc:${SQLITE_VERSION}`, downloads);
    const sqlite = join(downloads, `sqlite-jdbc-${SQLITE_VERSION}.jar`);
    await verifySha256(sqlite, SQLITE_SHA256);
    await verifySha256(server, SERVER_SHA256);
    await verifySha256(iceberg, ICEBERG_SHA256);
    await runTool("tar", ["-xzf", server, "-C", into, "--strip-components=1"], { missing: "`tar` is required" });
    await runTool("python3", ["-m", "zipfile", "-e", iceberg, join(into, "plugin")], { missing: PYTHON_MISSING });
    await rename(join(into, "plugin", `trino-iceberg-${VERSION}`), join(into, "plugin", "iceberg"));
    await rename(sqlite, join(into, "plugin", "iceberg", `sqlite-jdbc-${SQLITE_VERSION}.jar`));
    for (const name of UNUSED_PLUGINS) await rm(join(into, "plugin", name), { recursive: true });
    await rm(downloads, { recursive: true });
  },
};

/**
 * Starts one Trino node and waits until it runs queries. The settings of infra/trino read the environment
 * below.
 */
export async function startTrino(context: StackContext): Promise<Started> {
  const { ports, s3 } = context.settings;
  const home = await install(context.cache, program, context.say);
  const folder = join(context.data, "trino");
  await mkdir(folder, { recursive: true });
  const catalog = join(folder, "catalog.sqlite");
  await createCatalog(catalog);
  const started = context.started(
    startProcess({
      name: "trino",
      command: join(home, "bin", "launcher"),
      args: [
        "run",
        `--etc-dir=${INFRA}/trino/etc`,
        `--data-dir=${folder}`,
        `--jvm-dir=${context.java}`,
        "-J",
        `-Xmx${context.trinoMemory}`,
        "-D",
        `catalog.config-dir=${INFRA}/trino/catalog`,
        "-D",
        `node.id=tributary-${ports.trino}`,
        "-D",
        `node.bind-ip=${HOST}`,
        "-D",
        `node.internal-address=${HOST}`,
      ],
      env: {
        ...context.env,
        TRINO_PORT: String(ports.trino),
        TRINO_ETC: `${INFRA}/trino/etc`,
        TRIBUTARY_CATALOG_DRIVER: "org.sqlite.JDBC",
        TRIBUTARY_CATALOG_URL: `jdbc:sqlite:${catalog}?journal_mode=WAL&busy_timeout=20000`,
        TRIBUTARY_CATALOG_USER: "none",
        TRIBUTARY_CATALOG_PASSWORD: "none",
        TRIBUTARY_WAREHOUSE_BUCKET: context.settings.buckets.warehouse,
        TRIBUTARY_REST_CATALOG_URI: restCatalogOf(context.settings).uri,
        TRIBUTARY_TABLE_BUCKET: TABLE_BUCKET,
        TRIBUTARY_S3_ENDPOINT: s3.endpoint,
        TRIBUTARY_S3_REGION: s3.region,
        TRIBUTARY_S3_ACCESS_KEY: s3.accessKey,
        TRIBUTARY_S3_SECRET_KEY: s3.secretKey,
      },
      cwd: folder,
      log: context.log("trino"),
    }),
  );
  await waitUntilReady(started, () => runsQueries(`http://${HOST}:${ports.trino}`), {
    withinMs: 300_000,
    signal: context.signal,
  });
  return started;
}

/**
 * Creates the catalog's tables if they do not exist. Uses Python's SQLite, because Node has it only from
 * version 22.
 */
async function createCatalog(path: string): Promise<void> {
  const script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())";
  await runTool("python3", ["-c", script, path, `${INFRA}/trino/catalog-schema.sql`], { missing: PYTHON_MISSING });
}
