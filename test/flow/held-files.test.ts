/** Files in doubt: held, decided, and never the reason that rows disappear. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { until } from "../support/until.ts";
import { startPipeline, type Body, type Pipeline } from "./pipeline.ts";

const ROWS = "id,n\n1,10\n2,20\n3,30\n";

async function start(t: TestContext, contracts: readonly object[] = []): Promise<Pipeline> {
  const folder = mkdtempSync(join(tmpdir(), "held-"));
  const pipeline = await startPipeline(folder, { contracts });
  t.after(async () => {
    await pipeline.stop();
    rmSync(folder, { recursive: true });
  });
  return pipeline;
}

const fileOf = ({ body }: { body: Body }): Body => (body["file"] as Body | undefined) ?? body;
const reasonsOf = (file: Body): string[] =>
  ((file["heldReasons"] ?? []) as { reason: string }[]).map(({ reason }) => reason);
const count = async ({ query }: Pipeline, table: string): Promise<number> =>
  Number((await query(`SELECT count(*) FROM ${table}`))[0]![0]);
const statusOf = async ({ send }: Pipeline, id: string): Promise<Body> => (await send("GET", `/v1/files/${id}`)).body;

/** The file's row in the ledger, once it is there. */
async function recorded({ query }: Pipeline, id: string, status: string): Promise<unknown[]> {
  const sql = `SELECT status, error_code, rows_committed, held_reasons FROM _ingest_files WHERE file_id = '${id}'`;
  let row: unknown[] = [];
  await until(`${id} is recorded as ${status}`, async () => {
    row = (await query(sql))[0] ?? [];
    return row[0] === status;
  });
  return row;
}

for (const [what, text, evidence] of [
  ["a header alone", "id,n\n", /no row; the version before has 3 rows/],
  ["no byte", "", /is empty; the version before has 3 rows/],
  ["only rows that are rejected", "id,n\n1.0,10\n2.0,20\n", /every row of this version is rejected \(2\)/],
] as const) {
  test(`a version with ${what} does not empty its file: it is held, and accepted it does what it says`, async (t) => {
    const pipeline = await start(t);
    await pipeline.put("t", "a.csv", ROWS);
    const answer = await pipeline.put("t", "a.csv", text);
    const held = fileOf(answer);
    assert.deepEqual([answer.status, answer.body.code, held.status], [409, "FILE_HELD", "held"]);
    assert.match(String(answer.body.detail), evidence);
    assert.deepEqual(reasonsOf(held), ["empty_version"]);
    assert.equal(await count(pipeline, "t"), 3, "nothing is lost");
    const [, code, , reasons] = await recorded(pipeline, held.fileId!, "held");
    assert.deepEqual([code, (JSON.parse(String(reasons)) as unknown[]).length], ["FILE_HELD", 1]);

    const accepted = await pipeline.send("POST", `/v1/files/${held.fileId}/accept`, {});
    const [status, rows] = what.startsWith("only") ? ["rejected", 3] : ["committed", 0];
    assert.deepEqual([accepted.body.status, accepted.body.fileId], [status, held.fileId], accepted.text);
    assert.equal(await count(pipeline, "t"), rows);
    await recorded(pipeline, held.fileId!, status);
  });
}

test("a version with fewer rows than the contract allows is held, and refused it changes nothing", async (t) => {
  const pipeline = await start(t, [{ table: "t", accept: { shrinkMax: 0.5 } }]);
  await pipeline.put("t", "a.csv", ROWS);
  const held = fileOf(await pipeline.put("t", "a.csv", "id,n\n1,10\n"));
  assert.deepEqual(reasonsOf(held), ["shrunk"]);
  const path = `/v1/files/${held.fileId}`;
  const refused = await pipeline.send("POST", `${path}/refuse`, { reason: "half an export" });
  const error = refused.body["error"] as Body;
  assert.deepEqual([refused.status, refused.body.status, error.code], [200, "failed", "FILE_REFUSED"]);
  assert.match(String(error["message"]), /half an export/);
  await recorded(pipeline, held.fileId!, "failed");
  assert.equal((await pipeline.send("POST", `${path}/refuse`, { reason: "again" })).status, 200, "the same again");
  const late = await pipeline.send("POST", `${path}/accept`, {});
  assert.deepEqual([late.status, late.body.code], [409, "FILE_ENDED"]);
  assert.equal(await count(pipeline, "t"), 3);
  // A replay of the table does not bring back what was refused.
  const replay = await pipeline.send("POST", "/v1/tables/t/replay", {});
  const replayed = replay.body["files"] as { fileId: string; replayOf: string }[];
  assert.ok(replayed.every(({ replayOf }) => replayOf !== held.fileId));
  for (const { fileId } of replayed) {
    await until("the replay has ended", async () => (await statusOf(pipeline, fileId)).status === "committed");
  }
  assert.equal(await count(pipeline, "t"), 3);
});

