import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../../scripts/tributary-process.ts";
import { until } from "../support/until.ts";

/** The package as npm makes it of a clone, and what it runs: compiled code, without the sources beside it. */
const root = fileURLToPath(new URL("../..", import.meta.url));
const CLONED = [
  ...["bin", "cli", "lib", "services", "schemas", "docs", "scripts"],
  ...["package.json", "tsconfig.json", "tsconfig.build.json", "README.md", "CHANGELOG.md", "LICENSE", "NOTICE"],
];
const START_RUNS = 5;
/** To a bare `node -e 0`. Measured: 2.1 for --version and 2.5 for status; 12 with the imports of all commands. */
const START_RATIO_MAX = 3.5;
const STATUS_RATIO_MAX = 4.5;
let folder: string;
let clone: string;
let archive: string;
/** A global installation: the package in a prefix, and the link to its command. */
let installed: string;
let command: string;

before(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "tributary-package-")));
  clone = join(folder, "clone");
  mkdirSync(clone);
  for (const path of CLONED) cpSync(join(root, path), join(clone, path), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  execFileSync(process.execPath, [join(clone, "scripts/build.mjs")]);
  // What prepack does before it builds is checked by a step of its own.
  execFileSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], { cwd: clone });
  archive = join(
    folder,
    readdirSync(folder).find((name) => name.endsWith(".tgz"))!,
  );
  execFileSync("tar", ["-xzf", archive], { cwd: folder });
  installed = join(folder, "prefix/lib/node_modules/tributary");
  mkdirSync(join(folder, "prefix/lib/node_modules"), { recursive: true });
  renameSync(join(folder, "package"), installed);
  symlinkSync(join(root, "node_modules"), join(installed, "node_modules"));
  mkdirSync(join(folder, "prefix/bin"));
  command = join(folder, "prefix/bin/tributary");
  symlinkSync("../lib/node_modules/tributary/bin/tributary.mjs", command);
});
after(() => rmSync(folder, { recursive: true, force: true }));

const env = { ...process.env, TRIBUTARY_URL: "", TRIBUTARY_API_KEY: "" };
const run = (program: string, args: readonly string[], cwd = folder) =>
  spawnSync(process.execPath, [program, ...args], { cwd, encoding: "utf8", env });

/** The version that a clone's command prints, whose compiled code has another one than its sources. */
const versionOf = (from: string): string => run(join(from, "bin/tributary.mjs"), ["--version"]).stdout.trim();

test("the package holds compiled code and what it reads, but no sources, tests or contracts of ours", () => {
  const pages = ["CHANGELOG.md", "LICENSE", "NOTICE", "README.md"];
  const expected = [...pages, "bin", "dist", "docs", "node_modules", "package.json"];
  assert.deepEqual(readdirSync(installed).sort(), expected);
  const files = readdirSync(join(installed, "dist"), { recursive: true }) as string[];
  assert.deepEqual(
    files.filter((name) => /\.(ts|map)$/.test(name)),
    [],
  );
  const { version, scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
    scripts: Record<string, string>;
  };
  assert.match(scripts["prepack"]!, /typecheck.*build/);
  assert.equal(run(command, ["--version"]).stdout, `${version}\n`);
  assert.match(run(command, ["contract", "schema"]).stdout, /"\$schema"/);
});

test("the package holds the pages that its messages name, and needs no package that npm leaves out", () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const code = (readdirSync(join(installed, "dist"), { recursive: true }) as string[])
    .filter((name) => name.endsWith(".js") && !name.startsWith("services/gateway/console/static"))
    .map((name) => readFileSync(join(installed, "dist", name), "utf8"));
  const named = code.flatMap((text) =>
    [...text.matchAll(/\bdocs\/[\w/-]+\.(?:md|schema\.json)\b/g)].map(([path]) => path),
  );
  assert.ok(named.length > 5, String(named));
  assert.deepEqual(
    named.filter((path) => ![installed, join(installed, "dist")].some((from) => existsSync(join(from, path)))),
    [],
  );
  const specifier = /(?:^import |^(?:import|export) .* from |\bimport\()"((?:@[\w-]+\/)?[a-z][\w.-]*)(?:\/[^"]*)?"/gm;
  const imported = code.flatMap((text) => [...text.matchAll(specifier)].map(([, name]) => name!));
  assert.ok(imported.includes("fastify") && imported.includes("@duckdb/node-api"), imported.join(" "));
  assert.deepEqual(
    [...new Set(imported)].filter((name) => !(name in dependencies)),
    [],
  );
});

