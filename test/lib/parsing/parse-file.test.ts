import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Reject } from "../../../lib/messages/generated.ts";
import { parseFile, type ParseJob, type ParseOutput, type ParseSummary } from "../../../lib/parsing/parse-file.ts";
import { previewFile } from "../../../lib/parsing/preview.ts";
import { writtenFields } from "../../../lib/formats/message-fields.ts";
import { defaultContract } from "../../../lib/contract/contract.ts";
import { columnsOf, jobOf, parse, pieces, type ParseSetup } from "./parsing.ts";

const SMALL = { inferenceBytes: 512, detectionBytes: 512 };

test("contract: columns in any order, formats, null markers, required and key columns", async () => {
  const contract = {
    columns: [
      { name: "order_id", type: "VARCHAR", required: true },
      { name: "amount", type: "DECIMAL(12,2)", header: "Betrag" },
      { name: "day", type: "DATE", format: "dd.MM.yyyy" },
    ],
    writeMode: "upsert",
    key: ["order_id"],
    nullMarkers: ["NA", "-"],
  };
  const parsed = await parse("day;Betrag;order_id;extra\n31.01.2024;1.5;A;x\nNA;-;B;NA\n;;;y\n2024-01-31;1;C;z\n", {
    contract,
  });
  assert.deepEqual(columnsOf(parsed), ["order_id VARCHAR", "amount DECIMAL(12,2)", "day DATE", "extra VARCHAR"]);
  assert.deepEqual(parsed.rows, [
    { order_id: "A", amount: "1.50", day: "2024-01-31", extra: "x" },
    { order_id: "B", amount: null, day: null, extra: null },
  ]);
  assert.deepEqual(
    parsed.rejects.map(({ row, column, reason, message }) => [row, column, reason, message]),
    [
      [3, "order_id", "required", "column 'order_id' is required, but the field is empty"],
      [4, "day", "type_mismatch", "'2024-01-31' is not a valid DATE (column 'day')"],
    ],
  );
});

test("contract: columns that are missing or unexpected", async () => {
  const columns = [{ name: "id", type: "INTEGER", required: true }];
  const code = async (content: string, setup: ParseSetup) => (await parse(content, setup)).summary.error?.code;
  assert.equal(await code("x\n1\n", { contract: { columns } }), "HEADER_COLUMN_MISSING");
  assert.equal(await code("x\n1\n", { contract: { writeMode: "upsert", key: ["id"] } }), "HEADER_COLUMN_MISSING");
  assert.equal(
    await code("id,x\n1,2\n", { contract: { columns, unexpectedColumns: "fail" } }),
    "HEADER_COLUMN_UNEXPECTED",
  );
  assert.equal(
    await code("id,x\n1,2\n", { contract: { unexpectedColumns: "fail" }, current: { id: "INTEGER" } }),
    "HEADER_COLUMN_UNEXPECTED",
  );
  assert.equal(
    await code("id,x\n1,2\n", { contract: { unexpectedColumns: "fail" } }),
    undefined,
    "a new table expects nothing",
  );
  const ignored = await parse("x,id\n1,2\n", { contract: { columns, unexpectedColumns: "ignore" } });
  assert.deepEqual(ignored.rows, [{ id: 2 }]);
});

test("contract: what becomes of values that do not fit", async () => {
  const current = { id: "INTEGER", day: "DATE" } as const;
  const content = "id,day\n1,2024-01-31\nx,soon\n3,\n";
  const rejected = await parse(content, { current });
  assert.deepEqual([rejected.summary.rowsRead, rejected.summary.rowsAccepted, rejected.rejects.length], [3, 2, 1]);
  const rescued = await parse(content, { current, contract: { onMismatch: "rescue" } });
  assert.deepEqual(rescued.rows[1], { id: null, day: null, _rescued: '{"id":"x","day":"soon"}' });
  assert.deepEqual(rescued.rows[2], { id: 3, day: null, _rescued: null });
  const failed = await parse(content, { current, contract: { onMismatch: "fail" } });
  assert.equal(failed.summary.error?.code, "FILE_VALUE_MISMATCH");
  assert.match(failed.summary.error.message, /line 3: 'x' is not a valid INTEGER/);
});

