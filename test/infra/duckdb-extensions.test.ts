import { DuckDBInstance } from "@duckdb/node-api";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { INFRA, ROOT } from "../../scripts/stack/paths.ts";
import { DUCKDB_EXTENSIONS, duckdbExtensions } from "../../scripts/stack/programs/duckdb-extensions.ts";
import { cacheDir } from "../../scripts/stack/programs/install.ts";

const pins = readFileSync(join(INFRA, "duckdb", "requirements.txt"), "utf8");
const pinned = [...pins.matchAll(/^duckdb-extension-(\w+)==(\S+) /gm)].map(([, name, version]) => ({ name, version }));
const version = pinned[0]!.version!;

describe("DuckDB's extension files", () => {
  it("are those of DuckDB's version in package.json, each pinned by hash for four platforms", () => {
    assert.deepEqual(
      pinned,
      DUCKDB_EXTENSIONS.map((name) => ({ name, version })),
    );
    assert.equal(pins.match(/--hash=sha256:[0-9a-f]{64}/g)!.length, 4 * DUCKDB_EXTENSIONS.length);
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const isExact = new RegExp(`^${version.replaceAll(".", "\\.")}-r\\.\\d+$`);
    for (const name of ["@duckdb/node-api", "@duckdb/node-bindings"]) {
      assert.match(dependencies[name]!, isExact, `${name}: change infra/duckdb/requirements.txt with it`);
    }
    const program = readFileSync(join(ROOT, "scripts/stack/programs/duckdb-extensions.ts"), "utf8");
    assert.match(program, new RegExp(`^const VERSION = "${version}";$`, "m"));
  });

  const dockerfile = readFileSync(join(ROOT, "Dockerfile"), "utf8").replaceAll("\\\n", " ");
  const stageOf = (name: string): string =>
    new RegExp(`^FROM \\S+ AS ${name}\\n(.*?)^FROM `, "ms").exec(dockerfile)![1]!;
  const stage = stageOf("extensions");

  it("are in the Docker image, where its setting says", () => {
    assert.match(stage, /^COPY infra\/duckdb\/requirements.txt \.\/$/m);
    const passed = readFileSync(join(ROOT, ".dockerignore"), "utf8").split("\n");
    assert.ok(passed.includes("!infra/duckdb/requirements.txt"), ".dockerignore");
    const image = stageOf("service");
    const [, folder] = /\bTRIBUTARY_DUCKDB_EXTENSIONS_DIR=(\S+)/.exec(image)!;
    const workdir = /^WORKDIR (\S+)$/m.exec(image)![1]!;
    const [, to] = /^COPY --from=extensions \/extensions\/files (\S+)$/m.exec(image)!;
    assert.equal(join(workdir, to!), folder);
  });

  const folder = join(cacheDir(process.env), `duckdb-extensions-${version}`);
  const isHere = existsSync(folder) || process.env.REQUIRE_STACK === "1";
  const skip = isHere ? false : "the files are not installed: npm run duckdb-extensions";
  it("are what the image's own command installs", { skip }, (t) => {
    const work = mkdtempSync(join(tmpdir(), "tributary-image-"));
    t.after(() => rmSync(work, { recursive: true, force: true }));
    copyFileSync(join(INFRA, "duckdb", "requirements.txt"), join(work, "requirements.txt"));
    const command = /^RUN (.*)$/m.exec(stage)![1]!.replace(/^pip /, "python3 -m pip ");
    execFileSync("sh", ["-c", command], { cwd: work, stdio: "pipe" });
    const hashes = (from: string): Record<string, string> =>
      Object.fromEntries(
        readdirSync(from)
          .filter((name) => name.endsWith(".duckdb_extension"))
          .map((name) => [
            name,
            createHash("sha256")
              .update(readFileSync(join(from, name)))
              .digest("hex"),
          ]),
      );
    const installed = hashes(join(work, "files"));
    assert.equal(Object.keys(installed).length, DUCKDB_EXTENSIONS.length);
    assert.deepEqual(installed, hashes(folder));
  });

  it("load in DuckDB, which checks their signatures", { skip }, async () => {
    const installed = await duckdbExtensions(cacheDir(process.env), () => undefined);
    const database = await DuckDBInstance.create(":memory:");
    const connection = await database.connect();
    try {
      for (const name of DUCKDB_EXTENSIONS) await connection.run(`LOAD '${installed}/${name}.duckdb_extension'`);
      const read = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson();
      const names = DUCKDB_EXTENSIONS.map((name) => `'${name}'`).join();
      const sql = `SELECT extension_name FROM duckdb_extensions() WHERE loaded AND extension_name IN (${names}) ORDER BY 1`;
      assert.deepEqual(
        await read(sql),
        DUCKDB_EXTENSIONS.map((name) => [name]),
      );
      assert.deepEqual(await read("SELECT current_setting('allow_unsigned_extensions')"), [[false]]);
    } finally {
      connection.closeSync();
      database.closeSync();
    }
  });
});
