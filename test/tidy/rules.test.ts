/** Each rule finds what it is for, in a small tree that breaks it, and nothing in one that does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
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
} from "./rules.ts";
import { anchorsOf, functionsOf, htmlLinesOf, linksOf, parseSource, withoutComments, type Source } from "./sources.ts";

const NONE: ReadonlySet<string> = new Set();
const tree = (files: Record<string, string>): Source[] =>
  Object.entries(files).map(([path, text]) => parseSource(path, text));

function assertFinds(faults: readonly string[], ...expected: RegExp[]): void {
  assert.equal(faults.length, expected.length, faults.join("\n"));
  expected.forEach((pattern, n) => assert.match(faults[n]!, pattern));
}

test("layers: imports upwards and sideways, and files in no layer", () => {
  const faults = layerFaults(
    tree({
      "lib/errors.ts": `import type { Codec } from "./messages/avro.ts";`,
      "lib/blob/open.ts": `import { log } from "../event-log/open.ts"; import { messageOf } from "../errors.ts";`,
      "services/parser/service.ts": `import { x } from "../gateway/service.ts"; import { y } from "../run-service.ts";`,
      "services/parser/main.ts": `import { y } from "../run-service.ts"; import { z } from "./service.ts";`,
      "services/ports.ts": `import { z } from "./parser/service.ts";`,
      "scripts/x.ts": `import { z } from "../services/parser/service.ts";`,
      "lib/novel/x.ts": ``,
    }),
  );
  assertFinds(
    faults,
    /^lib\/errors.ts imports lib\/messages\/avro.ts: foundation/,
    /^lib\/blob\/open.ts imports lib\/event-log\/open.ts: a port/,
    /^services\/parser\/service.ts imports services\/gateway\/service.ts: services never/,
    /^services\/parser\/service.ts imports services\/run-service.ts: services never/,
    /^services\/ports.ts imports services\/parser\/service.ts: the composition root/,
    /^scripts\/x.ts imports services\/parser\/service.ts/,
    /^lib\/novel\/x.ts is in no layer: add/,
  );
});

test("composition: an adapter opened and the environment read outside the roots", () => {
  const bad = `import { openBlobStore } from "../../lib/blob/open.ts"; const level = process.env["LEVEL"];`;
  const faults = compositionFaults(tree({ "services/parser/x.ts": bad, "services/run-service.ts": bad }));
  assertFinds(faults, /^services\/parser\/x.ts opens an adapter/, /^services\/parser\/x.ts reads process.env/);
  assertFinds(compositionFaults(tree({ "lib/x.ts": "// process.env is read in main.ts\n" })));
});

test("vendors: only open.ts and the folder itself, and what is allowed", () => {
  const sources = tree({
    "lib/blob/open.ts": `import { S3Store } from "./s3/s3-store.ts";`,
    "lib/blob/s3/s3-store.ts": `import { client } from "./client.ts";`,
    "services/parser/x.ts": `import type { S3Options } from "../../lib/blob/s3/s3-store.ts";`,
  });
  assertFinds(
    vendorFaults(sources, NONE),
    /^services\/parser\/x.ts imports lib\/blob\/s3\/s3-store.ts: use the interf/,
  );
  assertFinds(vendorFaults(sources, new Set(["services/parser/x.ts lib/blob/s3/s3-store.ts"])));
});

test("SQL: in a service's code, not in its comments", () => {
  const sources = tree({
    "services/gateway/a.ts": "const sql = `SELECT 1`;",
    "services/gateway/b.ts": `const sql = 'x FROM "t"';`,
    "services/gateway/c.ts": "/** Answers one SELECT of the caller. */\nconst selected = 1; // INSERT comes later",
    "lib/warehouse/sql/sql.ts": "const sql = `SELECT 1`;",
  });
  assertFinds(sqlFaults(sources), /^services\/gateway\/a.ts writes SQL/, /^services\/gateway\/b.ts writes SQL/);
});

test("routes: of another capability, but for the server that assembles them", () => {
  const sources = tree({
    "services/gateway/http/server.ts": `import { add } from "../files/routes.ts";`,
    "services/gateway/files/view.ts": `import { add } from "./routes.ts";`,
    "services/gateway/drops/x.ts": `import { add } from "../files/events-route.ts"; import "../files/view.ts";`,
  });
  assertFinds(siblingRouteFaults(sources), /^services\/gateway\/drops\/x.ts imports the routes .*events-route.ts/);
});