test("contract: ragged rows and limits on rejects", async () => {
  const content = "a,b\n1\n2,3\n4,5,6\n";
  const strict = await parse(content);
  assert.deepEqual(
    strict.rejects.map(({ reason, raw }) => [reason, raw]),
    [
      ["too_few_fields", "1"],
      ["too_many_fields", "4,5,6"],
    ],
  );
  const padded = await parse(content, { contract: { raggedRows: "pad" } });
  assert.deepEqual(padded.rows[0], { a: 1, b: null });
  const code = async (rejects: object) => (await parse(content, { contract: { rejects } })).summary.error?.code;
  assert.equal(await code({ countMax: 1 }), "REJECTS_ABOVE_THRESHOLD");
  assert.equal(await code({ countMax: 2 }), undefined);
  assert.equal(await code({ shareMax: 0.5 }), "REJECTS_ABOVE_THRESHOLD");
  assert.equal(await code({ shareMax: 0.7 }), undefined);
});

test("a sample declared by the contract ends inference; later misfits are rejects", async () => {
  const parsed = await parse(`n\n${"1\n".repeat(10)}x\n2\n`, { contract: { inferenceSampleRows: 10 } });
  assert.deepEqual([columnsOf(parsed), parsed.readings, parsed.rejects.length], [["n INTEGER"], 1, 1]);
  const within = await parse(`n\n${"1\n".repeat(9)}x\n2\n`, { contract: { inferenceSampleRows: 10 } });
  assert.deepEqual([columnsOf(within), within.rejects.length], [["n VARCHAR"], 0]);
  const late = await parse(`n,m\n${"1,1\n".repeat(200)}1.5,1\n${"1,1\n".repeat(200)}1,x\n`, {
    contract: { inferenceSampleRows: 300 },
    limits: SMALL,
  });
  assert.deepEqual([columnsOf(late), late.rejects.length], [["n DECIMAL(18,2)", "m INTEGER"], 1]);
});

test("columns that are empty at first get their type from the first value", async () => {
  const content = `a,b\n${",x\n".repeat(300)}7,x\n`;
  const parsed = await parse(content, { limits: SMALL });
  assert.deepEqual([columnsOf(parsed), parsed.readings], [["a INTEGER", "b VARCHAR"], 2]);
  assert.equal(parsed.rows.length, 301);
});

test("a file that fails while its types are sought again counts what was handed out: its rejects, and no void row", async () => {
  const content = `n,m\n${"1\n".repeat(3)}${"1,1\n".repeat(200)}x,1\n2,${"y".repeat(2_000)}\n`;
  const limits = { ...SMALL, recordBytesMax: 1_000, batchBytesMax: 400 };
  const { summary, rows, rejects, readings } = await parse(content, { limits });
  assert.deepEqual([readings, summary.error?.code], [1, "FILE_ROW_TOO_LONG"]);
  assert.deepEqual([summary.rowsAccepted, summary.rowsRejected], [rows.length, rejects.length]);
  assert.equal(rejects.length, 3);
});

/** Rows whose values drift: mostly of one kind, now and then another. */
const column = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: 0, max: 99 }).map(String) },
    { weight: 1, arbitrary: fc.constantFrom("", "3000000000", "1.5", "2.125", "1e9", "x", "2024-01-31", "true") },
  ),
  { minLength: 1, maxLength: 120 },
);