test("a held file is accepted once, whoever decides how often", async (t) => {
  const pipeline = await start(t, [{ table: "t", writeMode: "append", accept: { rowsMin: 2 } }]);
  await pipeline.put("t", "a.csv", ROWS);
  const held = fileOf(await pipeline.put("t", "b.csv", "id,n\n7,70\n"));
  assert.deepEqual(reasonsOf(held), ["row_count"]);
  const path = `/v1/files/${held.fileId}`;
  const answers = await Promise.all([
    pipeline.send("POST", `${path}/accept`, {}),
    pipeline.send("POST", `${path}/accept?header=false`, {}),
    pipeline.send("POST", `${path}/accept`, {}),
  ]);
  const late = answers[1].body.code === "FILE_ENDED";
  const [first, , third] = answers;
  assert.deepEqual([first.body.status, third.body.status], ["committed", "committed"]);
  assert.ok(late || answers[1].body.status === "committed", answers[1].text);
  assert.equal(await count(pipeline, "t"), 4, "the first decision counts");
  assert.equal((await pipeline.send("POST", `${path}/accept`, {})).body.status, "committed");
  assert.equal((await pipeline.send("POST", `${path}/refuse`, { reason: "late" })).body.code, "FILE_ENDED");
  await recorded(pipeline, held.fileId!, "committed");
});

test("a file that was not held is not accepted, and an acceptance is repeated only as it was", async (t) => {
  const pipeline = await start(t, [{ table: "t", accept: { rowsMin: 2 } }]);
  const loaded = fileOf(await pipeline.put("t", "a.csv", ROWS));
  const never = `/v1/files/${loaded.fileId}`;
  for (const [way, body] of [
    ["accept", {}],
    ["accept?delimiter=comma", {}],
    ["refuse", { reason: "no" }],
  ] as const) {
    const refused = await pipeline.send("POST", `${never}/${way}`, body);
    assert.deepEqual([refused.status, refused.body.code], [409, "FILE_ENDED"], way);
    assert.match(String(refused.body.detail), /only a held file is decided/);
  }
  const held = fileOf(await pipeline.put("t", "b.csv", "id,n\n7,70\n"));
  const accept = `/v1/files/${held.fileId}/accept`;
  for (const query of ["?delimiter=comma", "?delimiter=comma"]) {
    assert.equal((await pipeline.send("POST", accept + query, {})).body.status, "committed", "the same again");
  }
  for (const query of ["", "?delimiter=semicolon", "?delimiter=comma&header=false"]) {
    assert.equal((await pipeline.send("POST", accept + query, {})).body.code, "FILE_ENDED", query);
  }
});

test("a held file keeps its place: newer content of the file stays", async (t) => {
  const pipeline = await start(t, [{ table: "t", accept: { rowsMin: 2 } }]);
  const held = fileOf(await pipeline.put("t", "a.csv", "id,n\n7,70\n"));
  assert.equal(held.status, "held");
  assert.equal((await pipeline.put("t", "a.csv", ROWS)).status, 200);
  const late = await pipeline.send("POST", `/v1/files/${held.fileId}/accept`, {});
  const error = late.body["error"] as Body;
  assert.deepEqual([late.body.status, error.code], ["failed", "FILE_SUPERSEDED"]);
  assert.equal(await count(pipeline, "t"), 3);
});

test("a held file is accepted with other settings, and previewed with them before", async (t) => {
  const pipeline = await start(t, [{ table: "t", accept: { newColumns: "hold" } }]);
  await pipeline.put("t", "a.csv", ROWS);
  const held = fileOf(await pipeline.put("t", "b.csv", "7,70\n8,80\n"));
  if (held.status === "held") {
    const path = `/v1/files/${held.fileId}`;
    const preview = await pipeline.send("GET", `${path}/preview?header=false`);
    assert.deepEqual([preview.status, preview.body["rowsRead"]], [200, 2], preview.text);
    assert.equal((await pipeline.send("POST", `${path}/accept?header=false`, {})).body.status, "committed");
  }
  assert.equal(await count(pipeline, "t"), 5);
  assert.deepEqual(
    (await pipeline.warehouse.describe("t"))?.columns.map(({ name }) => name),
    ["id", "n"],
  );
});

