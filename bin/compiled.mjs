/**
 * Whether `dist` may run. A package has nothing else. A clone also has the sources, and a `dist` that is older than
 * a change to them must not run. Plain JavaScript, because it runs before anything is compiled.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Files and folders that `dist` is made of. */
const SOURCES = [
  ...["cli", "lib", "services", "schemas", "scripts/stack", "docs/contract.schema.json"],
  ...["package.json", "tsconfig.json", "tsconfig.build.json"],
];

/** The list that scripts/build.mjs leaves beside what it compiled. */
export const SOURCES_LIST = "dist/sources.json";

/** Path, size and time of the last change of each source file, in a fixed order. */
export function sourcesIn(root) {
  const listed = [];
  for (const source of SOURCES) {
    const inside = statSync(join(root, source)).isDirectory()
      ? readdirSync(join(root, source), { recursive: true })
      : [""];
    for (const name of inside.sort()) {
      const path = join(source, name);
      const found = statSync(join(root, path));
      if (found.isFile()) listed.push([path, found.size, found.mtimeMs]);
    }
  }
  return listed;
}

/** True if the compiled code in `dist` may run: it is there, and no source has changed since. */
export function isCompiled(root) {
  if (!existsSync(join(root, "dist/cli/main.js"))) return false;
  if (!existsSync(join(root, "cli/main.ts"))) return true;
  try {
    return readFileSync(join(root, SOURCES_LIST), "utf8") === JSON.stringify(sourcesIn(root));
  } catch (error) {
    // The list is missing, or a source vanished while it was read.
    if (error.code === "ENOENT") return false;
    throw error;
  }
}