test("types are exact for the whole file, found in at most two readings, wherever the first block ends", async () => {
  await fc.assert(
    fc.asyncProperty(
      column,
      column,
      fc.integer({ min: 16, max: 400 }),
      fc.integer({ min: 1, max: 100 }),
      async (a, b, first, pieceBytes) => {
        const count = Math.min(a.length, b.length);
        const drifting = a.slice(0, count).map((value, i) => `${value},${b[i]},.\n`);
        // A last row with a blank may be the total of the rows above it.
        const content = `left,right,end\n${drifting.join("")}1,1,.\n`;
        const whole = await parse(content);
        const bits = await parse(content, {
          limits: { inferenceBytes: first, detectionBytes: first, batchBytesMax: 256 },
          pieceBytes,
        });
        assert.ok(bits.readings <= 2);
        assert.equal(whole.readings, 1);
        assert.deepEqual(columnsOf(bits), columnsOf(whole));
        assert.deepEqual(bits.rows, whole.rows);
        assert.equal(whole.rows.length, count + 1);
        assert.deepEqual(whole.rejects, []);
      },
    ),
    { numRuns: 300 },
  );
});

test("a file read again into the table it made changes nothing", async () => {
  await fc.assert(
    fc.asyncProperty(column, async (values) => {
      const content = `v,end\n${values.map((value) => `${value},.\n`).join("")}`;
      const first = await parse(content);
      const current = Object.fromEntries(first.summary.columns.map(({ name, type }) => [name, type]));
      const second = await parse(content, { current });
      assert.deepEqual(columnsOf(second), columnsOf(first));
      assert.deepEqual(second.rows, first.rows);
    }),
    { numRuns: 200 },
  );
});

test("batches stay within their limit; a row too large for a message is a reject", async () => {
  const limits = { batchBytesMax: 2_000, messageBytesMax: 20_000 };
  const content = `a,b\n${"x".repeat(100)},1\n`.concat(
    `${"y".repeat(50)},2\n`.repeat(100),
    `${"z".repeat(30_000)},3\n`,
    "w,4\n",
  );
  const parsed = await parse(content, { limits });
  assert.deepEqual(
    parsed.rejects.map(({ reason, row }) => [reason, row]),
    [["row_too_large", 102]],
  );
  assert.equal(parsed.rows.length, 102);
  assert.ok(parsed.batches >= 4);
});

