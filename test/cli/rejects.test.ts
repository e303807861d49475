/** `tributary rejects …` on a whole pipeline. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startPipeline, type Pipeline } from "../flow/pipeline.ts";
import { until } from "../support/until.ts";
import { tributary } from "./tributary.ts";

const COLUMNS = [
  { name: "id", type: "INTEGER" },
  { name: "amount", type: "DECIMAL(8,2)" },
];

let pipeline: Pipeline;
let folder: string;
const run = (...args: string[]) =>
  tributary(["rejects", ...args], { env: { TRIBUTARY_URL: pipeline.gateway.url }, cwd: folder });

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tributary-cli-rejects-"));
  pipeline = await startPipeline(join(folder, "data"), {
    contracts: [
      { table: "sales", columns: COLUMNS },
      { table: "orders", columns: COLUMNS, writeMode: "upsert", key: ["id"] },
    ],
  });
  await pipeline.put("sales", "a.csv", "id,amount\n1,1.00\n2,two\n3,3.00\nfour,4.00\n");
  await pipeline.put("sales", "b.csv", "id,amount\n7,\u001b[2J\n");
  const recorded = () => pipeline.query("SELECT count(*) FROM _ingest_files");
  await until("both files are recorded", async () => JSON.stringify(await recorded()) === "[[2]]");
});
after(async () => {
  await pipeline.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("lists, filters and counts rejected rows, and shows them in the context of their file", async () => {
  const all = await run("sales");
  assert.equal(all.code, 0, all.err);
  assert.match(all.out, /b\.csv +2 +1 +amount +type_mismatch/);
  assert.doesNotMatch(all.out, /\u001b/);
  const some = await run("sales", "--limit", "1");
  assert.match(some.err, /showing 1 of 3; use --limit for more/);
  const filtered = await run("sales", "--file", "a.csv", "--lines", "3-4", "--json");
  const { rejects } = JSON.parse(filtered.out) as { rejects: { row: number }[] };
  assert.deepEqual(
    rejects.map(({ row }) => row),
    [2],
  );
  assert.match((await run("sales", "--counts")).out, /a\.csv +type_mismatch +amount +1\n[\s\S]*3 rejected rows/);
  const seen = await run("sales", "--file", "a.csv", "--column", "amount", "--context", "1");
  assert.match(seen.out, /a\.csv:3 {2}type_mismatch \(amount\): 'two' is not a valid DECIMAL/);
  assert.match(seen.out, /^ {8,}2 \| 1,1\.00\n> +3 \| 2,two\n +4 \| 3,3\.00$/m);
  assert.deepEqual([(await run("sales", "--lines", "x")).code, (await run("sales", "--context", "0")).code], [2, 2]);
});

test("a misspelt reason is a usage error, and an empty list names its filters", async () => {
  for (const args of [["sales"], [], ["dismiss", "sales", "--why", "x", "--yes"]]) {
    const { code, err } = await run(...args, "--reason", "type_mismtch");
    assert.equal(code, 2, args.join(" "));
    assert.match(err, /unknown --reason 'type_mismtch': did you mean type_mismatch\?\n→ Use too_few_fields, /);
  }
  for (const more of [[], ["--counts"], ["--groups"]]) {
    const { code, out } = await run("sales", "--file", "nope.csv", "--column", "nope", ...more);
    assert.deepEqual([code, out], [0, "no rejected rows of file 'nope.csv', column 'nope'\n"]);
  }
});

test("export, correction by hand, upload of the sheet with --wait", async () => {
  const exported = await run("export", "sales", "a.csv", "--out", "sheet.csv");
  assert.match(exported.out, /tributary rejects correct sales sheet\.csv --wait/, exported.err);
  const sheet = readFileSync(join(folder, "sheet.csv"), "utf8");
  writeFileSync(join(folder, "sheet.csv"), sheet.replace("2,two", "2,2.00"));
  const repeated = await run("export", "sales", "a.csv", "--out", "sheet.csv");
  assert.equal(repeated.code, 2);
  assert.match(repeated.err, /USAGE: the output file sheet\.csv exists; nothing was written\n→ .*--force/);
  assert.match(readFileSync(join(folder, "sheet.csv"), "utf8"), /2,2\.00/, "the edited sheet stays");
  writeFileSync(join(folder, "old.csv"), sheet + sheet);
  assert.equal((await run("export", "sales", "a.csv", "--out", "old.csv", "--force")).code, 0);
  assert.equal(readFileSync(join(folder, "old.csv"), "utf8"), sheet);
  assert.equal((await run("export", "sales", "a.csv", "--out", "/dev/null")).code, 0);
  const dry = await run("correct", "sales", "sheet.csv", "--dry-run");
  assert.match(dry.out, /^would be corrected +1$/m, dry.err);
  const done = await run("correct", "sales", "sheet.csv", "--wait");
  assert.equal(done.code, 5, `one row is still rejected: ${done.err}`);
  assert.match(done.out, /^rows sent +1\nunchanged +1\nmissing in the sheet +0\nnew version +committed, 1 rejected$/m);
  assert.deepEqual(await pipeline.query("SELECT id FROM sales WHERE _source_file = 'a.csv' ORDER BY 1"), [
    [1],
    [2],
    [3],
  ]);
  const again = await run("correct", "sales", "sheet.csv");
  assert.deepEqual([again.code, /FILE_SUPERSEDED: .*\n→ Export/.test(again.err)], [1, true], again.err);
  assert.equal((await run("correct", "sales", "no-such-sheet.csv")).code, 2);
});

test("replay --file replays only the named file", async () => {
  const dry = await run("replay", "sales", "--file", "b.csv", "--dry-run", "--json");
  const { files } = JSON.parse(dry.out) as { files: { sourceFile: string }[] };
  assert.deepEqual(
    files.map(({ sourceFile }) => sourceFile),
    ["b.csv"],
    dry.err,
  );
  await pipeline.put("sales", "clean.csv", "id,amount\n9,9.00\n");
  const none = await run("replay", "sales", "--file", "clean.csv");
  assert.deepEqual([none.code, none.out], [0, "no file with rejected rows to replay\n"], none.err);
});

test("a replay of a table or file that does not exist is an error that names the nearest one", async () => {
  const replay = (...args: string[]) =>
    tributary(["replay", ...args], { env: { TRIBUTARY_URL: pipeline.gateway.url }, cwd: folder });
  for (const [args, message] of [
    [["sale"], /no such table: 'sale': did you mean 'sales'\?/],
    [["other", "--only", "a.csv"], /no such table: 'other'\n/],
    [["sales", "--only", "a.cvs"], /no version of a file with this name: 'a\.cvs': did you mean 'a\.csv'\?/],
    [["sales", "--from", "A.csv"], /'A\.csv': did you mean 'a\.csv'\?/],
  ] as const) {
    const { code, err, out } = await replay(...args, "--dry-run");
    assert.deepEqual([code, out], [1, ""], args.join(" "));
    assert.match(err, message);
  }
  for (const to of ["a.csv", "2026-13-45"]) {
    const { code, err } = await replay("sales", "--to", to, "--dry-run");
    assert.equal(code, 2);
    assert.match(err, new RegExp(`invalid --to '${to}': use an offset or a time`));
  }
  for (const args of [
    ["replay", "sale"],
    ["replay", "sales", "--file", "a.cvs"],
  ]) {
    const { code, err } = await run(...args);
    assert.equal(code, 1);
    assert.match(err, /NOT_FOUND: .*did you mean '(sales|a\.csv)'\?\n→ /);
  }
});

test("a replay counts the rejects of each file's newest version only", async () => {
  await pipeline.put("orders", "a.csv", "id,amount\n1,one\n2,two\n");
  await pipeline.put("orders", "a.csv", "id,amount\n1,1.00\n2,2.00\n");
  const replayed = await tributary(["replay", "orders", "--wait", "--json"], {
    env: { TRIBUTARY_URL: pipeline.gateway.url },
    cwd: folder,
  });
  const { files, ended } = JSON.parse(replayed.out) as {
    files: { newest: boolean }[];
    ended: { rowsRejected: number }[];
  };
  assert.deepEqual([files.map(({ newest }) => newest), ended.map(({ rowsRejected }) => rowsRejected)], [[false, true], [2, 0]]); // prettier-ignore
  assert.equal(replayed.code, 0, `the table has no rejects: ${replayed.err}`);
});

test("the help text says how to fix rejected rows", async () => {
  const { out } = await run("--help");
  for (const command of ["export", "correct", "replay"])
    assert.match(out, new RegExp(`tributary rejects ${command} sales`));
});

test("rows are grouped over tables, dismissed with a reason, and listed apart", async () => {
  const all = await run();
  assert.match(all.out, /^table +reason +column +rows +files +example$/m, all.err);
  assert.match(all.out, /^sales +/m);
  assert.equal((await run("dismiss", "sales", "--why", "x")).code, 2, "a dismissal names its rows");
  const flags = ["dismiss", "sales", "--file", "b.csv", "--why", "a totals row"];
  const dry = await run(...flags, "--dry-run");
  assert.match(dry.out, /^would dismiss (\d+) rejected rows? of sales$/m, dry.err);
  const done = await run(...flags, "--yes");
  assert.match(done.out, /^dismissed \d+ rejected rows? of sales$/m, done.err);
  assert.match((await run("sales", "--file", "b.csv")).out, /^no rejected rows of file 'b\.csv'$/m);
  assert.match((await run("sales", "--dismissed")).out, /a totals row/);
  assert.equal((await run(...flags, "--yes")).code, 1, "there is nothing left to dismiss");
});
