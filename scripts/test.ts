/**
 * Runs the tests: `npm test` all of them, `npm test -- test/lib gateway/http` those whose path holds one of
 * the arguments. Options: `--test-name-pattern <regular expression>`, `--concurrency <files at once>`.
 * Exits with 1 if a test failed.
 */
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const SLOWEST_SHOWN = 10;
/** The slowest file takes three minutes on two cores: one that takes longer hangs, and fails by name. */
const FILE_MS_MAX = 15 * 60_000;

/** They start first, so that none of them runs alone at the end. */
export const LONGEST: readonly string[] = [
  "test/contract/warehouse-model.test.ts",
  "test/contract/warehouse.test.ts",
  "test/fuzz/api.test.ts",
  "test/flow/hostile-files.test.ts",
  "test/simulation/simulation.test.ts",
  "test/docs/tutorial.test.ts",
  "test/cli/quality.test.ts",
  "test/cli/commands.test.ts",
  "test/cli/serve.test.ts",
  "test/services/gateway/access/api-keys.test.ts",
  "test/flow/traces.test.ts",
];

/** Every test file below test/, the longest first, then by path: relative to the repository, with `/`. */
export function testFiles(): string[] {
  const found = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => `test/${path.replaceAll("\\", "/")}`)
    .sort();
  return [...LONGEST.filter((path) => found.includes(path)), ...found.filter((path) => !LONGEST.includes(path))];
}

/**
 * The files whose path holds one of the texts; without texts all files. A text may also be a path, relative
 * to the current folder.
 */
export function matching(files: readonly string[], texts: readonly string[]): string[] {
  if (texts.length === 0) return [...files];
  const wanted = texts.flatMap((text) => [text, relative(root, resolve(text))]).filter((text) => text !== "");
  return files.filter((file) => wanted.some((text) => file.includes(text)));
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      concurrency: { type: "string" },
      "test-name-pattern": { type: "string", multiple: true },
    },
  });
  const files = matching(testFiles(), positionals).map((path) => join(root, path));
  if (files.length === 0) {
    process.stderr.write(`No test file's path holds ${positionals.join(" or ")}\n`);
    process.exitCode = 1;
    return;
  }
  const patterns = values["test-name-pattern"];
  // One more than there are cores: some files mostly wait.
  const concurrency = Number(values.concurrency ?? availableParallelism() + 1);
  const results = run({
    files,
    concurrency,
    timeout: FILE_MS_MAX,
    ...(patterns ? { testNamePatterns: patterns } : {}),
  });
  const durations: { file: string; durationMs: number }[] = [];
  results.on("test:complete", ({ name, file, details }) => {
    if (file !== undefined && resolve(root, name) === file) durations.push({ file, durationMs: details.duration_ms });
  });
  results.on("test:fail", ({ todo }) => {
    if (todo === undefined || todo === false) process.exitCode = 1;
  });
  results.once("end", () => {
    const slowest = durations.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, SLOWEST_SHOWN);
    const line = ({ file, durationMs }: (typeof durations)[number]): string =>
      `# ${(durationMs / 1000).toFixed(1).padStart(6)} s  ${relative(root, file)}\n`;
    process.stderr.write(`# slowest files:\n${slowest.map(line).join("")}`);
  });
  // The TAP reporter does not print an error's cause. fast-check gives the error of a property as a cause.
  results.pipe(new spec()).pipe(process.stdout);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
