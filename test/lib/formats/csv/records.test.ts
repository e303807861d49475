import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CsvReaderOptions } from "../../../../lib/formats/csv/reader-options.ts";
import { CsvRecordReader } from "../../../../lib/formats/csv/records.ts";
import type { Row } from "../../../../lib/formats/format.ts";
import { hasCode } from "../../../../lib/errors.ts";
import { readByCsvParse } from "../../../fuzz/csv-parse.ts";

interface Read {
  fields: string[];
  line: number;
  raw: string;
  fault: string | undefined;
}

const RFC4180 = { delimiter: ",", quote: '"', escape: '"' } as const;
const ROOMY = { headerBytesMax: 1 << 20, recordBytesMax: 1 << 24 };

interface ReadOptions extends Partial<CsvReaderOptions> {
  width?: number;
  blankLinesAreRows?: boolean;
}

const readerOf = (options: Partial<CsvReaderOptions>): CsvRecordReader =>
  new CsvRecordReader({
    dialect: RFC4180,
    limits: ROOMY,
    fieldsMax: 50,
    headerRows: 0,
    onRow: () => undefined,
    ...options,
  });

function read(
  chunks: readonly Uint8Array[],
  { width = 0, blankLinesAreRows = false, ...options }: ReadOptions = {},
): Read[] {
  const rows: Read[] = [];
  const reader = readerOf({ onRow: (row) => rows.push(copyOf(row)), ...options });
  reader.width = width;
  reader.blankLinesAreRows = blankLinesAreRows;
  for (const chunk of chunks) reader.push(chunk);
  reader.end();
  return rows;
}

const copyOf = (row: Row): Read => ({
  fields: Array.from({ length: row.count }, (_, i) =>
    Buffer.from(row.bytes.subarray(row.bounds[2 * i], row.bounds[2 * i + 1])).toString("utf8"),
  ),
  line: row.line,
  raw: Buffer.from(row.raw()).toString("utf8"),
  fault: row.fault,
});

const fieldsOf = (text: string, options: ReadOptions = {}): string[][] =>
  read([Buffer.from(text)], options).map(({ fields }) => fields);

/** Cuts the bytes at the given places, anywhere: also inside characters. */
function cut(bytes: Buffer, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
}

test("every dialect, cut anywhere, reads back what was written", () => {
  const dialects = fc.record({
    delimiter: fc.constantFrom(",", ";", "\t", "|", "||", "::", "§", "~|~", "\u0001"),
    quote: fc.constantFrom('"', "'"),
    lineEnd: fc.constantFrom("\n", "\r\n", "\r"),
    always: fc.boolean(),
    lastLineEnd: fc.boolean(),
    backslash: fc.boolean(),
    blanks: fc.constantFrom("", " ", "  \t"),
    comment: fc.constantFrom(undefined, "#", "//"),
    bom: fc.boolean(),
  });
  const field = fc.string({
    unit: fc.constantFrom("a", "B", "7", " ", ",", ";", "|", "\t", '"', "'", "\n", "\r", "é", "漢", "😀", ":", "à"),
    maxLength: 6,
  });
  const rows = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(dialects, rows, fc.array(fc.nat(500), { maxLength: 6 }), (dialect, table, places) => {
      const { delimiter, quote, lineEnd, comment, bom } = dialect;
      const blanks = delimiter === "\t" ? dialect.blanks.replace("\t", "") : dialect.blanks;
      const escape = dialect.backslash ? "\\" : quote;
      const written = (value: string): string => {
        const needed = dialect.always || /[,;|\t\n\r"':~§\u0001]|^ | $/.test(value);
        return blanks + (needed ? quote + value.replaceAll(quote, escape + quote) + quote : value) + blanks;
      };
      const before = (bom ? "\ufeff" : "") + (comment === undefined ? "" : `${comment} "no row${lineEnd}`);
      const text =
        table.map((row) => before + row.map(written).join(delimiter)).join(lineEnd) +
        (dialect.lastLineEnd ? lineEnd : "");
      const got = read(cut(Buffer.from(text), places), {
        dialect: { delimiter, quote, escape, comment: comment ?? null, trimBlanks: blanks !== "" },
      });
      assert.deepEqual(
        got.map(({ fields }) => fields),
        table,
      );
      assert.ok(got.every(({ fault }) => fault === undefined));
    }),
    { numRuns: 3_000 },
  );
});