test("hostile files", async (t) => {
  const code = async (content: string | Uint8Array, setup: ParseSetup = {}) =>
    (await parse(content, setup)).summary.error?.code;
  await t.test("empty", async () => {
    assert.equal(await code(""), "FILE_EMPTY");
    assert.equal(await code("\n\r\n\n"), "FILE_EMPTY");
    assert.equal(await code(Buffer.from([0xef, 0xbb, 0xbf])), "FILE_EMPTY");
  });
  await t.test("header only", async () => {
    const parsed = await parse("id,name");
    assert.deepEqual([parsed.summary.outcome, columnsOf(parsed)], ["complete", []]);
  });
  await t.test("a header of 10 MB", async () => {
    assert.equal(await code(Buffer.alloc(10_000_000, "a")), "FILE_HEADER_TOO_LONG");
    assert.equal(await code(`${"a,".repeat(200_000)}b\n1\n`), "FILE_HEADER_TOO_LONG");
  });
  await t.test("5,000 columns", async () => {
    const header = Array.from({ length: 5_000 }, (_, i) => `c${i}`).join(",");
    assert.equal(await code(`${header}\n`), "FILE_TOO_MANY_COLUMNS");
    const wide = await parse(`${header}\n${"1,".repeat(4_999)}2\n`, { limits: { columnsMax: 5_000 } });
    assert.deepEqual([wide.summary.outcome, wide.rows.length, wide.rows[0]!["c4999"]], ["complete", 1, 2]);
  });
  await t.test("NUL bytes and invalid UTF-8", async () => {
    const parsed = await parse(
      Buffer.concat([Buffer.from("a,b\n1,\0x\n2,"), Buffer.from([0xff]), Buffer.from("\n3,é\n")]),
    );
    assert.deepEqual(
      parsed.rejects.map(({ reason, raw }) => [reason, raw]),
      [
        ["nul_byte", "1,\\x00x"],
        ["encoding", "2,\\xff"],
      ],
    );
    assert.deepEqual(parsed.rows, [{ a: 3, b: "é" }]);
  });
  await t.test("invalid bytes in the header", async () => {
    assert.equal(
      await code(Buffer.concat([Buffer.from("é,é,é,a"), Buffer.from([0xff]), Buffer.from("\n1,2,3,4\n")])),
      "FILE_ENCODING_UNKNOWN",
    );
  });
  await t.test("an open quote in the header, NULs in every row", async () => {
    assert.equal(await code('"a,b\n1,2\n'), "FILE_QUOTE_NOT_CLOSED");
    const nuls = await parse(`a,b\n${"x,\0\n".repeat(100)}`);
    assert.deepEqual(nuls.summary.rejectsByReason, { nul_byte: 100 });
  });
  await t.test("an open quote in 64 MB costs one row, and the memory of one", async () => {
    async function* endless() {
      yield Buffer.from('a,b\n1,"open\n');
      // No row by themselves, so that nothing but the limit of a row tells.
      for (let i = 0; i < 64; i++) yield Buffer.alloc(1 << 20, `${"text, ".repeat(999)}more\n`);
    }
    const { DEFAULT_LIMITS } = await import("../../../lib/parsing/limits.ts");
    const { defaultContract } = await import("../../../lib/contract/contract.ts");
    let end: ParseOutput | undefined;
    let first: Reject | undefined;
    const before = process.memoryUsage().rss;
    for await (const output of parseFile(endless(), {
      fileName: "",
      contract: defaultContract("t"),
      requested: { delimiter: "," },
      known: [],
      origin: { sourceFile: "", sourceOffset: 0, receivedAtMs: 0 },
      limits: DEFAULT_LIMITS,
    })) {
      if (output.kind === "rejects") first ??= output.rejects[0];
      end = output;
    }
    assert.ok(end?.kind === "end" && end.summary.error === undefined);
    const { rowsRead, rowsRejected, rejectsByReason } = end.summary;
    assert.deepEqual([first?.line, first?.reason, first?.raw], [2, "quote_not_closed", '1,"open']);
    assert.deepEqual(rejectsByReason, { quote_not_closed: 1, too_many_fields: rowsRead - 1 });
    assert.ok(rowsRejected === rowsRead && rowsRead > 10_000);
    assert.ok(process.memoryUsage().rss - before < 300 * 1024 * 1024);
  });
  await t.test("headers that are equal, empty, reserved or differ in case only", async () => {
    const parsed = await parse("id,id,ID,,,_source_file,select\n1,2,3,4,5,6,7\n");
    assert.deepEqual(
      parsed.summary.columns.map(({ name, header }) => [name, header]),
      [
        ["id", "id"],
        ["id_2", "id"],
        ["id_3", "ID"],
        ["col", ""],
        ["col_2", ""],
        ["source_file", "_source_file"],
        ["select", "select"],
      ],
    );
  });
  await t.test("headers that every object inherits", async () => {
    const headers = ["constructor", "Constructor", "toString", "valueOf", "__proto__", "hasOwnProperty"];
    const parsed = await parse(`${headers.join()}\n${"1,2,3,4,5,6\n".repeat(200)}1,2.5,x,4,5,6\n`, { limits: SMALL });
    assert.deepEqual(
      parsed.summary.columns.map(({ header }) => header),
      headers,
    );
    assert.deepEqual(
      parsed.summary.columns.map(({ type }) => type),
      ["INTEGER", "DECIMAL(18,2)", "VARCHAR", "INTEGER", "INTEGER", "INTEGER"],
    );
    assert.equal(parsed.readings, 2);
    assert.deepEqual(structuredClone(parsed.summary.columns), parsed.summary.columns, "a worker can send it");
    const rescuing = { columns: [{ name: "constructor", type: "INTEGER" }], onMismatch: "rescue" };
    const rescued = await parse("constructor,id\nx,1\n", { contract: rescuing });
    assert.equal(rescued.rows[0]!["_rescued"], '{"constructor":"x"}');
  });
  await t.test("other formats", async () => {
    for (const head of ["PK\x03\x04", "PAR1\x15\x00", "%PDF-1.7", "Obj\x01\x02"]) {
      assert.equal(await code(Buffer.from(`${head}aaaaaaaaaaaa`, "latin1")), "FILE_NOT_CSV");
    }
    assert.equal(await code(Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 37) % 30))), "FILE_NOT_CSV");
  });
});

