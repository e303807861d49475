/** The repository's rules, as a test. Every message says what to do instead. The rules: tidy/rules.ts. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ERRORS } from "../lib/errors.ts";
import { pages } from "../scripts/generate-docs.ts";
import { generateTypes } from "../scripts/generate-types.ts";
import { LONGEST, matching, testFiles } from "../scripts/test.ts";
import {
  clockFaults,
  compositionFaults,
  cycleFaults,
  deadFaults,
  folderFaults,
  layerFaults,
  nameFaults,
  packageFaults,
  proseFaults,
  siblingRouteFaults,
  sizeFaults,
  sqlFaults,
  vendorFaults,
} from "./tidy/rules.ts";
import { anchorsOf, htmlLinesOf, linksOf, readSources, walk } from "./tidy/sources.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const sources = readSources(root, "lib", "services", "cli");
const scripts = readSources(root, "scripts", "bench");
const tests = readSources(root, "test");
const has = (path: string) => existsSync(join(root, path));
const text = (path: string) => readFileSync(join(root, path), "utf8");
const tracked = execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).trim().split("\n").filter(has);

/** Importers of a vendor's folder other than the port's open.ts. */
const VENDOR_USERS = new Set([
  // Superset reads Trino's tables, so it needs the names that internal tables have there.
  "services/registrar/main.ts lib/warehouse/trino/names.ts",
  // Making buckets is not in the port: only the local stack and compose's init job do it.
  "scripts/stack/prepare.ts lib/blob/s3/s3-store.ts",
  // Nor is making the bucket of the REST catalog's tables.
  "scripts/stack/prepare.ts lib/warehouse/iceberg/catalog/sigv4.ts",
  // The doctor examines a catalog before a warehouse is opened on it.
  "cli/catalog/given.ts lib/warehouse/iceberg/catalog/options.ts",
  "cli/catalog/doctor.ts lib/warehouse/iceberg/catalog/options.ts",
  "cli/catalog/doctor.ts lib/warehouse/iceberg/doctor/examine.ts",
  "cli/catalog/doctor.ts lib/warehouse/iceberg/doctor/report.ts",
  // A move goes from one catalog to another, between which no warehouse stands.
  "cli/catalog/register.ts lib/warehouse/iceberg/catalog/options.ts",
  "cli/catalog/register.ts lib/warehouse/iceberg/catalog/rest-catalog.ts",
  "cli/catalog/register.ts lib/warehouse/iceberg/moving/register.ts",
  "cli/catalog/register.ts lib/warehouse/trino/move-source.ts",
  // The spill writes Parquet files with DuckDB, whatever the warehouse.
  "lib/warehouse/staging/parquet-spill.ts lib/warehouse/duckdb-engine/dialect.ts",
  // The view of checked rows is in Trino's SQL, the dialect of views that most engines read.
  "lib/warehouse/iceberg/published.ts lib/warehouse/trino/dialect.ts",
  // The benchmark compares statements that it makes itself.
  "bench/checks.ts lib/warehouse/duckdb-engine/dialect.ts",
  "bench/checks.ts lib/warehouse/trino/dialect.ts",
]);

const HOT = "called for each value or record: an object each time would cost";
const WAREHOUSE = "an internal of one adapter, about to be divided";
const PLAIN = "distinct things, each named once at the only call";

/** Functions with more than four parameters, and why. */
const MANY_PARAMETERS = new Map([
  ["lib/event-log/embedded/retention.ts scanAll", PLAIN],
  ["lib/event-log/kafka/kafka-log.ts #read", PLAIN],
  ["lib/formats/csv/records.ts #emitPlain", HOT],
  ["lib/typing/cast.ts cast", HOT],
  ["lib/typing/cast.ts castInferred", HOT],
  ["lib/typing/cast.ts castDeclared", HOT],
  ["lib/typing/date-formats.ts readPiece", HOT],
  ["lib/warehouse/staging/chunk.ts fillValues", HOT],
  ["lib/warehouse/trino/commit/commit.ts mergeAnyPartitions", WAREHOUSE],
  ["lib/warehouse/trino/maintenance/maintain.ts maintainTable", WAREHOUSE],
  ["services/committer/lane/parse-attempts.ts #end", PLAIN],
  ["services/parser/file-run.ts parseOnce", PLAIN],
  ["cli/replay.ts replay", PLAIN],
  ["cli/top.ts watch", PLAIN],
  ["lib/warehouse/trino/commit/row-source.ts withRows", PLAIN],
]);

