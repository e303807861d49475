/** Rejected rows: list, context, fix by contract or by hand, in every write mode; counts stay correct. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { until } from "../support/until.ts";
import { startPipeline, type Body, type Pipeline } from "./pipeline.ts";

const COLUMNS = [
  { name: "id", type: "INTEGER" },
  { name: "amount", type: "DECIMAL(8,2)" },
  { name: "note", type: "VARCHAR" },
];
const MODES = {
  replaced: { table: "replaced", columns: COLUMNS },
  upserted: { table: "upserted", columns: COLUMNS, writeMode: "upsert", key: ["id"] },
  mirrored: { table: "mirrored", columns: COLUMNS, writeMode: "upsert", key: ["id"], deleteMissing: true },
  appended: { table: "appended", columns: COLUMNS, writeMode: "append" },
} as const;
type Table = keyof typeof MODES;
const TABLES = Object.keys(MODES) as Table[];

const FILE = 'id,amount,note\n1,1.50,one\n2,n/a,two\n3,3.00,"three, or so"\n4,four,\n5,5.00,five,extra\n';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "tributary-rejects-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(t: TestContext, folder: string, more: object = {}): Promise<Pipeline> {
  const pipeline = await startPipeline(folder, { contracts: Object.values(MODES).map((one) => ({ ...one, ...more })) });
  t.after(() => pipeline.stop());
  return pipeline;
}

const rowsOf = (pipeline: Pipeline, table: Table): Promise<unknown[][]> =>
  pipeline.query(`SELECT id, amount, note, _source_row FROM ${table} ORDER BY id, _source_row`);

/** Waits until all files of the table have ended, checks their counts, and returns the number of files. */
async function settled({ send, query }: Pipeline, table: Table): Promise<number> {
  await until("all files are recorded", async () => {
    const { body } = await send("GET", `/v1/tables/${table}`);
    const [[recorded]] = (await query(`SELECT count(*) FROM _ingest_files WHERE table_name = '${table}'`)) as [
      [number],
    ];
    const { files } = (await send("GET", `/v1/files?table=${table}&limit=1000`)).body as unknown as {
      files: unknown[];
    };
    return (body["lag"] as { files: number }).files === 0 && files.length === recorded;
  });
  const sql = `SELECT rows_read, rows_committed + rows_rejected,
    (SELECT count(*) FROM _rejected_rows r WHERE r.file_id = f.file_id), rows_rejected
    FROM _ingest_files f WHERE table_name = '${table}'`;
  const files = await query(sql);
  for (const [read, ended, quarantined, rejected] of files) assert.deepEqual([read, quarantined], [ended, rejected]);
  return files.length;
}

interface Listed {
  rejects: { row: number; line: number; reason: string; column: string | null; context?: unknown; fileId: string }[];
}