test("lines that are no rows are counted in the summary and the preview, and pin nothing", async () => {
  const content = "id,n\n1,a\nid,n\n# note\n2,b\nTotal,2\n";
  const requested = { delimiter: ",", comment: "#", footer: { rows: 1 } };
  const { summary, rows } = await parse(content, { contract: { dialect: requested } });
  assert.deepEqual([rows.length, summary.rowsRead, summary.dialect?.skippedRows], [2, 2, 3]);
  assert.doesNotMatch(writtenFields("csv", summary.dialect).formatOptionsJson ?? "", /skippedRows/);
  const options = { fileName: "a.csv", contract: defaultContract("t"), requested };
  const preview = await previewFile(pieces(Buffer.from(content), 7), options);
  assert.deepEqual([preview.rowsRead, preview.dialect?.skippedRows], [2, 3]);
});

test("a row without a value is skipped and counted, also behind the sample, and rejects add up", async () => {
  const lines = Array.from({ length: 40_000 }, (_, n) => (n % 1_000 === 999 ? ",,," : `${n},oak ${n},${n}.50,`));
  lines[39_998] = "x,elm,1.5,";
  const content = `id,tree,price,note\n${lines.join("\n")}\n`;
  const { summary, rows, rejects } = await parse(content, { current: { id: "INTEGER", tree: "VARCHAR" } });
  const { rowsRead, rowsRejected, dialect } = summary;
  assert.deepEqual(
    [rows.length, rejects.length, rowsRead, rowsRejected, dialect?.skippedRows],
    [39_959, 1, 39_960, 1, 40],
  );
  const one = await parse("n\n1\n\n2\n");
  assert.deepEqual([one.rows.length, one.summary.dialect?.skippedRows], [3, undefined]);
});

test("files without a header", async () => {
  const plain = await parse("1.5,a\n2.5,b\n");
  assert.deepEqual([columnsOf(plain), plain.rows.length], [["column_1 DECIMAL(18,2)", "column_2 VARCHAR"], 2]);
  const told = await parse("a,b\nc,d\n", { job: { requested: { header: false } } });
  assert.equal(told.rows.length, 2);
  const columns = [
    { name: "id", type: "INTEGER" },
    { name: "name", type: "VARCHAR" },
  ];
  const declared = await parse("1,x\n2,y\n", { contract: { columns, dialect: { header: false } } });
  assert.deepEqual(declared.rows[1], { id: 2, name: "y" });
});

test("the rows and rejects of one file have a limit, absolute and relative to its stored bytes", async () => {
  const narrow = `a\n${"1\n".repeat(2_000_000)}`;
  const fails = async (text: string, setup: ParseSetup) => {
    const { summary, rejects } = await parse(text, setup);
    assert.equal(summary.error?.code, "FILE_EXPANDS_TOO_FAR");
    return { message: summary.error.message, rejects: rejects.length };
  };
  const { message } = await fails(narrow.slice(0, 200_000), { limits: { encodedBytesMax: 1_000_000 } });
  assert.match(message, /1000000 bytes \(TRIBUTARY_ENCODED_BYTES_MAX\)/);
  const rejects = await fails(`a,b\n${"1\n".repeat(100_000)}`, {
    limits: { encodedBytesMax: 1_000_000 },
    contract: { dialect: { delimiter: "," } },
  });
  assert.ok(rejects.rejects > 1_000, "the rejects up to the limit are kept");
  const name = { sourceFile: "n".repeat(200), sourceOffset: 1, receivedAtMs: 0 };
  const relative = await parseLast(narrow, { origin: name, storedBytes: 4_000 });
  assert.equal(relative.error?.code, "FILE_EXPANDS_TOO_FAR");
  assert.match(relative.error.message, /200 times the 4000 bytes .*TRIBUTARY_ENCODED_RATIO_MAX/);
  assert.equal((await parseLast(narrow, { origin: name, storedBytes: 4_000_000 })).outcome, "complete");
});

