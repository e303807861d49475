// Compiles to dist/, which runs without the sources. It checks no types: `npm run typecheck` does.
import { execFileSync } from "node:child_process";
import { cpSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SOURCES_LIST, sourcesIn } from "../bin/compiled.mjs";

const root = fileURLToPath(new URL("../", import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
/** What the compiled code reads, at the same place relative to it as in the sources. */
const READ = ["package.json", "schemas", "services/gateway/console/static", "docs/contract.schema.json"];

// Listed first: a source that changes during the compilation makes the result stale.
const sources = sourcesIn(root);
rmSync(join(root, "dist"), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json", "--noCheck"], { cwd: root, stdio: "inherit" });
for (const path of READ) cpSync(join(root, path), join(root, "dist", path), { recursive: true });
writeFileSync(join(root, SOURCES_LIST), JSON.stringify(sources));
