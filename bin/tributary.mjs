#!/usr/bin/env node
// The `tributary` command, from any folder: the compiled code, or in a clone that has changed since, its sources.
import module from "node:module";
import { fileURLToPath } from "node:url";
import { isCompiled } from "./compiled.mjs";

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 11)) {
  process.stderr.write(`Tributary requires Node 20.11 or newer; this is ${process.version}.\n`);
  process.exit(1);
}
if (isCompiled(fileURLToPath(new URL("../", import.meta.url)))) {
  // From Node 22.8. A start that finds its code in the cache does not compile it.
  module.enableCompileCache?.();
  await import("../dist/cli/main.js");
} else {
  const { register } = await import("tsx/esm/api");
  register({ tsconfig: fileURLToPath(new URL("../tsconfig.json", import.meta.url)) });
  await import("../cli/main.ts");
}