const anyText = fc.string({
  unit: fc.constantFrom("a", "b", ",", ",", '"', '"', "\n", "\n", "\r", "\r\n", "é", " ", "1", "\\", "#", "\ufeff"),
  maxLength: 60,
});

test("locating fields and csv-parse agree on any text, unless a quote is stray", () => {
  let compared = 0;
  fc.assert(
    fc.property(anyText, fc.constantFrom('"', "\\"), fc.constantFrom(",", "b,"), (any, escape, delimiter) => {
      const dialect = { delimiter, quote: '"', escape };
      const content = any.replaceAll("\ufeff", "");
      const rows = read([Buffer.from(content)], { dialect });
      if (rows.some(({ fault }) => fault !== undefined)) return;
      compared++;
      assert.deepEqual(
        rows.map(({ fields }) => fields),
        readByCsvParse(content, dialect),
      );
    }),
    { numRuns: 5_000 },
  );
  assert.ok(compared > 1_000);
});

test("what is read does not depend on where the text is cut, and every line is in one row", () => {
  const dialects = fc.record({
    delimiter: fc.constantFrom(",", ",", "b,", "\t"),
    quote: fc.constantFrom('"', '"', null),
    escape: fc.constantFrom('"', '"', "\\"),
    comment: fc.constantFrom(null, null, "#"),
    trimBlanks: fc.constantFrom(false, false, true),
  });
  const line = fc.constantFrom(
    '1,"x',
    "2,y",
    '3,"z"',
    '4,"a""b"',
    '5,y"',
    '6,"",',
    '"7',
    'a","b',
    "",
    '8,""',
    "#9,x",
    "10,z",
  );
  const lines = fc.array(line, { maxLength: 40 }).map((all) => all.join("\n"));
  const places = fc.array(fc.nat(200), { maxLength: 8 });
  fc.assert(
    fc.property(fc.oneof(anyText, lines), dialects, places, fc.boolean(), (content, dialect, at, small) => {
      const limits = small ? { headerBytesMax: 30, recordBytesMax: 30 } : ROOMY;
      const ways = [[Buffer.from(content)], cut(Buffer.from(content), at)].map((chunks) => {
        try {
          return read(chunks, { dialect, limits, width: 2 });
        } catch (error) {
          assert.ok(hasCode(error, "FILE_ROW_TOO_LONG"), String(error));
          return "too long";
        }
      });
      assert.deepEqual(ways[1], ways[0]);
      const [rows] = ways;
      if (!rows || typeof rows === "string" || dialect.comment !== null) return;
      const text = rows.map(({ raw }) => raw).join("");
      const visible = (any: string): string => any.replaceAll(/[\r\n\ufeff ]/g, "");
      assert.equal(visible(text), visible(content));
    }),
    { numRuns: 5_000 },
  );
});

test("quoting, to the letter", () => {
  const cases: [string, string[][]][] = [
    [
      'a,b\n1,"x, y"\n',
      [
        ["a", "b"],
        ["1", "x, y"],
      ],
    ],
    ['"say ""hi""",2', [['say "hi"', "2"]]],
    ['"",""', [["", ""]]],
    ['""\n""', [[""], [""]]],
    ["a,,c", [["a", "", "c"]]],
    [",\n", [["", ""]]],
    [
      '"line\nbreak","cr\r\nlf"\nnext,row',
      [
        ["line\nbreak", "cr\r\nlf"],
        ["next", "row"],
      ],
    ],
    ['5" nail,ok', [['5" nail', "ok"]]],
    ['"a"b,c', [['"a"b', "c"]]],
    [' "a",b', [[' "a"', "b"]]],
    ["a\n\n\nb\n", [["a"], ["b"]]],
    ["a\rb\r\nc\nd", [["a"], ["b"], ["c"], ["d"]]],
    ['{"a": 1},x', [['{"a": 1}', "x"]]],
    ['"{""a"": 1}",x', [['{"a": 1}', "x"]]],
    ["", []],
    ["\n\n", []],
  ];
  for (const [text, expected] of cases) assert.deepEqual(fieldsOf(text), expected, JSON.stringify(text));
  assert.deepEqual(fieldsOf(`"a",'b'`, { dialect: { ...RFC4180, quote: null } }), [['"a"', "'b'"]]);
  const backslash = { ...RFC4180, escape: "\\" };
  assert.deepEqual(fieldsOf('"a \\"b\\" c",d', { dialect: backslash }), [['a "b" c', "d"]]);
  assert.deepEqual(fieldsOf("«a,b«,c", { dialect: { ...RFC4180, quote: "«", escape: "«" } }), [["a,b", "c"]]);
});

