import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { INFRA } from "../paths.ts";
import { install, PYTHON_MISSING, runTool, type Program } from "./install.ts";

/** DuckDB's version in package.json, without the release of its Node packages. */
const VERSION = "1.5.5";

/** In the order in which DuckDB must load them. */
export const DUCKDB_EXTENSIONS = ["avro", "httpfs", "iceberg"] as const;

/**
 * The files `<name>.duckdb_extension`. pip verifies the hashes of infra/duckdb/requirements.txt; DuckDB
 * verifies each file's signature when it loads it.
 */
const program: Program = {
  name: "duckdb-extensions",
  version: VERSION,
  async build(into) {
    const packages = join(into, "packages");
    const pins = `${INFRA}/duckdb/requirements.txt`;
    await runTool(
      "python3",
      [
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--require-hashes",
        "--only-binary=:all:",
        "--target",
        packages,
        "-r",
        pins,
      ],
      { missing: PYTHON_MISSING, cwd: into },
    );
    for (const name of DUCKDB_EXTENSIONS) {
      const folder = join(packages, `duckdb_extension_${name}`, "extensions", `v${VERSION}`);
      const file = `${name}.duckdb_extension`;
      if (!(await readdir(folder)).includes(file))
        throw new Error(`the package duckdb-extension-${name} has no ${file}`);
      await rename(join(folder, file), join(into, file));
    }
    await rm(packages, { recursive: true });
  },
};

/** The folder that holds DuckDB's extension files; installs it if it is missing. */
export const duckdbExtensions = (cache: string, say: (line: string) => void): Promise<string> =>
  install(cache, program, say);