const PACKAGE_HOMES = new Map(
  Object.entries({
    kafkajs: /^lib\/event-log\/kafka\//,
    lmdb: /^lib\/event-log\/embedded\//,
    "@aws-sdk/client-s3": /^lib\/blob\/s3\//,
    "trino-client": /^lib\/warehouse\/trino\//,
    "@duckdb/node-api": /^lib\/warehouse\/(duckdb|duckdb-engine|iceberg|staging)\//,
    "csv-parse": /^lib\/formats\/csv\/reading\/unescape\.ts$/,
    "prom-client": /^lib\/process\/metrics\.ts$/,
    fastify: /^(services\/gateway\/|lib\/process\/http\.ts$)/,
    avsc: /^(lib\/messages\/avro\.ts|lib\/rows\/|lib\/warehouse\/)/,
    "@smithy/signature-v4": /^lib\/warehouse\/iceberg\/catalog\/sigv4\.ts$/,
    zod: /^(lib\/schema-faults\.ts$|lib\/contract\/|lib\/formats\/|lib\/warehouse\/iceberg\/catalog\/|lib\/process\/config\.ts$|services\/\w+\/config\.ts$|services\/gateway\/)/,
    pino: /^lib\/process\/logger\.ts$/,
    jose: /^services\/gateway\/access\/oidc\.ts$/,
    "@opentelemetry/api": /^lib\/process\/tracing-otlp\.ts$/,
    "@opentelemetry/sdk-trace": /^lib\/process\/tracing-otlp\.ts$/,
    "@opentelemetry/exporter-trace-otlp-http": /^lib\/process\/tracing-otlp\.ts$/,
    "@opentelemetry/resources": /^lib\/process\/tracing-otlp\.ts$/,
    jsep: /^lib\/rules\//,
    croner: /^services\/scheduler\//,
    commander: /^cli\//,
  }),
);

test("imports point one way: schemas ← lib/messages ← ports ← services", () => {
  assert.deepEqual(layerFaults([...sources, ...scripts, ...tests]), []);
});

test("only main.ts and run-service.ts open adapters and read process.env", () => {
  assert.deepEqual(compositionFaults(sources), []);
});

test("only a port's open.ts imports a vendor's folder", () => {
  assert.deepEqual(vendorFaults([...sources, ...scripts], VENDOR_USERS), []);
  const imports = [...sources, ...scripts].flatMap(({ path, imports }) => imports.map(({ from }) => `${path} ${from}`));
  assert.deepEqual(stale(VENDOR_USERS, new Set(imports)), [], "remove it from VENDOR_USERS");
});

test("services do not write SQL", () => {
  assert.deepEqual(sqlFaults(sources), []);
});

test("a capability of the gateway does not import another's routes", () => {
  assert.deepEqual(siblingRouteFaults(sources), []);
});

test("each package has one home", () => {
  assert.deepEqual(packageFaults(sources, PACKAGE_HOMES), []);
  const used = new Set(sources.flatMap(({ imports }) => imports.map(({ from }) => from)));
  assert.deepEqual(stale(new Set(PACKAGE_HOMES.keys()), used), [], "not used: remove it from PACKAGE_HOMES");
});

test("real time is read only in lib/clock.ts", () => {
  assert.deepEqual(clockFaults(sources), []);
});

test("files and functions hold one idea, and take few parameters", () => {
  assert.deepEqual(sizeFaults(sources, MANY_PARAMETERS), []);
  const faults = sizeFaults(sources, new Map());
  const unneeded = [...MANY_PARAMETERS.keys()].filter(
    (entry) => !faults.some((fault) => fault.startsWith(`${entry.replace(" ", ": ")} has`)),
  );
  assert.deepEqual(unneeded, [], "remove it from MANY_PARAMETERS");
});

test("folders hold few files, and files that share a prefix have a folder", () => {
  assert.deepEqual(folderFaults([...sources, ...scripts]), []);
});

test("no folder or file called utils, helpers, common, shared or misc", () => {
  assert.deepEqual(nameFaults([...sources, ...scripts]), []);
});

test("no import cycles, of types neither", () => {
  assert.deepEqual(cycleFaults([...sources, ...scripts, ...tests]), []);
});