test("the contract may load or fail what it would hold", async (t) => {
  const pipeline = await start(t, [
    { table: "loads", accept: { empty: "load" } },
    { table: "fails", onDoubt: "fail", accept: { duplicateContent: "hold", newColumns: "hold" } },
  ]);
  for (const table of ["loads", "fails"]) await pipeline.put(table, "a.csv", ROWS);
  assert.equal((await pipeline.put("loads", "a.csv", "")).body.status, "committed");
  assert.equal(await count(pipeline, "loads"), 0);
  const failed = await pipeline.put("fails", "a.csv", "id,n\n");
  assert.deepEqual([failed.status, failed.body.code], [422, "FILE_DOUBTFUL"]);
  assert.equal(await count(pipeline, "fails"), 3);
  assert.deepEqual(reasonsOf(fileOf(await pipeline.put("fails", "copy.csv", ROWS))), ["duplicate_content"]);
  assert.deepEqual(reasonsOf(fileOf(await pipeline.put("fails", "more.csv", "id,n,x\n1,2,3\n"))), ["new_columns"]);
});

test("a file without a row that loads makes no table and adds no column", async (t) => {
  const pipeline = await start(t, [{ table: "declared", columns: [{ name: "id", type: "INTEGER" }] }]);
  assert.equal((await pipeline.put("t", "a.csv", "id,amount,day\n")).body.status, "committed");
  assert.equal(await pipeline.warehouse.describe("t"), undefined);
  await pipeline.put("t", "b.csv", "id,amount,day\n1,12.50,2026-01-01\n");
  const types = async (table: string) => (await pipeline.warehouse.describe(table))?.columns.map(({ type }) => type);
  assert.deepEqual(await types("t"), ["INTEGER", "DECIMAL(18,2)", "DATE"]);
  await pipeline.put("declared", "a.csv", "id\n1\n");
  assert.equal((await pipeline.put("declared", "b.csv", "id,breed\nx,cow\n")).body["file"] !== undefined, true);
  assert.deepEqual(await types("declared"), ["INTEGER"]);
});

test("a file with renamed columns waits; accepted, it adds them, and the next one alike loads", async (t) => {
  const pipeline = await start(t, [
    { table: "asks", accept: { newColumns: "hold" } },
    { table: "takes", accept: { newColumns: "load" } },
    { table: "refuses", onDoubt: "fail" },
  ]);
  const renamed = "id,quantity\n7,70\n";
  for (const table of ["t", "asks", "takes", "refuses"]) await pipeline.put(table, "a.csv", ROWS);
  assert.equal((await pipeline.put("takes", "b.csv", renamed)).body.status, "committed");
  assert.equal((await pipeline.put("refuses", "b.csv", renamed)).body.code, "FILE_DOUBTFUL");
  assert.deepEqual(reasonsOf(fileOf(await pipeline.put("asks", "b.csv", renamed))), ["columns_renamed", "new_columns"]);
  const shown = await pipeline.send("POST", "/v1/preview?table=t", Buffer.from(renamed));
  assert.deepEqual(
    (shown.body["doubts"] as { reason: string }[]).map(({ reason }) => reason),
    ["columns_renamed"],
  );
  const held = fileOf(await pipeline.put("t", "b.csv", renamed));
  assert.deepEqual([held.status, reasonsOf(held)], ["held", ["columns_renamed"]]);
  assert.deepEqual((await pipeline.warehouse.describe("t"))?.columns.length, 2);
  assert.equal((await pipeline.send("POST", `/v1/files/${held.fileId}/accept`, {})).body.status, "committed");
  assert.equal((await pipeline.put("t", "c.csv", renamed)).body.status, "committed");
  assert.deepEqual(await pipeline.query("SELECT id, n, quantity FROM t WHERE id = 7"), [
    [7, null, 70],
    [7, null, 70],
  ]);
});

test("a file that its parser holds names the columns that it would add, where the contract wants to be asked", async (t) => {
  const pipeline = await start(t, [
    { table: "asks", accept: { newColumns: "hold" } },
    { table: "refuses", accept: { newColumns: "fail" } },
  ]);
  const text = "id,n,q\n1,10,x\n2,20,y\n3,30,z\n\nday,amount\n2026-01-01,5.5\n2026-01-02,6.5\n";
  for (const table of ["t", "asks", "refuses"]) await pipeline.put(table, "a.csv", ROWS);
  const held = fileOf(await pipeline.put("asks", "b.csv", text));
  assert.deepEqual(reasonsOf(held), ["several_tables", "new_columns"]);
  assert.match(JSON.stringify(held["heldReasons"]), /would add the column 'q'/);
  assert.deepEqual(reasonsOf(fileOf(await pipeline.put("t", "b.csv", text))), ["several_tables"]);
  assert.equal((await pipeline.put("refuses", "b.csv", text)).body.code, "FILE_DOUBTFUL");
});