test("lines are counted as an editor counts them", () => {
  const text = 'h\r\n"a\r\nb"\r\n\r\nc\n"d""\n\ne"\rf';
  const lines = read([Buffer.from(text)]).map(({ line, raw }) => [line, raw]);
  assert.deepEqual(lines, [
    [1, "h"],
    [2, '"a\r\nb"'],
    [5, "c"],
    [6, '"d""\n\ne"'],
    [9, "f"],
  ]);
});

test("damaged rows are marked and leave the others alone", () => {
  const bytes = Buffer.concat([
    Buffer.from("ok,1\nbad,"),
    Buffer.from([0xff, 0xfe]),
    Buffer.from("\nnul,\0\nlate é,2\n"),
    Buffer.from([0xc3]),
  ]);
  for (const chunks of [[bytes], cut(bytes, [3, 10, 12, 20, 22])]) {
    const faults = read(chunks).map(({ fault }) => fault);
    assert.deepEqual(faults, [undefined, "encoding", "nul_byte", undefined, "encoding"]);
  }
});

const faultsOf = (text: string, options: ReadOptions = {}) =>
  read([Buffer.from(text)], options).map(({ fault, line, raw, fields }) => [line, fault ?? fields.length, raw]);

test("a stray quote costs its line and no other", () => {
  const lines = Array.from({ length: 300 }, (_, n) => (n === 9 ? `${n + 1},"name ${n}` : `${n + 1},name ${n}`));
  const rows = read([Buffer.from(lines.join("\n"))]);
  assert.equal(rows.length, 300);
  assert.deepEqual(
    rows.filter(({ fault }) => fault).map(({ line, fault, raw }) => [line, fault, raw]),
    [[10, "quote_not_closed", '10,"name 9']],
  );
  // The next quote opens a field: it does not close this one.
  assert.deepEqual(faultsOf('1,"x\n2,y"z\n3,"w"\n'), [
    [1, "quote_not_closed", '1,"x'],
    [2, 2, '2,y"z'],
    [3, 2, '3,"w"'],
  ]);
  assert.deepEqual(faultsOf('"1","x\n"2","y"\r\n"3","z"'), [
    [1, "quote_not_closed", '"1","x'],
    [2, 2, '"2","y"'],
    [3, 2, '"3","z"'],
  ]);
  assert.deepEqual(faultsOf('a,b\r1,"x'), [
    [1, 2, "a,b"],
    [2, "quote_not_closed", '1,"x'],
  ]);
  assert.deepEqual(faultsOf('1,"""x\ny"\n2,z\n'), [
    [1, 2, '1,"""x\ny"'],
    [3, 2, "2,z"],
  ]);
});

test("a stray quote that another one happens to close is seen by the rows between them", () => {
  const between = Array.from({ length: 12 }, (_, n) => `${n + 2},name,2026-01-${n + 10}`);
  const text = ['1,"name,2026-01-01', ...between, '99,5",2026-02-01', ""].join("\n");
  const rows = faultsOf(text, { width: 3 });
  assert.equal(rows.length, 14);
  assert.deepEqual(
    rows.filter(([, fields]) => fields !== 3),
    [[1, "quote_not_closed", '1,"name,2026-01-01']],
  );
  // Without quotes after it for many lines, nobody waits for the end of the file.
  const long = Array.from({ length: 1_000 }, (_, n) => `${n},x\n`).join("");
  const seen: number[] = [];
  const reader = readerOf({ onRow: (row) => seen.push(row.line) });
  reader.width = 2;
  reader.push(Buffer.from(`0,"y\n${long}`));
  assert.equal(seen.length, 1_001);
});

