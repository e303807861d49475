import { DuckDBInstance } from "@duckdb/node-api";
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
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

  const folder = join(cacheDir(process.env), `duckdb-extensions-${version}`);
  const isHere = existsSync(folder) || process.env.REQUIRE_STACK === "1";
  const skip = isHere ? false : "the files are not installed: npm run duckdb-extensions";
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