test("a file of several tables is accepted only with what says which one to read", async (t) => {
  const pipeline = await start(t);
  const text = "id,name,n\n1,a,5\n2,b,6\n3,c,7\n\nday,amount\n2026-01-01,5.5\n2026-01-02,6.5\n";
  const answer = await pipeline.put("t", "a.csv", text);
  const held = fileOf(answer);
  assert.deepEqual(reasonsOf(held), ["several_tables"]);
  assert.match(String(answer.body["remedy"]), /--footer <rows below it>/);
  assert.equal((held["error"] as Body)["remedy"], answer.body["remedy"]);
  const accept = `/v1/files/${held.fileId}/accept`;
  for (const query of ["", "?encoding=utf-8"]) {
    const asked = await pipeline.send("POST", `${accept}${query}`, {});
    assert.deepEqual([asked.status, asked.body.code], [400, "BAD_REQUEST"]);
    assert.match(String(asked.body.detail), /several tables: line 6 .*footer/);
  }
  assert.equal((await statusOf(pipeline, held.fileId!)).status, "held");
  assert.equal((await pipeline.send("POST", `${accept}?footer=3`, {})).body.status, "committed");
  assert.deepEqual(await pipeline.query("SELECT id, n FROM t ORDER BY id"), [
    [1, 5],
    [2, 6],
    [3, 7],
  ]);
});

test("a file that is loaded in spite of a doubt says so, also on record", async (t) => {
  const own = { columns: [{ name: "amount", type: "INTEGER", aliases: ["total", "sum"] }] };
  const pipeline = await start(
    t,
    ["tables", "last", "lines", "two"].map((table) => ({ table, onDoubt: "load", ...(table === "two" ? own : {}) })),
  );
  const tables = "id,name,n\n1,a,5\n2,b,6\n3,c,7\n\nday,amount\n2026-01-01,5.5\n2026-01-02,6.5\n";
  const last = `id,v
1,5
2,6

day,city,amount,note
${rowsOf(12)}`;
  for (const [name, text, reason] of [
    ["tables", tables, "several_tables"],
    ["last", last, "several_tables"],
    ["lines", 'id,name,q\n"1,Ann,5"\n"2,Bob,6"\n"3,Cy,7"\n', "structure_unsure"],
    ["two", "id,total,sum\n1,2,3\n", "columns_ambiguous"],
  ] as const) {
    const { body } = await pipeline.put(name, "a.csv", text);
    assert.equal(body.status, "committed", name);
    const warnings = (file: Body): unknown[] => (file["warnings"] as { rule: string }[]).map(({ rule }) => rule);
    assert.ok(warnings(body).includes(reason), `${name}: ${JSON.stringify(body["warnings"])}`);
    await recorded(pipeline, body.fileId!, "committed");
    const [[dialect]] = (await pipeline.query(
      `SELECT dialect FROM _ingest_files WHERE file_id = '${body.fileId}'`,
    )) as [[string]];
    const { doubts } = JSON.parse(dialect) as { doubts: { reason: string; evidence: string }[] };
    assert.ok(
      doubts.some((doubt) => doubt.reason === reason && doubt.evidence !== ""),
      dialect,
    );
  }
});

const rowsOf = (n: number): string =>
  Array.from({ length: n }, (_, at) => `2026-01-${String(at + 1).padStart(2, "0")},Oslo,${at}.5,x\n`).join("");

