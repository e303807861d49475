/** Installs DuckDB's Iceberg extension and what it needs, and prints their folder. */
import { messageOf } from "../lib/errors.ts";
import { duckdbExtensions } from "./stack/programs/duckdb-extensions.ts";
import { cacheDir } from "./stack/programs/install.ts";

try {
  const folder = await duckdbExtensions(cacheDir(process.env), (line) => void process.stderr.write(`${line}\n`));
  process.stdout.write(`${folder}\n`);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