test("a quote in the wrong place is text where one way alone to divide the row leaves the fewest such quotes", () => {
  const cases: [string, number, string[] | string][] = [
    ['7,"A-1,x,"Pillow, red","soft, warm"', 5, ["7", '"A-1', "x", "Pillow, red", "soft, warm"]],
    ['7,""Pillow, red","warm"', 3, ["7", '"Pillow, red', "warm"]],
    ['7,"table, 48"","warm"', 3, ["7", 'table, 48"', "warm"]],
    ['7,"boots, 10" high","8\'9" long"', 3, ["7", 'boots, 10" high', "8'9\" long"]],
    ['7,"say ""hi"" "x","a""b"', 3, ["7", 'say "hi" "x', 'a"b']],
    ['"a"b,c', 2, ['"a"b', "c"]],
    // The fields are too few or too many, whatever the quotes are.
    ['7,"A-1,x,"Pillow"', 5, "quote_not_closed"],
    ['7,"a"b,c', 2, "quote_not_closed"],
    // Two ways leave two quotes each, or a delimiter is missing before the quotes.
    ['"a,"b","c,"d"', 3, "quote_not_closed"],
    ['"soft, warm"https,1', 3, "quote_not_closed"],
    ['7,$9"Pillow, red","warm"', 4, "quote_not_closed"],
    ['7,Rod."Crisp 8\'9"" long, warm",1', 4, "quote_not_closed"],
    ['5" nail,7" nail,x', 3, ['5" nail', '7" nail', "x"]],
    ['nail 5",5"x3",7"', 3, ['nail 5"', '5"x3"', '7"']],
  ];
  for (const [line, width, expected] of cases) {
    const [row, next] = read([Buffer.from(`${line}\n${"x,".repeat(width - 1)}y\n`)], { width });
    assert.deepEqual(row!.fault ?? row!.fields, expected, line);
    assert.equal(row!.raw, line);
    assert.deepEqual([next!.line, next!.fields.length], [2, width], "it costs no other row");
  }
  const dialect = { delimiter: "||", quote: "'", escape: "\\", trimBlanks: true };
  const [row] = read([Buffer.from("7 || 'won't \\'do\\', or || will' || 'x' ")], { width: 3, dialect });
  assert.deepEqual(row!.fields, ["7", "won't 'do', or || will", "x"]);
});

test("rows with quotes in wrong places take bounded time", () => {
  for (const field of ['"a"b', '"a', 'a"', '""a"', 'a"b']) {
    const line = Array.from({ length: 500 }, () => field).join(",");
    const before = process.cpuUsage();
    read([Buffer.from(`${line}\n`.repeat(300))], { width: 500, fieldsMax: 600 });
    const { user, system } = process.cpuUsage(before);
    assert.ok((user + system) / 1000 < 5_000, `${(user + system) / 1000} ms for ${field}`);
  }
});

test("fields of many lines stay whole", () => {
  const letter = Array.from({ length: 5_000 }, (_, n) => `Line ${n}, with a comma, or two`).join("\n");
  const note = "Dear Ann,\n\nred, blue\ngreen, black\n1, 2\n3, 4\nyours, Bob";
  for (const field of [letter, note, `${note}\n${note}`, "\n\n", "1,2\n3,4\n5,6", `a "${note}`]) {
    const written = `"${field.replaceAll('"', '""')}"`;
    for (const text of [`7,${written}\n8,x\n`, `${written},7\nx,8\n`]) {
      const rows = read([Buffer.from(text)], { width: 2 });
      assert.equal(rows.length, 2, JSON.stringify(field.slice(0, 60)));
      assert.ok(rows[0]!.fields.includes(field));
    }
  }
});

test("a row with the wrong number of fields stays one row, also if its field's last line has the right number", () => {
  assert.deepEqual(faultsOf(',"a\r\nb",0,\n1,x,2\n', { width: 3 }), [
    [1, 4, ',"a\r\nb",0,'],
    [3, 3, "1,x,2"],
  ]);
});