async function listed({ send }: Pipeline, table: Table, query = ""): Promise<Listed["rejects"]> {
  const { status, body } = await send("GET", `/v1/tables/${table}/rejects?${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  return (body as unknown as Listed).rejects;
}

test("lists rejects by file, reason, column, line and time, counts them and shows their context", async (t) => {
  const pipeline = await start(t, folderOf(t));
  await pipeline.put("replaced", "a.csv", FILE);
  await pipeline.put("replaced", "b.csv", "id,amount,note\nx,1,\n");
  await settled(pipeline, "replaced");
  const found = async (query: string) =>
    (await listed(pipeline, "replaced", query)).map(({ row, reason }) => `${row} ${reason}`);
  assert.deepEqual(await found(""), ["1 type_mismatch", "2 type_mismatch", "4 type_mismatch", "5 too_many_fields"]);
  assert.deepEqual(await found("file=b.csv"), ["1 type_mismatch"]);
  assert.deepEqual(await found("reason=too_many_fields"), ["5 too_many_fields"]);
  assert.deepEqual(await found("column=id"), ["1 type_mismatch"]);
  assert.deepEqual(await found("file=a.csv&lineFrom=4&lineTo=5"), ["4 type_mismatch"]);
  assert.deepEqual(await found("since=2000-01-01&until=2000-01-02T00:00:00Z"), []);
  assert.equal((await found("since=2000-01-01&until=2999-12-31")).length, 4);
  const counts = (await pipeline.send("GET", "/v1/tables/replaced/rejects/counts")).body;
  assert.deepEqual(counts, {
    total: 4,
    groups: [
      { sourceFile: "a.csv", reason: "type_mismatch", column: "amount", rows: 2 },
      { sourceFile: "a.csv", reason: "too_many_fields", column: null, rows: 1 },
      { sourceFile: "b.csv", reason: "type_mismatch", column: "id", rows: 1 },
    ],
    truncated: false,
  });
  const [second] = await listed(pipeline, "replaced", "file=a.csv&context=1&limit=1");
  assert.deepEqual(second!.context, {
    header: "id,amount,note",
    lines: [
      { line: 2, text: "1,1.50,one" },
      { line: 3, text: "2,n/a,two" },
      { line: 4, text: '3,3.00,"three, or so"' },
    ],
  });
  await pipeline.put("replaced", "a.csv", "id,amount,note\n1,1,\n");
  await settled(pipeline, "replaced");
  assert.deepEqual(await found(""), ["1 type_mismatch"], "the rejects of a.csv are superseded by a newer version");
  assert.equal((await found("all=true")).length, 4);
  for (const bad of ["lineFrom=0", "since=yesterday", "context=21", "all=perhaps", "reason=a%00b"]) {
    assert.equal((await pipeline.send("GET", `/v1/tables/replaced/rejects?${bad}`)).body.code, "BAD_REQUEST", bad);
  }
});

test("after a contract change a replay adds the rejected rows once and overwrites no newer rows", async (t) => {
  const folder = folderOf(t);
  const before = await startPipeline(folder, { contracts: Object.values(MODES) });
  t.after(() => before.stop());
  for (const table of TABLES) {
    await before.put(table, "a.csv", FILE);
    await before.put(table, "later.csv", "id,amount,note\n2,22.00,newer\n3,33.00,newer\n");
    await settled(before, table);
  }
  await before.stop();
  const after = await start(t, folder, { nullMarkers: ["n/a", "four"] });
  for (const table of TABLES) {
    const replay = () => after.send("POST", `/v1/tables/${table}/rejects/replay`, {});
    const [first, second] = [await replay(), await settled(after, table).then(replay)];
    assert.deepEqual([first.status, (first.body["files"] as unknown[]).length], [202, 1], table);
    assert.equal((second.body["files"] as unknown[]).length, 1, "the row with too many fields is still rejected");
    await settled(after, table);
    assert.deepEqual(
      (await listed(after, table)).map(({ row }) => row),
      [5],
    );
  }
  const newer = [
    [2, "22.00", "newer", 1],
    [3, "33.00", "newer", 2],
  ];
  const corrected = [
    [2, null, "two", 2],
    [3, "3.00", "three, or so", 3],
  ];
  const others = (three: unknown[][]) => [[1, "1.50", "one", 1], ...three, [4, null, null, 4]];
  const both = [corrected[0], newer[0], newer[1], corrected[1]].map((row) => row!);
  const sorted = (rows: unknown[][]) => rows.map((row) => JSON.stringify(row)).toSorted();
  assert.deepEqual(sorted(await rowsOf(after, "replaced")), sorted(others(both)));
  assert.deepEqual(sorted(await rowsOf(after, "appended")), sorted(others(both)), "no duplicates");
  assert.deepEqual(sorted(await rowsOf(after, "upserted")), sorted(others(newer)), "newer rows are kept");
  assert.deepEqual(sorted(await rowsOf(after, "mirrored")), sorted(others(newer)), "newer rows are kept");
});

test("dismissed rows leave lists, counts and the sheet, and stay on record with who, when and why", async (t) => {
  const pipeline = await start(t, folderOf(t));
  await pipeline.put("replaced", "a.csv", FILE);
  await pipeline.put("appended", "b.csv", "id,amount,note\nx,1,\ny,2,\n");
  await settled(pipeline, "replaced");
  await settled(pipeline, "appended");
  const groups = async (path: string) =>
    ((await pipeline.send("GET", path)).body as unknown as { groups: { table: string; rows: number }[] }).groups.map(
      ({ table, rows, ...rest }) => `${table} ${rows} ${String((rest as Record<string, unknown>)["reason"])}`,
    );
  assert.deepEqual(await groups("/v1/tables/replaced/rejects/groups"), [
    "replaced 2 type_mismatch",
    "replaced 1 too_many_fields",
  ]);
  assert.deepEqual(await groups("/v1/rejects"), [
    "appended 2 type_mismatch",
    "replaced 2 type_mismatch",
    "replaced 1 too_many_fields",
  ]);
  const dismiss = (body: object) => pipeline.send("POST", "/v1/tables/replaced/rejects/dismiss", body);
  const dry = await dismiss({ why: "a total", reason: "type_mismatch", dryRun: true });
  assert.deepEqual([dry.status, dry.body["rowsDismissed"]], [200, 2], dry.body.detail);
  assert.equal((await listed(pipeline, "replaced")).length, 3, "a dry run dismisses nothing");
  const done = await dismiss({ why: "a total", reason: "type_mismatch", lineTo: 3 });
  assert.deepEqual([done.body["rowsDismissed"], done.body["more"]], [1, false]);
  assert.deepEqual(
    (await listed(pipeline, "replaced")).map(({ row }) => row),
    [4, 5],
  );
  assert.equal((await pipeline.send("GET", "/v1/tables/replaced/rejects/counts")).body["total"], 2);
  const [dismissed, ...others] = await listed(pipeline, "replaced", "dismissed=true");
  const { why, by, at } = (dismissed as unknown as { dismissal: Record<string, string> }).dismissal;
  assert.deepEqual([dismissed!.row, others, why, by, Date.parse(at!) > 0], [2, [], "a total", "", true]);
  assert.equal((await dismiss({ why: "a total", file: "none.csv" })).status, 404);
  assert.equal((await dismiss({ file: "a.csv" })).status, 400, "without a reason");

  const sheet = await exported(pipeline, "replaced");
  assert.ok(!sheet.includes("n/a") && sheet.includes("four"), sheet);
  const corrected = await sendBack(pipeline, "replaced", edit(sheet, ["4,four,", "4,4,"]));
  assert.equal(corrected["rowsCorrected"], 1, corrected.detail);
  await settled(pipeline, "replaced");
  assert.deepEqual(
    (await listed(pipeline, "replaced")).map(({ row }) => row),
    [5],
    "the corrected version does not bring the dismissed row back",
  );
});

test("rejects can be read as soon as their file has ended, however late they are recorded", async (t) => {
  const folder = folderOf(t);
  let recordMs = 700;
  const pipeline = await startPipeline(folder, {
    contracts: Object.values(MODES),
    wrapWarehouse: (warehouse) =>
      new Proxy(warehouse, {
        get(target, name) {
          const value = Reflect.get(target, name) as unknown;
          if (typeof value !== "function") return value;
          const call = value.bind(target) as (...args: unknown[]) => unknown;
          if (name !== "record") return call;
          return async (...args: unknown[]) => {
            await new Promise((resolve) => setTimeout(resolve, recordMs));
            return call(...args);
          };
        },
      }),
  });
  t.after(() => pipeline.stop());
  for (const ask of [
    async () => exported(pipeline, "replaced"),
    async () => assert.equal((await listed(pipeline, "replaced")).length, 3),
    async () => {
      const { body } = await pipeline.send("GET", "/v1/tables/replaced/rejects/counts");
      assert.equal(body["total"], 3);
    },
    async () => {
      const { body } = await pipeline.send("POST", "/v1/tables/replaced/rejects/replay", { dryRun: true });
      assert.equal((body["files"] as unknown[]).length, 1);
    },
    async () => {
      const dry = { why: "a total", dryRun: true };
      const { body } = await pipeline.send("POST", "/v1/tables/replaced/rejects/dismiss", dry);
      assert.equal(body["rowsDismissed"], 3);
    },
  ]) {
    await pipeline.put("replaced", "a.csv", FILE);
    await ask();
    await pipeline.put("replaced", "a.csv", "id,amount,note\n1,1.00,one\n");
  }
  recordMs = 7_000;
  await pipeline.put("replaced", "a.csv", FILE);
  const late = await pipeline.send("GET", "/v1/tables/replaced/rejects/export?file=a.csv");
  assert.deepEqual([late.status, late.body.code, late.headers.get("retry-after")], [503, "REJECTS_PENDING", "2"]);
});

/** Replaces texts in the sheet. */
const edit = (sheet: string, ...changes: readonly [from: string, to: string][]): string =>
  changes.reduce((text, [from, to]) => {
    assert.equal(text.split(from).length, 2, `${from} is once in ${text}`);
    return text.replace(from, to);
  }, sheet);

async function exported(pipeline: Pipeline, table: Table, file = "a.csv"): Promise<string> {
  const { status, text, body } = await pipeline.send("GET", `/v1/tables/${table}/rejects/export?file=${file}`);
  assert.equal(status, 200, body.detail);
  return text;
}

const sendBack = async (pipeline: Pipeline, table: Table, sheet: string, query = ""): Promise<Body> =>
  (await pipeline.send("POST", `/v1/tables/${table}/rejects/corrections${query}`, sheet)).body;

test("rows corrected on a sheet replace the rejected rows in a new file version, in every write mode", async (t) => {
  const pipeline = await start(t, folderOf(t));
  for (const table of TABLES) {
    await pipeline.put(table, "a.csv", FILE);
    await pipeline.put(table, "later.csv", "id,amount,note\n2,22.00,newer\n");
    await settled(pipeline, table);
    const sheet = await exported(pipeline, table);
    const [head, ...lines] = sheet.replace("\ufeff", "").trimEnd().split("\r\n");
    assert.equal(head, "_file_id,_row,_line,_reason,_message,id,amount,note");
    assert.deepEqual(
      lines.map((line) => line.replace(/^[^,]+,/, "")),
      [
        "2,3,type_mismatch,\"'n/a' is not a valid DECIMAL(8,2) (column 'amount')\",2,n/a,two",
        "4,5,type_mismatch,\"'four' is not a valid DECIMAL(8,2) (column 'amount')\",4,four,",
        "5,6,too_many_fields,4 fields instead of 3,5,5.00,five,extra",
      ],
    );
    const corrected = edit(sheet, ["2,n/a,two", '2,2.00,"two, ""corrected"""'], ["five,extra", "five"]);
    const dry = await sendBack(pipeline, table, corrected, "?dryRun=true");
    assert.deepEqual([dry["rowsCorrected"], dry["rowsUnchanged"], dry["rowsLeft"], dry["file"]], [2, 1, 0, null]);
    const wrong = await sendBack(pipeline, table, edit(corrected, ["2,2.00,", "2,33.01.2025,"]), "?dryRun=true");
    assert.deepEqual([wrong["rowsCorrected"], wrong["rowsStillRejected"], dry["rowsStillRejected"]], [1, 1, 0]);
    const files = await settled(pipeline, table);
    const done = await sendBack(pipeline, table, corrected);
    assert.equal(done["rowsCorrected"], 2, done.detail);
    assert.equal(await settled(pipeline, table), files + 1);
    assert.deepEqual(
      (await listed(pipeline, table)).map(({ row }) => row),
      [4],
      "the row without a correction",
    );
    const again = await sendBack(pipeline, table, corrected);
    assert.equal(again.code, "FILE_SUPERSEDED", "the sheet belongs to a superseded version");
  }
  const two = [2, "2.00", 'two, "corrected"', 2];
  const newer = [2, "22.00", "newer", 1];
  const others = (...twos: unknown[][]) => [
    [1, "1.50", "one", 1],
    ...twos,
    [3, "3.00", "three, or so", 3],
    [5, "5.00", "five", 5],
  ];
  assert.deepEqual(await rowsOf(pipeline, "replaced"), others(newer, two));
  assert.deepEqual(await rowsOf(pipeline, "appended"), others(newer, two));
  assert.deepEqual(await rowsOf(pipeline, "upserted"), others(newer));
  assert.deepEqual(await rowsOf(pipeline, "mirrored"), others(newer));
  const identities = await pipeline.query("SELECT DISTINCT _source_offset FROM appended WHERE _source_file = 'a.csv'");
  assert.equal(identities.length, 1, "rows of an append table keep their source offset");
  await pipeline.send("POST", "/v1/tables/appended/replay", {});
  await settled(pipeline, "appended");
  assert.deepEqual(await rowsOf(pipeline, "appended"), others(newer, two), "a full replay adds no rows");
});

test("a file that failed because of its rejects is corrected on a sheet and then loads completely", async (t) => {
  const folder = folderOf(t);
  const pipeline = await start(t, folder, { rejects: { countMax: 1 } });
  const failed = await pipeline.put("replaced", "a.csv", FILE);
  assert.deepEqual([failed.status, failed.body.code], [422, "REJECTS_ABOVE_THRESHOLD"]);
  await settled(pipeline, "replaced");
  assert.equal(await pipeline.warehouse.describe("replaced"), undefined, "no rows were committed");
  const done = await sendBack(
    pipeline,
    "replaced",
    edit(await exported(pipeline, "replaced"), ["2,n/a", "2,2.00"], ["4,four,", "4,4.00,"]),
  );
  assert.equal(done["rowsCorrected"], 2, done.detail);
  await settled(pipeline, "replaced");
  assert.deepEqual(
    (await rowsOf(pipeline, "replaced")).map(([id]) => id),
    [1, 2, 3, 4],
  );
  assert.deepEqual(
    (await listed(pipeline, "replaced")).map(({ row }) => row),
    [5],
  );
});

test("the sheet preserves other encodings, dialects and hostile text", async (t) => {
  const pipeline = await start(t, folderOf(t));
  const latin = Buffer.from(
    'id;amount;note\r\n1;1,5;Käthe\r\n2;2.50;=HYPERLINK("x")\r\n3;x;"say ""hi"";\nbye"\r\n',
    "latin1",
  );
  await pipeline.put("replaced", "a.csv", latin);
  await settled(pipeline, "replaced");
  const sheet = await exported(pipeline, "replaced");
  assert.match(sheet, /,1,"1,5",Käthe\r\n/);
  await sendBack(pipeline, "replaced", edit(sheet, ['"1,5"', "1.5"], [",x,", ",-3,"]).replaceAll("\r\n", "\n"));
  await settled(pipeline, "replaced");
  assert.deepEqual(await rowsOf(pipeline, "replaced"), [
    [1, "1.50", "Käthe", 1],
    [2, "2.50", '=HYPERLINK("x")', 2],
    [3, "-3.00", 'say "hi";\nbye', 3],
  ]);
  await pipeline.put("replaced", "f.csv", "id,amount,note\nx,1,=1+1\n");
  await settled(pipeline, "replaced");
  const guarded = await exported(pipeline, "replaced", "f.csv");
  assert.match(guarded, /,x,1,'=1\+1\r\n/, "formulas are escaped");
  await sendBack(pipeline, "replaced", edit(guarded, [",x,1,", ",7,1,"]));
  await settled(pipeline, "replaced");
  assert.deepEqual(await pipeline.query("SELECT id, note FROM replaced WHERE _source_file = 'f.csv'"), [[7, "=1+1"]]);
});

test("an invalid sheet changes nothing and the error names the line", async (t) => {
  const pipeline = await start(t, folderOf(t));
  const bytes = Buffer.concat([
    Buffer.from(`${FILE}8,8,äöü\n`),
    Buffer.from("6,6,M\xfcller\n", "latin1"),
    Buffer.from('7,7,"open\n'),
  ]);
  await pipeline.put("replaced", "a.csv", bytes);
  const files = await settled(pipeline, "replaced");
  const answer = await pipeline.send("GET", "/v1/tables/replaced/rejects/export?file=a.csv");
  assert.equal(answer.headers.get("x-tributary-left-out"), "1", "the open quote");
  const sheet = answer.text;
  const fileId = (await listed(pipeline, "replaced"))[0]!.fileId;
  const cases: [sheet: string, message: RegExp][] = [
    ["", /cannot be read: the file has no header|contains no rows/],
    [sheet, /no row of the sheet differs/],
    ["id,amount\n1,2\n", /first columns must be _file_id, _row/],
    [edit(sheet, ["id,amount,note", "id,note,amount"]), /column 2 of the sheet is 'note'; the file's is 'amount'/],
    [edit(sheet, [`${fileId},2,3`, `${fileId},1,3`]), /line 2 of the sheet: row 1 of 'a.csv' was not rejected/],
    [edit(sheet, [`${fileId},2,3`, `${fileId},4,3`]), /line 3 of the sheet: row 4 occurs twice/],
    [edit(sheet, [`${fileId},2,3`, `${fileId},two,3`]), /line 2 of the sheet: _row is 'two'/],
    [
      edit(sheet, [`${fileId},2,3`, `${fileId},8,3`]),
      /row 8 of 'a.csv' was rejected as quote_not_closed: correct the file itself/,
    ],
    [edit(sheet, [`${fileId},2,3`, `other,2,3`]), /rows of several files/],
    [edit(sheet, ["6,6,M", "6,66,M"]), /line 5 of the sheet: a cell still contains \ufffd/],
    [sheet.replaceAll(fileId, "0190b0f0-0000-7000-8000-000000000000"), /has no record of file 0190b0f0/],
  ];
  for (const [text, message] of cases) {
    const { detail, code } = await sendBack(pipeline, "replaced", text);
    assert.match(detail ?? "(accepted)", message);
    assert.ok(["BAD_REQUEST", "NOT_FOUND"].includes(code!));
  }
  assert.equal(await settled(pipeline, "replaced"), files);
  const unknown = await pipeline.send("GET", "/v1/tables/replaced/rejects/export?file=nothing.csv");
  assert.deepEqual([unknown.status, unknown.body.code], [404, "NOT_FOUND"]);
});

test("the text of a rejected row of several MB is whole in the table, the list and the sheet", async (t) => {
  const pipeline = await start(t, folderOf(t));
  const long = `2,n/a,${"ö1234567".repeat(300_000)}`;
  const { body } = await pipeline.put("replaced", "f.csv", `id,amount,note\n1,1.50,one\n${long}\n3,x,y\n`);
  assert.deepEqual([body.status, body["rowsRejected"]], ["committed", 2]);
  await settled(pipeline, "replaced");
  const lengths = await pipeline.query(
    "SELECT line, length(raw), md5(raw) = md5('2,n/a,' || repeat('ö1234567', 300000)) FROM _rejected_rows ORDER BY line",
  );
  assert.deepEqual(
    lengths.map((row) => row.map(Number)),
    [
      [3, long.length, 1],
      [4, 5, 0],
    ],
  );
  const listed = (await pipeline.send("GET", "/v1/tables/replaced/rejects")).body as { rejects?: { raw: string }[] };
  assert.ok(listed.rejects?.[0]?.raw === long);
  const sheet = await pipeline.send("GET", "/v1/tables/replaced/rejects/export?file=f.csv");
  assert.equal(sheet.status, 200);
  assert.ok(sheet.text.includes("ö1234567".repeat(300_000)));
});
