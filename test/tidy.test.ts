/** The repository's rules, as a test. Every message says what to do instead. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { ERRORS } from "../lib/errors.ts";
import { pages } from "../scripts/generate-docs.ts";
import { generateTypes } from "../scripts/generate-types.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;

interface Source {
  path: string;
  text: string;
  tree: ts.SourceFile;
  /** Imported modules: repository paths for relative imports, package names otherwise. Type-only imports are marked. */
  imports: { from: string; typeOnly: boolean }[];
}

const sources = ["lib", "services", "cli"].flatMap((folder) => walk(join(root, folder))).map(readSource);
const has = (path: string) => existsSync(join(root, path));
const text = (path: string) => readFileSync(join(root, path), "utf8");

test("imports point one way: schemas ← lib/messages ← ports ← services", () => {
  const FOUNDATION = "errors|clock|retry|columns";
  const lib = (folders: string) => new RegExp(`^lib/((${FOUNDATION})\\.ts$|(${folders})/)`);
  const service = (name: string): [RegExp, RegExp, string] => [
    new RegExp(`^services/${name}/`),
    new RegExp(`^(lib/|services/${name}/)`),
    "services never import each other: move what both need into lib/",
  ];
  const LAYERS: [RegExp, RegExp, string][] = [
    [/^lib\/[a-z-]+\.ts$/, new RegExp(`^lib/(${FOUNDATION})\\.ts$`), "foundation files import only each other"],
    [/^lib\/messages\//, lib("messages"), "messages know only the foundation"],
    [/^lib\/contract\//, lib("contract|messages"), "contracts know only messages and the foundation"],
    [
      /^lib\/(text|typing|rows|formats|parsing)\//,
      lib("text|typing|rows|formats|parsing|contract|messages"),
      "reading a file knows no port",
    ],
    [/^lib\/blob\//, lib("blob"), "a port knows no other port and no service"],
    [/^lib\/event-log\//, lib("event-log|messages"), "a port knows no other port and no service"],
    [
      /^lib\/warehouse\//,
      new RegExp(`^lib/((${FOUNDATION})\\.ts$|(warehouse|messages|rows)/|blob/blob-store)`),
      "the warehouse may use a BlobStore handed in, nothing else",
    ],
    [/^lib\/maintenance\//, lib("maintenance"), "when a table needs maintenance is a pure rule"],
    [/^lib\/process\//, lib("process|messages"), "lib/process is about running a process"],
    [
      /^lib\/observability\//,
      lib("observability|process|messages|event-log"),
      "observability reads the log and the metrics",
    ],
    ...["gateway", "parser", "committer", "scheduler", "registrar"].map(service),
    [
      /^cli\//,
      /^(cli\/|lib\/|services\/main\.ts)/,
      "the CLI talks to the gateway by HTTP, and starts services/main.ts as a child",
    ],
  ];
  const faults = sources.flatMap((source) => {
    const layer = LAYERS.find(([from]) => from.test(source.path));
    if (!layer) return [];
    return source.imports
      .filter(({ from }) => from.startsWith("lib/") || from.startsWith("services/") || from.startsWith("cli/"))
      .filter(({ from }) => !layer[1].test(from))
      .filter(({ from }) => !(from === "services/ports.ts" && source.path.endsWith("/main.ts")))
      .map(({ from }) => `${source.path} imports ${from}: ${layer[2]}`);
  });
  assert.deepEqual(faults, []);
});

test("only main.ts opens adapters and reads process.env", () => {
  const faults = sources.flatMap((source) => {
    const isMain = /(^services\/((\w+\/)?main|ports)\.ts$)|(^cli\/)/.test(source.path);
    const opens = source.imports.filter(({ from }) => /^lib\/(blob|event-log|warehouse)\/open\.ts$/.test(from));
    return [
      ...(isMain || opens.length === 0 ? [] : [`${source.path} opens an adapter: take the port as an argument`]),
      ...(isMain || !/process\.env/.test(source.text)
        ? []
        : [`${source.path} reads process.env: take a setting as an argument`]),
    ];
  });
  assert.deepEqual(faults, []);
});

test("services know ports, not adapters", () => {
  const faults = sources
    .filter(({ path }) => path.startsWith("services/") && !path.endsWith("main.ts"))
    .flatMap((source) =>
      source.imports
        .filter(({ from }) => /^lib\/(blob|event-log|warehouse)\/(s3|file|kafka|embedded|trino|duckdb)\//.test(from))
        .map(({ from }) => `${source.path} imports the adapter ${from}: use the port's interface`),
    );
  assert.deepEqual(faults, []);
});

test("each package has one home", () => {
  const HOMES: Record<string, RegExp> = {
    kafkajs: /^lib\/event-log\/kafka\//,
    lmdb: /^lib\/event-log\/embedded\//,
    "@aws-sdk/client-s3": /^lib\/blob\/s3\//,
    "trino-client": /^lib\/warehouse\/trino\//,
    "@duckdb/node-api": /^lib\/warehouse\/(duckdb|staging)\//,
    "csv-parse": /^lib\/formats\/csv\/records\.ts$/,
    "prom-client": /^lib\/process\/metrics\.ts$/,
    fastify: /^(services\/gateway\/|lib\/process\/http\.ts$)/,
    avsc: /^(lib\/messages\/avro\.ts|lib\/rows\/|lib\/warehouse\/)/,
    zod: /^(lib\/contract\/|lib\/process\/config\.ts$|services\/\w+\/config\.ts$|services\/gateway\/)/,
    pino: /^lib\/process\/logger\.ts$/,
    jose: /^services\/gateway\/access\/oidc\.ts$/,
    "@opentelemetry/api": /^lib\/process\/tracing-otlp\.ts$/,
    "@opentelemetry/sdk-trace": /^lib\/process\/tracing-otlp\.ts$/,
    "@opentelemetry/exporter-trace-otlp-http": /^lib\/process\/tracing-otlp\.ts$/,
    "@opentelemetry/resources": /^lib\/process\/tracing-otlp\.ts$/,
    croner: /^services\/scheduler\//,
    commander: /^cli\//,
  };
  const faults = sources.flatMap((source) =>
    source.imports
      .filter(({ from }) => HOMES[from] && !HOMES[from].test(source.path))
      .map(({ from }) => `${source.path} imports ${from}, whose home is ${HOMES[from]!.source}: call what lives there`),
  );
  assert.deepEqual(faults, []);
  for (const name of [
    "kafkajs",
    "@aws-sdk/client-s3",
    "trino-client",
    "csv-parse",
    "zod",
    "fastify",
    "prom-client",
    "avsc",
  ]) {
    assert.ok(
      sources.some(({ imports }) => imports.some(({ from }) => from === name)),
      `${name} is not used any more`,
    );
  }
});

test("real time is read only in lib/clock.ts", () => {
  const faults = sources
    .filter(({ path }) => !/^(lib\/clock\.ts|lib\/process\/run\.ts|cli\/)/.test(path))
    .filter((source) =>
      /\bDate\.now\(|\bnew Date\(\)|(?<![.\w])set(Timeout|Interval)\(|performance\.now\(/.test(withoutComments(source)),
    )
    .map(({ path }) => `${path} reads real time: take a Clock (lib/clock.ts)`);
  assert.deepEqual(faults, []);
});

test("files and functions hold one idea", () => {
  const faults = sources.flatMap((source) => {
    const lines = source.text.split("\n").length;
    const long = lines > FILE_LINES_MAX && !source.path.endsWith("generated.ts");
    return [
      ...(long ? [`${source.path} has ${lines} lines: split it at ${FILE_LINES_MAX}`] : []),
      ...functionsOf(source.tree)
        .filter(({ length }) => length > FUNCTION_LINES_MAX)
        .map(({ name, length }) => `${source.path}: ${name} has ${length} lines: split it at ${FUNCTION_LINES_MAX}`),
    ];
  });
  assert.deepEqual(faults, []);
});

test("no folder or file called utils, helpers, common, shared or misc", () => {
  const faults = sources
    .filter(({ path }) => /(^|\/)(utils?|helpers?|common|shared|misc)(\/|\.ts)/.test(path))
    .map(({ path }) => path);
  assert.deepEqual(faults, [], "name it after what it is about");
});

test("no import cycles", () => {
  const graph = new Map(
    sources.map(({ path, imports }) => [path, imports.filter(({ typeOnly }) => !typeOnly).map(({ from }) => from)]),
  );
  const done = new Set<string>();
  const visit = (path: string, trail: string[]): void => {
    assert.ok(!trail.includes(path), `import cycle: ${[...trail, path].join(" → ")}`);
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
});

test("no dead files: everything is imported, or is an entry", () => {
  const imported = new Set(sources.flatMap(({ imports }) => imports.map(({ from }) => from)));
  const entries = /(main\.ts$)|(-worker\.ts$)/;
  const used = walk(join(root, "test"))
    .concat(walk(join(root, "scripts")), walk(join(root, "bench")))
    .map(readSource);
  const elsewhere = new Set(used.flatMap(({ imports }) => imports.map(({ from }) => from)));
  const dead = sources.filter(({ path }) => !imported.has(path) && !entries.test(path) && !path.endsWith(".d.ts"));
  assert.deepEqual(
    dead.filter(({ path }) => !elsewhere.has(path)).map(({ path }) => path),
    [],
    "import it or delete it",
  );
});

test("the pages about errors, metrics and settings are fresh", async () => {
  for (const [path, page] of Object.entries(await pages()))
    assert.equal(text(path), page, `${path}: run \`npm run generate\``);
});

test("every error code is raised somewhere", () => {
  const all = sources
    .filter(({ path }) => path !== "lib/errors.ts")
    .map((source) => source.text)
    .join("\n");
  const unused = Object.keys(ERRORS).filter((code) => !all.includes(code));
  assert.deepEqual(unused, [], "raise it or remove it");
});

test("dashboards and alerts name only metrics that exist", () => {
  const defined = [...text("docs/metrics.md").matchAll(/^\| `(tributary_[a-z0-9_]+)`/gm)].map((match) => match[1]!);
  const known = new Set(defined.flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]));
  const users = ["infra/prometheus", "infra/grafana"].flatMap((folder) => walk(join(root, folder), /\.(ya?ml|json)$/));
  for (const path of users) {
    const named = [...readFileSync(path, "utf8").matchAll(/\btributary_[a-z0-9_]+/g)].map(([name]) => name);
    const unknown = named.filter((name) => !known.has(name) && !name.startsWith("tributary_sim_"));
    assert.deepEqual(unknown, [], `${relative(root, path)} names metrics that no service exports`);
  }
});

test("lib/messages/generated.ts is fresh", () => {
  assert.equal(text("lib/messages/generated.ts"), generateTypes(join(root, "schemas")), "run `npm run generate`");
});

test("the changelog has an Unreleased heading", () => {
  assert.match(text("CHANGELOG.md"), /^## Unreleased$/m);
});

test("decision records are numbered without gaps and say context, decision, consequence", () => {
  const records = readdirSync(join(root, "docs/decisions")).sort();
  records.forEach((name, index) => {
    assert.match(name, new RegExp(`^${String(index + 1).padStart(4, "0")}-[a-z0-9-]+\\.md$`));
    for (const heading of ["## Context", "## Decision", "## Consequence"]) {
      assert.ok(text(`docs/decisions/${name}`).includes(heading), `${name} lacks ${heading}`);
    }
  });
});

test("nothing names the place where it was written, and no file is stray", () => {
  const tracked = execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).trim().split("\n").filter(has);
  const suspicious = /\/work\/|\/tmp\/(brief|lab|stack|trino)\b|farm-/;
  for (const path of tracked) {
    if (path === "test/tidy.test.ts" || /\.(png|jpg|gz|zst|ico)$/.test(path)) continue;
    assert.ok(!suspicious.test(text(path)), `${path} names a path or tool of somebody's machine`);
  }
});

function walk(folder: string, pattern = /\.ts$/): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return walk(path, pattern);
    return pattern.test(entry.name) ? [path] : [];
  });
}

function readSource(path: string): Source {
  const content = readFileSync(path, "utf8");
  const tree = ts.createSourceFile(path, content, ts.ScriptTarget.ES2023, true);
  const imports: Source["imports"] = [];
  const add = (specifier: string, typeOnly: boolean) => {
    if (specifier.startsWith("node:")) return;
    const from = specifier.startsWith(".")
      ? relative(root, resolve(dirname(path), specifier))
      : specifier
          .split("/")
          .slice(0, specifier.startsWith("@") ? 2 : 1)
          .join("/");
    imports.push({ from, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument && ts.isStringLiteral(argument)) add(argument.text, true);
    } else if (ts.isNewExpression(node) && node.expression.getText() === "URL") {
      const [argument] = node.arguments ?? [];
      if (argument && ts.isStringLiteral(argument) && argument.text.endsWith(".ts")) add(argument.text, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { path: relative(root, path), text: content, tree, imports };
}

function functionsOf(tree: ts.SourceFile): { name: string; length: number }[] {
  const found: { name: string; length: number }[] = [];
  const lineOf = (position: number) => tree.getLineAndCharacterOfPosition(position).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body) {
      const name = node.name?.getText() ?? `function at line ${lineOf(node.getStart()) + 1}`;
      found.push({ name, length: lineOf(node.end) - lineOf(node.getStart()) + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

function withoutComments(source: Source): string {
  return source.text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}
