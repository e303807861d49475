import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CsvRecordReader, type CsvReaderOptions } from "../../../../lib/formats/csv/records.ts";
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

function read(chunks: readonly Uint8Array[], options: Partial<CsvReaderOptions> = {}): Read[] {
  const rows: Read[] = [];
  const reader = new CsvRecordReader({
    dialect: RFC4180,
    limits: ROOMY,
    fieldsMax: 50,
    header: false,
    onRow: (row) => rows.push(copyOf(row)),
    ...options,
  });
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

const fieldsOf = (text: string, options: Partial<CsvReaderOptions> = {}): string[][] =>
  read([Buffer.from(text)], options).map(({ fields }) => fields);

/** Cuts the bytes at the given places, anywhere: also inside characters. */
function cut(bytes: Buffer, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
}

test("every dialect, cut anywhere, reads back what was written", () => {
  const dialects = fc.record({
    delimiter: fc.constantFrom(",", ";", "\t", "|"),
    quote: fc.constantFrom('"', "'"),
    lineEnd: fc.constantFrom("\n", "\r\n", "\r"),
    always: fc.boolean(),
    lastLineEnd: fc.boolean(),
    backslash: fc.boolean(),
  });
  const field = fc.string({
    unit: fc.constantFrom("a", "B", "7", " ", ",", ";", "|", "\t", '"', "'", "\n", "\r", "é", "漢", "😀"),
    maxLength: 6,
  });
  const rows = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(dialects, rows, fc.array(fc.nat(500), { maxLength: 6 }), (dialect, table, places) => {
      const { delimiter, quote, lineEnd } = dialect;
      const escape = dialect.backslash ? "\\" : quote;
      const written = (value: string): string => {
        const needed = dialect.always || /[,;|\t\n\r"']/.test(value);
        return needed ? quote + value.replaceAll(quote, escape + quote) + quote : value;
      };
      const text =
        table.map((row) => row.map(written).join(delimiter)).join(lineEnd) + (dialect.lastLineEnd ? lineEnd : "");
      const got = read(cut(Buffer.from(text), places), { dialect: { delimiter: delimiter, quote, escape } });
      assert.deepEqual(
        got.map(({ fields }) => fields),
        table,
      );
      assert.ok(got.every(({ fault }) => fault === undefined));
    }),
    { numRuns: 2_000 },
  );
});

test("locating fields and csv-parse agree on any text, however it is cut", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "b", ",", ",", '"', '"', "\n", "\n", "\r", "\r\n", "é", " "),
    maxLength: 40,
  });
  fc.assert(
    fc.property(text, fc.array(fc.nat(60), { maxLength: 4 }), (content, places) => {
      const rows = read(cut(Buffer.from(content), places));
      const expected = readByCsvParse(content, RFC4180);
      if (expected === undefined) {
        assert.equal(rows.at(-1)?.fault, "quote_not_closed");
      } else {
        assert.deepEqual(
          rows.map(({ fields }) => fields),
          expected,
        );
      }
      for (const { raw } of rows) assert.ok(content.includes(raw));
    }),
    { numRuns: 3_000 },
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

test("a quote left open is one rejected row, at the end or where a later quote closes it badly", () => {
  const atEnd = read([Buffer.from('a,b\n1,"x\n2,y\n')]);
  assert.deepEqual(
    atEnd.map(({ fault, line, raw }) => [fault, line, raw]),
    [
      [undefined, 1, "a,b"],
      ["quote_not_closed", 2, '1,"x\n2,y\n'],
    ],
  );
  const inside = read([Buffer.from('a,b\n1,"x\n2,y"z\n3,w\n')]);
  assert.deepEqual(
    inside.map(({ fault }) => fault),
    [undefined, "quote_not_closed", undefined],
  );
  const fine = read([Buffer.from('1,"""x\ny"\n2,z\n')]);
  assert.deepEqual(
    fine.map(({ fields, fault }) => [fault, ...fields]),
    [
      [undefined, "1", '"x\ny'],
      [undefined, "2", "z"],
    ],
  );
});

test("rows and headers have a limit, and an open quote costs no more memory than that", () => {
  const limits = { headerBytesMax: 100, recordBytesMax: 4096 };
  const longHeader = Buffer.alloc(1000, "a");
  assert.throws(
    () => read([longHeader], { limits, header: true }),
    (error) => hasCode(error, "FILE_HEADER_TOO_LONG"),
  );
  assert.throws(
    () => read([Buffer.from("h\n"), Buffer.alloc(5000, "a")], { limits }),
    (error) => hasCode(error, "FILE_ROW_TOO_LONG"),
  );
  const open = (): void => {
    read([Buffer.from('h,i\n1,2\n3,"open\n'), ...Array.from({ length: 1000 }, () => Buffer.from("text, text\n"))], {
      limits,
    });
  };
  assert.throws(open, (error) => hasCode(error, "FILE_QUOTE_NOT_CLOSED") && /line 3/.test(error.message));
});

test("more fields than there is room for are counted, not kept", () => {
  const rows: [number, string][] = [];
  const reader = new CsvRecordReader({
    dialect: RFC4180,
    limits: ROOMY,
    fieldsMax: 3,
    header: false,
    onRow: (row) => rows.push([row.count, Buffer.from(row.raw()).toString()]),
  });
  reader.push(Buffer.from('1,2,3,4,5\n"a""",2,3,4\n'));
  reader.end();
  assert.deepEqual(rows, [
    [5, "1,2,3,4,5"],
    [4, '"a""",2,3,4'],
  ]);
});