/** The summary alone, without keeping rows. */
async function parseLast(text: string, job: Partial<ParseJob>): Promise<ParseSummary> {
  for await (const output of parseFile(pieces(Buffer.from(text), 1 << 16), jobOf({ job }, {}))) {
    if (output.kind === "end") return output.summary;
  }
  throw new Error("no end");
}

test("a value with a stray quote makes no column text, and no row is lost by it", async () => {
  const head = 'id,day,note\n1,2026-01-01,"a, b"\n2,2026-01-02,"c, d"\n';
  const parsed = await parse(`${head}"3,2026-01-03,"e, f"\n4,2026-01-04,""g, h"\n`);
  assert.deepEqual(columnsOf(parsed), ["id INTEGER", "day DATE", "note VARCHAR"]);
  assert.deepEqual(
    parsed.rejects.map(({ line, reason, column }) => [line, reason, column]),
    [[4, "type_mismatch", "id"]],
  );
  assert.deepEqual(parsed.rows.at(-1), { id: 4, day: "2026-01-04", note: '"g, h' });
  const lines = Array.from({ length: 30_000 }, (_, n) => `${n},"${n}, is "it"",x`).join("\n");
  const all = await parse(`id,note,end\n${lines}\n`);
  assert.deepEqual(columnsOf(all), ["id INTEGER", "note VARCHAR", "end VARCHAR"]);
  assert.deepEqual([all.rows.length, all.rejects.length], [30_000, 0]);
  const numbers = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, at) => `${from + at},${from + at},x y\n`).join("");
  const text = `id,n,t\n${numbers(1, 300)}300,"A,"soft, warm"\n${numbers(301, 400)}400,hello,x\n${numbers(401, 420)}`;
  const mixed = await parse(text, { limits: { inferenceBytes: 2_000 } });
  assert.deepEqual(columnsOf(mixed), ["id INTEGER", "n VARCHAR", "t VARCHAR"], "text below a stray quote is text");
  assert.deepEqual(
    mixed.rows.find(({ id }) => id === 400),
    { id: 400, n: "hello", t: "x" },
  );
  const late = await parse(`id,note,end\n${"1,,x\n".repeat(60_000)}2,""a, b",x\n`);
  assert.deepEqual([columnsOf(late)[1], late.rows.length, late.rejects.length], ["note VARCHAR", 60_001, 0]);
});

test("a row of words far below numbers and dates decides no type", async () => {
  const rows = Array.from({ length: 3_000 }, (_, at) => `${at},2024-01-01,5\n`).join("");
  for (const inferenceBytes of [2_000, 20_000, 200_000]) {
    const limits = { inferenceBytes, detectionBytes: 2_000 };
    const parsed = await parse(`id,day,n\n${rows}no,date,qty\n${rows}`, { limits });
    assert.deepEqual(columnsOf(parsed), ["id INTEGER", "day DATE", "n INTEGER"]);
    assert.deepEqual(
      parsed.rejects.map(({ line, reason }) => [line, reason]),
      [[3_002, "type_mismatch"]],
    );
    const text = await parse(`id,day,n\n${rows}x,unknown,5\n${rows}`, { limits });
    assert.deepEqual([columnsOf(text), text.rejects], [["id VARCHAR", "day VARCHAR", "n INTEGER"], []]);
  }
});

