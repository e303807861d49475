/** The module hook of register.mjs. A cached file is named by the hash of its source, so it is never stale. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../../", import.meta.url).href;
const packages = new URL("node_modules/", root).href;
const cache = fileURLToPath(new URL(".cache/tributary/typescript-1/", packages));

export async function load(url, context, nextLoad) {
  if (!url.endsWith(".ts") || !url.startsWith(root) || url.startsWith(packages)) return nextLoad(url, context);
  return { format: "module", shortCircuit: true, source: await javaScriptOf(fileURLToPath(url)) };
}

/** The file's JavaScript, with an inline source map. */
export async function javaScriptOf(path) {
  const text = readFileSync(path, "utf8");
  const cached = `${cache}${createHash("sha1")
    .update(path.slice(fileURLToPath(root).length))
    .update("\0")
    .update(text)
    .digest("hex")}.js`;
  try {
    return readFileSync(cached, "utf8");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  const { default: ts } = await import("typescript");
  const { outputText } = ts.transpileModule(text, {
    fileName: path,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
    },
  });
  mkdirSync(cache, { recursive: true });
  // Several processes may write the same file: a rename leaves no half of one.
  const own = `${cached}.${process.pid}`;
  writeFileSync(own, outputText);
  renameSync(own, cached);
  return outputText;
}