test("no dead files: everything is imported, or is an entry", () => {
  assert.deepEqual(deadFaults(sources, [...scripts, ...tests]), []);
});

test("comments end before column 110", () => {
  const written = [...sources, ...scripts].filter(({ path }) => !path.endsWith("generated.ts"));
  assert.deepEqual(proseFaults(written, ["lib", "services", "cli", "scripts", "bench"]), []);
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
  const users = ["infra/prometheus", "infra/grafana", "infra/helm"].flatMap((folder) =>
    walk(root, folder, /\.(ya?ml|json)$/),
  );
  for (const path of users) {
    const named = [...text(path).matchAll(/\btributary_[a-z0-9_]+/g)].map(([name]) => name);
    const unknown = named.filter((name) => !known.has(name) && !name.startsWith("tributary_sim_"));
    assert.deepEqual(unknown, [], `${path} names metrics that no service exports`);
  }
});

test("lib/messages/generated.ts is fresh", () => {
  assert.equal(text("lib/messages/generated.ts"), generateTypes(join(root, "schemas")), "run `npm run generate`");
});

test("npm test runs every test file, wherever it is, and takes paths", () => {
  // Also files that are not committed yet.
  const listed = ["ls-files", "--cached", "--others", "--exclude-standard"];
  const named = execFileSync("git", listed, { cwd: root, encoding: "utf8" })
    .split("\n")
    .filter((path) => /\.(test|spec)\.[cm]?[jt]sx?$/.test(path) && has(path));
  assert.deepEqual(testFiles().toSorted(), named.toSorted(), "tests are test/**/*.test.ts");
  const gone = LONGEST.filter((path) => !has(path));
  assert.deepEqual(gone, [], "scripts/test.ts: LONGEST names files that are not there");
  const one = "test/tidy.test.ts";
  for (const text of [one, "tidy", "./test/tidy.test.ts", join(root, one)]) {
    assert.deepEqual(matching([one, "test/x.test.ts"], [text]), [one], text);
  }
});

test("the changelog has an Unreleased heading", () => {
  assert.match(text("CHANGELOG.md"), /^## Unreleased$/m);
});

test("decision records are numbered without gaps and say context, decision, consequence", () => {
  const records = readdirSync(join(root, "docs/decisions"))
    .filter((name) => name !== "README.md")
    .sort();
  records.forEach((name, index) => {
    assert.match(name, new RegExp(`^${String(index + 1).padStart(4, "0")}-[a-z0-9-]+\\.md$`));
    for (const heading of ["## Context", "## Decision", "## Consequence"]) {
      assert.ok(text(`docs/decisions/${name}`).includes(heading), `${name} lacks ${heading}`);
    }
  });
});

test("every relative link of a page leads to a file and a heading that exist", () => {
  const faults = tracked
    .filter((path) => path.endsWith(".md"))
    .flatMap((path) =>
      linksOf(text(path)).flatMap(({ target, line }) => {
        const [file, anchor] = decodeURI(target).split("#");
        const linked = file === "" ? path : normalize(join(dirname(path), file!));
        if (!has(linked)) return [`${path}:${line} links ${target}: no such file`];
        if (anchor === undefined || !linked.endsWith(".md") || anchorsOf(text(linked)).has(anchor)) return [];
        return [`${path}:${line} links ${target}: ${linked} has no such heading`];
      }),
    );
  assert.deepEqual(faults, []);
});

test("no line of a page begins as HTML, which would end its paragraph", () => {
  const faults = tracked
    .filter((path) => path.endsWith(".md"))
    .flatMap((path) => htmlLinesOf(text(path)).map((line) => `${path}:${line}: write \`<…>\` within the line`));
  assert.deepEqual(faults, []);
});

test("nothing names the place where it was written, and no file is stray", () => {
  const suspicious = /\/work\/|\/tmp\/(brief|lab|stack|trino)\b|farm-/;
  for (const path of tracked) {
    if (path === "test/tidy.test.ts" || /\.(png|jpg|gz|zst|ico)$/.test(path)) continue;
    assert.ok(!suspicious.test(text(path)), `${path} names a path or tool of somebody's machine`);
  }
});

/** Entries of a list of exceptions that are no longer needed. */
function stale(exceptions: ReadonlySet<string>, needed: ReadonlySet<string>): string[] {
  return [...exceptions].filter((exception) => !needed.has(exception));
}