test("packages and real time: outside their homes", () => {
  const homes = new Map([["@aws-sdk/client-s3", /^lib\/blob\/s3\//]]);
  const use = `import { S3 } from "@aws-sdk/client-s3/commands";`;
  const sources = tree({ "lib/blob/s3/x.ts": use, "services/gateway/x.ts": use });
  assertFinds(packageFaults(sources, homes), /^services\/gateway\/x.ts imports @aws-sdk\/client-s3, whose home/);
  const timed = tree({
    "lib/clock.ts": "Date.now();",
    "lib/a.ts": "setTimeout(f, 1);",
    "lib/b.ts": "// Date.now() is not used\nsocket.setTimeout(1);",
  });
  assertFinds(clockFaults(timed), /^lib\/a.ts reads real time/);
});

test("sizes: long files, long functions, many parameters without a reason", () => {
  const lines = (n: number): string => "\n".repeat(n);
  const sources = tree({
    "lib/long.ts": lines(400),
    "lib/short.ts": `export const f = () => {${lines(69)}};`,
    "lib/function.ts": `export function f() {${lines(70)}}`,
    "lib/wide.ts": "const wide = (a, b, c, d, e) => a; class K { constructor(a, b, c, d, e) {} m(a, b, c, d) {} }",
  });
  assertFinds(
    sizeFaults(sources, new Map([["lib/wide.ts wide", "reason"]])),
    /^lib\/long.ts has 401 lines/,
    /^lib\/function.ts: f has 71 lines/,
    /^lib\/wide.ts: K.constructor has 5 parameters: pass an object/,
  );
});

test("folders: too many files, three with one prefix, and names that say nothing", () => {
  const many = Object.fromEntries(Array.from({ length: 15 }, (_, n) => [`lib/many/file${n}.ts`, ""]));
  const sources = tree({ ...many, "lib/a/x-1.ts": "", "lib/a/x-2.ts": "", "lib/a/x-3.ts": "", "lib/a/y-1.ts": "" });
  assertFinds(
    folderFaults(sources),
    /^lib\/many has 15 files: divide/,
    /^lib\/a: x-1.ts, .* make a folder lib\/a\/x\//,
  );
  assertFinds(nameFaults(tree({ "lib/utils/x.ts": "", "lib/helper.ts": "", "lib/commons.ts": "" })), /utils/, /helper/);
});

test("cycles: of types too, not through a worker thread's file", () => {
  const cycle = tree({
    "lib/a.ts": `import type { B } from "./b.ts";`,
    "lib/b.ts": `export { c } from "./c.ts";`,
    "lib/c.ts": `const a = await import("./a.ts");`,
  });
  assertFinds(cycleFaults(cycle), /^import cycle lib\/a.ts → lib\/b.ts → lib\/c.ts → lib\/a.ts/);
  const worker = tree({
    "lib/pool.ts": `new Worker(new URL("./parse-worker.ts", import.meta.url));`,
    "lib/parse-worker.ts": `import type { Job } from "./pool.ts";`,
  });
  assertFinds(cycleFaults(worker));
});

test("dead files: imported by nobody", () => {
  const sources = tree({ "lib/a.ts": "", "lib/b.ts": "", "services/main.ts": `import "../lib/a.ts";` });
  assertFinds(deadFaults(sources, []), /^lib\/b.ts is imported nowhere/);
  assertFinds(deadFaults(sources, tree({ "test/b.test.ts": `import "../lib/b.ts";` })));
});

test("prose: long comment lines in converted folders, not long code", () => {
  const long = "x".repeat(111);
  const text = `/**\n * ${long}\n */\nconst a = 1; // ${long}\nconst b = "// ${long}";\n`;
  const sources = tree({ "lib/a/x.ts": text, "lib/b/x.ts": text });
  assertFinds(proseFaults(sources, ["lib/a"]), /^lib\/a\/x.ts:2: a comment beyond/, /^lib\/a\/x.ts:4:/);
});

test("sources: comments, names of functions, links and anchors are read as they are meant", () => {
  const [source] = tree({
    "lib/x.ts": 'const url = "http://x"; // gone\n/* gone */ const t = `/* kept ${1 /* gone */} */`;',
  });
  assert.equal(withoutComments(source!), 'const url = "http://x"; \n const t = `/* kept ${1 } */`;');
  const names = functionsOf(tree({ "lib/x.ts": "const f = () => g(() => 1); class K { #m() {} }" })[0]!.tree);
  assert.deepEqual(
    names.map(({ name }) => name),
    ["f", "ArrowFunction at line 1", "#m"],
  );
  const page =
    "# A `b` c!\n## A b c\n[x](y.md#z) `[no](link)`\n```\n[no](link)\n# no\n```\n![i](<i.png>) [w](https://w)\n";
  assert.deepEqual(linksOf(page), [
    { target: "y.md#z", line: 3 },
    { target: "i.png", line: 8 },
  ]);
  assert.deepEqual([...anchorsOf(page)], ["a-b-c", "a-b-c-1"]);
  const html = "<!-- a -->\n`b\n<table> c` < d\nfile:<e> f\n```\n<g>\n```\n`<h>` `i <j>\nk`\n";
  assert.deepEqual(htmlLinesOf(html), [3, 4]);
});