test("the command serves from any folder, says where its data is, and loads a file", { timeout: 120_000 }, async () => {
  const [port, place] = [await freePort(), join(folder, "somewhere")];
  mkdirSync(place);
  const data = join(place, ".tributary");
  assert.ok(run(command, ["serve", "--help"], place).stdout.replace(/\s+/g, "").includes(data), "--help names it");
  const server = spawn(process.execPath, [command, "serve", "--port", String(port)], {
    cwd: place,
    env,
    stdio: ["ignore", "inherit", "pipe"],
  });
  let log = "";
  server.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  try {
    const url = `http://127.0.0.1:${port}`;
    const ready = () =>
      fetch(`${url}/readyz`).then(
        async (response) => (await response.text(), response.ok),
        () => false,
      );
    await until("the package serves", async () => server.exitCode !== null || (await ready()), 60_000);
    await until("it says where", () => log.includes(`data in ${data} (new)`), 10_000);
    writeFileSync(join(folder, "a.csv"), "id\n1\n2\n");
    const sent = run(command, ["--url", url, "upload", "t", "a.csv", "--wait"]);
    assert.equal(sent.status, 0, sent.stderr);
    const answer = run(command, ["--url", url, "--json", "query", "SELECT sum(id) AS n FROM t"]).stdout;
    assert.deepEqual((JSON.parse(answer) as { rows: unknown }).rows, [[3]]);
    assert.equal((await fetch(`${url}/`)).status, 200, "the console");
    assert.deepEqual(readdirSync(place), [".tributary"], "nothing beside its data folder");
    assert.ok(existsSync(join(data, "lakehouse.duckdb")));
  } finally {
    server.kill("SIGTERM");
    if (server.exitCode === null) await once(server, "exit");
  }
});

const fromRegistry = process.env["REQUIRE_REGISTRY"] === "1" ? false : "downloads packages: set REQUIRE_REGISTRY=1";
test("npm installs the package, and npx runs it", { skip: fromRegistry, timeout: 300_000 }, () => {
  const prefix = join(folder, "global");
  execFileSync("npm", ["install", "--global", "--prefix", prefix, "--no-audit", "--no-fund", archive], { cwd: folder });
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const printed = execFileSync(join(prefix, "bin/tributary"), ["--version"], { cwd: folder, encoding: "utf8" });
  assert.equal(printed, `${version}\n`);
  const options = ["--yes", "--package", archive, "tributary", "serve", "--help"];
  assert.match(execFileSync("npx", options, { cwd: folder, encoding: "utf8" }), /^Usage: tributary serve/);
});

test("a clone runs compiled code only as long as no source has changed", () => {
  const manifest = JSON.parse(readFileSync(join(clone, "package.json"), "utf8")) as { version: string };
  const marked = { ...manifest, version: "0.0.0-compiled" };
  writeFileSync(join(clone, "dist/package.json"), JSON.stringify(marked));
  assert.equal(versionOf(clone), marked.version);
  writeFileSync(join(clone, "lib/new.ts"), "");
  assert.equal(versionOf(clone), manifest.version, "a source more");
  rmSync(join(clone, "lib/new.ts"));
  assert.equal(versionOf(clone), marked.version);
  const list = readFileSync(join(clone, "dist/sources.json"));
  rmSync(join(clone, "dist/sources.json"));
  assert.equal(versionOf(clone), manifest.version, "a build that did not end");
  writeFileSync(join(clone, "dist/sources.json"), list);
  utimesSync(join(clone, "lib/own.ts"), 0, 0);
  assert.equal(versionOf(clone), manifest.version, "a source that was replaced by an older one");
});

/** CPU time of a start in milliseconds, its least of some runs: other processes only add to it. */
async function startMs(args: readonly string[]): Promise<number> {
  const hook = join(folder, "cpu.cjs");
  writeFileSync(hook, 'process.on("exit", () => process._rawDebug("cpu", JSON.stringify(process.cpuUsage())));');
  const child = spawn(process.execPath, ["--require", hook, ...args], { cwd: folder, env });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const [code] = (await once(child, "close")) as [number];
  assert.equal(code, 0, `${out}${err}`);
  const { user, system } = JSON.parse(/^cpu (.*)$/m.exec(err)![1]!) as NodeJS.CpuUsage;
  return (user + system) / 1000;
}

test("the command starts in little more CPU time than Node", { timeout: 120_000 }, async (t) => {
  const gateway = createServer((_, response) => response.end('{"files":[]}')).listen(0, "127.0.0.1");
  await once(gateway, "listening");
  const { port } = gateway.address() as { port: number };
  const starts = {
    node: ["-e", "0"],
    version: [command, "--version"],
    status: [command, "--url", `http://127.0.0.1:${port}`, "status"],
  };
  const least = { node: Infinity, version: Infinity, status: Infinity };
  try {
    for (let n = 0; n < START_RUNS; n++) {
      for (const name of ["node", "version", "status"] as const) {
        least[name] = Math.min(least[name], await startMs(starts[name]));
      }
    }
  } finally {
    gateway.close();
  }
  t.diagnostic(JSON.stringify(least));
  assert.ok(least.version < START_RATIO_MAX * least.node, JSON.stringify(least));
  assert.ok(least.status < STATUS_RATIO_MAX * least.node, JSON.stringify(least));
});