test("a preview has the doubts and the error that the upload will have", async (t) => {
  const hold = { duplicateContent: "hold", newColumns: "hold", shrinkMax: 0.5, growMax: 1, rowsMin: 1, rowsMax: 8 };
  const pipeline = await start(t, [
    { table: "holds", writeMode: "replace", accept: hold },
    { table: "fails", writeMode: "replace", onDoubt: "fail", accept: { ...hold, duplicateContent: "fail" } },
    { table: "doubts", accept: { confidenceMin: 1 } },
  ]);
  for (const table of ["holds", "fails", "doubts"]) await pipeline.put(table, "a.csv", ROWS);
  const rows = (n: number): string => `id,n\n${Array.from({ length: n }, (_, at) => `${at},1${at}\n`).join("")}`;
  for (const [name, text, reasons] of [
    ["a.csv", rows(1), ["shrunk"]],
    ["a.csv", rows(9), ["grown", "row_count"]],
    ["a.csv", "id,n\n", ["empty_version", "row_count"]],
    ["a.csv", "", ["empty_version"]],
    ["b.csv", ROWS, ["duplicate_content"]],
    ["c.csv", "id,n,x\n1,2,3\n", ["new_columns"]],
    ["a.csv", "id,n,x\n1,2,3\n", ["shrunk", "new_columns"]],
    ["d.csv", rows(4), []],
  ] as const) {
    for (const table of ["holds", "fails"]) {
      const query = `/v1/preview?table=${table}&name=${name}`;
      const { body } = await pipeline.send("POST", query, Buffer.from(text));
      const doubts = (body["doubts"] as { reason: string; evidence: string }[]).map(({ reason }) => reason);
      const error = body["error"] as Body | null;
      const what = `${table}/${name} ${text.slice(0, 20)}: ${JSON.stringify(body["doubts"])}`;
      assert.deepEqual([doubts, body["unchecked"]], [reasons, []], what);
      const answer = await pipeline.put(table, name, text);
      if (answer.body.code === "FILE_HELD") assert.deepEqual([error, reasonsOf(fileOf(answer))], [null, reasons], what);
      else assert.equal(error?.code, answer.body.code, what);
    }
  }
  const part = await pipeline.send("POST", "/v1/preview?table=doubts", Buffer.from("a;b\n1;2\n"));
  assert.ok((part.body["doubts"] as unknown[]).length > 0, "less sure than the contract wants");
});

test("many more rejects than usual, or a wrong control total, hold a file; its preview says so", async (t) => {
  const columns = [
    { name: "id", type: "INTEGER" },
    { name: "n", type: "INTEGER" },
  ];
  const accept = {
    rejectsAboveUsualMax: 0.2,
    controlTotal: [{ pattern: "^# rows ([0-9]+)" }, { column: "n", pattern: "^# sum ([0-9]+)" }],
  };
  const pipeline = await start(t, [{ table: "t", columns, accept, onDoubt: "load" }]);
  const text = (rows: string, stated: string): string => `id,n\n${rows}${stated}`;
  const good = text("1,10\n2,20\n3,30\nx,40\n", "# rows 4\n# sum 100\n");
  const first = fileOf(await pipeline.put("t", "a.csv", text("1,10\n2,20\n3,30\n", "# rows 3\n# sum 60\n")));
  assert.equal(first.status, "committed");
  // 25 % of rejects, 0 % of them usual; then 14 % are usual once the file is accepted.
  const many = fileOf(await pipeline.put("t", "b.csv", good));
  assert.deepEqual([many.status, reasonsOf(many)], ["held", ["many_rejects"]]);
  const path = "/v1/preview?table=t&name=c.csv";
  const reasonsShown = async (body: string): Promise<string[]> =>
    reasonsOf({ heldReasons: (await pipeline.send("POST", path, Buffer.from(body))).body["doubts"] });
  assert.deepEqual(await reasonsShown(good), ["many_rejects"]);
  assert.equal((await pipeline.send("POST", `/v1/files/${many.fileId}/accept`, {})).body.status, "committed");
  await recorded(pipeline, many.fileId!, "committed");
  assert.equal(fileOf(await pipeline.put("t", "c.csv", good)).status, "committed");

  const cut = text("1,10\n2,20\n", "# rows 4\n# sum 100\n");
  const held = fileOf(await pipeline.put("t", "d.csv", cut));
  assert.deepEqual(reasonsOf(held), ["control_total", "control_total"]);
  assert.match(JSON.stringify(held["heldReasons"]), /the sum of 'n' is: 30; the file states 100/);
  assert.deepEqual(await reasonsShown(cut), ["control_total", "control_total"]);
  assert.deepEqual(await reasonsShown(text("1,10\n", "# sum 10\n")), ["control_total"], "a total is missing");
  await recorded(pipeline, held.fileId!, "held");
  const [[dialect]] = (await pipeline.query(`SELECT dialect FROM _ingest_files WHERE file_id = '${held.fileId}'`)) as [
    [string],
  ];
  const { comment, delimiter, skippedRows } = JSON.parse(dialect) as Record<string, unknown>;
  assert.deepEqual([comment, delimiter, skippedRows], ["#", ",", 2]);
});
