import assert from "node:assert/strict";
import { test } from "node:test";
import { detectDialect, firstRowIsData, type Dialect } from "../../../../lib/formats/csv/dialect.ts";

const found = (text: string, pinned?: Dialect) => detectDialect(text, "utf-8", {}, pinned);

test("delimiters", () => {
  for (const [delimiter, text] of [
    [",", "a,b\n1,2\n3,4\n"],
    [";", "a;b\n1,5;2,5\n3,0;4,25\n"],
    ["\t", "a\tb\nx, y\t1\nz\t2\n"],
    ["|", "a|b|c\n1|2|3\n"],
    [",", 'name,text\nx,"a;b;c"\ny,"d;e"\n'],
    [";", "name;text\nx;a, b and c\ny;none\n"],
    [",", "a,b"],
    [",", "id,when\n1,2024-01-01 10:00:00\n2,2024-01-02 11:30:00\n"],
    [";", 'a;b\n"x\ny";1\n"z";2\n'],
  ] as const) {
    assert.equal(found(text).delimiter, delimiter, JSON.stringify(text));
  }
});

test("a file of one column is not split by the commas in its text", () => {
  const { delimiter, confidence } = found("comment\nhello, world\nyes, indeed\nfine, too\n");
  assert.notEqual(delimiter, ",");
  assert.ok(confidence <= 0.5);
  assert.equal(found("id\n1\n2\n").delimiter, ",");
});

test("quotes and escapes", () => {
  assert.equal(found("a,b\n'x, y',1\n'z',2\n").quote, "'");
  assert.equal(found("a,b\n'tis,1\nit's,2\n").quote, '"');
  assert.equal(found('a,b\n"say \\"hi\\", you",1\n"x",2\n').escape, "\\");
  assert.equal(found('a,b\n"say ""hi""",1\n"x",2\n').escape, '"');
  assert.equal(found('a,b\n"C:\\",1\n"D:\\",2\n').escape, '"');
});

test("the table's dialect holds where it fits, the sender's word always", () => {
  const pinned: Dialect = { delimiter: ";", quote: '"', escape: '"', header: true, encoding: "utf-8" };
  assert.equal(found("a;b,c\n1;2,3\n", pinned).delimiter, ";");
  assert.equal(found("a,b\n1,2\n", pinned).delimiter, ",");
  assert.equal(found("alone\nx\n", pinned).delimiter, ";");
  const told = detectDialect("a;b\n1;2\n", "utf-8", { delimiter: "|", quote: null, header: false }, pinned);
  assert.deepEqual([told.delimiter, told.quote, told.header, told.confidence], ["|", null, false, 1]);
});

test("any quote and escape, and texts that are made to be slow", () => {
  for (const quote of "!#$%&()*+-./:<=>?@[\\]^_`{}~") {
    const text = `a,b\n${quote}x,y${quote},${quote}say \\${quote}hi\\${quote}${quote}\n`;
    const { escape } = detectDialect(text, "utf-8", { quote });
    assert.ok(escape === quote || escape === "\\", quote);
  }
  const wide = `${"a,".repeat(120_000)}1.5\n${"x\n".repeat(499)}`;
  const dense = `${"1.5,".repeat(500)}1\n`.repeat(100);
  for (const text of [wide, dense, "\r".repeat(250_000), '""a,'.repeat(60_000), '\\"'.repeat(120_000)]) {
    const before = process.cpuUsage();
    for (const delimiter of [",", undefined] as const) detectDialect(text, "utf-8", { delimiter });
    const { user, system } = process.cpuUsage(before);
    // Measured: 20 to 200 ms. Time that grows with width times rows takes 15 s.
    assert.ok((user + system) / 1000 < 3_000, `${(user + system) / 1000} ms for ${text.slice(0, 20)}`);
  }
});

test("the first row is a header unless it is plainly data", () => {
  const data = [
    [
      ["1.5", "a"],
      ["2.5", "b"],
    ],
    [
      ["2024-01-31", "1"],
      ["2024-02-01", "2"],
    ],
    [
      ["x", "true"],
      ["y", "false"],
    ],
  ];
  const headers = [
    [
      ["id", "name"],
      ["1", "x"],
    ],
    [
      ["1", "2"],
      ["3", "4"],
    ],
    [
      ["name", "2023", "2024"],
      ["x", "1", "2"],
    ],
    [
      ["2023", "2024"],
      ["1.5", "2.5"],
    ],
    [
      ["2024-01-31", "2024-02-01"],
      ["1", "2"],
    ],
    [["1.5", "a"]],
    [["a"], ["b"]],
  ];
  for (const rows of data) assert.ok(firstRowIsData(rows), JSON.stringify(rows));
  for (const rows of headers) assert.ok(!firstRowIsData(rows), JSON.stringify(rows));
});

test("detection is deterministic and never fails", () => {
  for (const text of ["", "\n", '"', "'\n", ",;\t|", "a\r\rb", '"a', "\\"]) {
    assert.deepEqual(found(text), found(text));
  }
});