test("quotes that never close take time linear to the text", () => {
  for (const line of ['1","Ann","x', '1,"x', '1,"x""', '"a","b', 'a","b', '"",""",']) {
    const text = Buffer.from(`${line}\n`.repeat(200_000));
    const before = process.cpuUsage();
    const rows = read([text], { width: 3 });
    assert.ok(rows.length > 50_000, line);
    const { user, system } = process.cpuUsage(before);
    // Measured: 200 to 600 ms. A scan to the limit of a row for each line takes an hour.
    assert.ok((user + system) / 1000 < 10_000, `${(user + system) / 1000} ms for ${line}`);
  }
});

test("blank lines are rows only if it is said", () => {
  const options = { blankLinesAreRows: true };
  assert.deepEqual(
    read([Buffer.from('a\n\n"b"\r\n\r\n"c""d"\n\ne')], options).map(({ fields, line }) => [line, ...fields]),
    [
      [1, "a"],
      [2, ""],
      [3, "b"],
      [4, ""],
      [5, 'c"d'],
      [6, ""],
      [7, "e"],
    ],
  );
  assert.deepEqual(fieldsOf("a\n\n\n", options), [["a"], [""], [""]]);
  assert.deepEqual(fieldsOf("a\n", options), [["a"]]);
});

test("a byte order mark at the start of a row is no part of it", () => {
  const mark = "\ufeff";
  assert.deepEqual(fieldsOf(`${mark}a,b\n${mark}"c",d\n1,${mark}2\n${mark}"e ""f""",g\n${mark}`), [
    ["a", "b"],
    ["c", "d"],
    ["1", `${mark}2`],
    ['e "f"', "g"],
  ]);
});

test("blanks around quotes and fields, comments, and delimiters of several characters", () => {
  const dialect = { ...RFC4180, trimBlanks: true };
  assert.deepEqual(fieldsOf('a, "b, c" ,d\n\t"e ""f"" "\t, g h ,"i"j\n  \n', { dialect }), [
    ["a", "b, c", "d"],
    ['e "f" ', "g h", '"i"j'],
  ]);
  assert.deepEqual(fieldsOf('a\t "b" \t\t c\n', { dialect: { ...dialect, delimiter: "\t" } }), [["a", "b", "", "c"]]);
  const commented = { ...RFC4180, comment: "#" };
  assert.deepEqual(fieldsOf('# "x\na,#b\n#\n"#c",d\n"e\n#f",g\n #h,i', { dialect: commented }), [
    ["a", "#b"],
    ["#c", "d"],
    ["e\n#f", "g"],
    [" #h", "i"],
  ]);
  assert.deepEqual(fieldsOf('a||"b||c"||d|e\n|||\n', { dialect: { ...RFC4180, delimiter: "||" } }), [
    ["a", "b||c", "d|e"],
    ["", "|"],
  ]);
});

test("rows and headers have a limit, and an open quote costs no more memory than that", () => {
  const limits = { headerBytesMax: 100, recordBytesMax: 4096 };
  const longHeader = Buffer.alloc(1000, "a");
  assert.throws(
    () => read([longHeader], { limits, headerRows: 1 }),
    (error) => hasCode(error, "FILE_HEADER_TOO_LONG"),
  );
  assert.throws(
    () => read([Buffer.from("h\n"), Buffer.alloc(5000, "a")], { limits }),
    (error) => hasCode(error, "FILE_ROW_TOO_LONG"),
  );
  const texts = Array.from({ length: 1000 }, () => Buffer.from("text, text, text\n"));
  const open = read([Buffer.from('h,i\n1,2\n3,"open\n'), ...texts], { limits });
  assert.deepEqual(
    open.filter(({ fault }) => fault).map(({ line, raw }) => [line, raw]),
    [[3, '3,"open']],
  );
  assert.equal(open.length, 1003);
});

test("more fields than there is room for are counted, not kept", () => {
  const rows: [number, string][] = [];
  const reader = new CsvRecordReader({
    dialect: RFC4180,
    limits: ROOMY,
    fieldsMax: 3,
    headerRows: 0,
    onRow: (row) => rows.push([row.count, Buffer.from(row.raw()).toString()]),
  });
  reader.push(Buffer.from('1,2,3,4,5\n"a""",2,3,4\n'));
  reader.end();
  assert.deepEqual(rows, [
    [5, "1,2,3,4,5"],
    [4, '"a""",2,3,4'],
  ]);
});