test("a column without a value has no type, wherever its first value stands", async (t) => {
  await t.test("in the first block, in a later one, or nowhere", async () => {
    const rows = Array.from({ length: 60_000 }, (_, at) => `${at},,${at === 50_000 ? 7 : ""},${"x".repeat(20)}`).join(
      "\n",
    );
    const parsed = await parse(`id,blank,late,pad\n${rows}\n`);
    assert.deepEqual(columnsOf(parsed), ["id INTEGER", "late INTEGER", "pad VARCHAR"]);
    assert.equal(parsed.readings, 2);
    assert.deepEqual(parsed.rows[50_000], { id: 50_000, late: 7, pad: "x".repeat(20) });
  });
  await t.test("after the contract's sample", async () => {
    const contract = { inferenceSampleRows: 2 };
    const parsed = await parse("id,late\n1,\n2,\n3,4\n5,x\n", { contract });
    assert.deepEqual([columnsOf(parsed), parsed.rejects], [["id INTEGER", "late VARCHAR"], []]);
  });
  await t.test("blanks and null markers are no value", async () => {
    const parsed = await parse("id,a,b\n1,  ,NA\n2,, NA \n", { contract: { nullMarkers: ["NA"] } });
    assert.deepEqual(parsed.rows, [{ id: 1 }, { id: 2 }]);
  });
  await t.test("of equal headers the last ones, as where a spreadsheet adds delimiters", async () => {
    const parsed = await parse("id,,,\n1,,,\n2,,,\n");
    assert.deepEqual([columnsOf(parsed), parsed.rejects], [["id INTEGER"], []]);
    const later = await parse("id,,,\n3,,x,\n", { job: { known: parsed.summary.columns } });
    assert.deepEqual(columnsOf(later), ["id INTEGER", "col VARCHAR", "col_2 VARCHAR"]);
    assert.deepEqual(Object.values(later.rows[0]!), [3, null, "x"]);
  });
  await t.test("of equal headers none before one with values, since they count by their places", async () => {
    const parsed = await parse("id,x,x\n1,,5\n");
    assert.equal(parsed.rows[0]!["x"], null);
    const again = await parse("id,x,x\n2,6,7\n", { job: { known: parsed.summary.columns } });
    assert.deepEqual(Object.values(again.rows[0]!), [2, "6", 7]);
  });
  await t.test("in a rejected row", async () => {
    const parsed = await parse("id,late\n1,\nx,5\n", { current: { id: "INTEGER" } });
    assert.deepEqual([columnsOf(parsed), parsed.rows], [["id INTEGER", "late INTEGER"], [{ id: 1, late: null }]]);
  });
  await t.test("beside rescued values", async () => {
    const parsed = await parse("id,late\n1,\nx,\n", { current: { id: "INTEGER" }, contract: { onMismatch: "rescue" } });
    assert.deepEqual(parsed.rows, [
      { id: 1, _rescued: null },
      { id: null, _rescued: '{"id":"x"}' },
    ]);
  });
});

test("the text of a reject is whole, however long the row is, and no output exceeds a batch", async () => {
  const long = `2,${"ö€😀\0".repeat(300_000)},x`;
  const parsed = await parse(`id,name\n1,a\n${long}\n3,b,c\n`, { current: { id: "INTEGER", name: "VARCHAR" } });
  assert.equal(parsed.summary.rowsRejected, 2);
  assert.deepEqual(
    parsed.rejects.map(({ line, raw }) => [line, raw.length]),
    [
      [3, long.replaceAll("\0", "\\x00").length],
      [4, 5],
    ],
  );
  assert.ok(parsed.rejects[0]!.raw === long.replaceAll("\0", "\\x00"));
  for await (const output of parseFile(pieces(Buffer.from(`id\n${long}\n`), 1 << 16), jobOf({}, {}))) {
    if (output.kind !== "rejects") continue;
    const text = output.text?.text ?? output.rejects[0]!.raw;
    assert.ok(Buffer.byteLength(text) <= 512 * 1024);
  }
});
