import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Dialect } from "../../../../../lib/formats/csv/options.ts";
import { CsvTableReader } from "../../../../../lib/formats/csv/reading/table-reader.ts";
import { fieldsOf } from "../../../../../lib/formats/format.ts";
import { hasCode } from "../../../../../lib/errors.ts";

const PLAIN: Dialect = { delimiter: ",", quote: '"', escape: '"', header: true, encoding: "utf-8" };
const LIMITS = { headerBytesMax: 1 << 20, recordBytesMax: 1 << 24, columnsMax: 50 };

interface Table {
  names: readonly string[] | undefined;
  count: number;
  header: string | undefined;
  /** Line, fault and fields. */
  rows: [number, ...string[]][];
  skipped: number;
}

function readTable(chunks: readonly Uint8Array[], dialect: Partial<Dialect> = {}): Table {
  const table: Table = { names: undefined, count: -1, header: undefined, rows: [], skipped: 0 };
  const reader = new CsvTableReader(
    { options: { ...PLAIN, ...dialect }, firstLine: 1, limits: LIMITS },
    {
      onFields: ({ names, count, header }) => {
        assert.equal(table.count, -1);
        Object.assign(table, { names, count, header: header && Buffer.from(header.raw()).toString() });
      },
      onRow: (row) => {
        assert.ok(table.count >= 0);
        table.rows.push([row.line, ...(row.fault ? [row.fault] : []), ...fieldsOf(row)]);
      },
    },
  );
  for (const chunk of chunks) reader.push(chunk);
  reader.end();
  table.skipped = reader.skippedRows;
  return table;
}

const tableOf = (text: string, dialect: Partial<Dialect> = {}): Table => readTable([Buffer.from(text)], dialect);

test("lines before the header are skipped as lines, and keep their numbers", () => {
  const text = 'Report "of\r\n\r\nmade by, "x\rid,name\n1,a\n2,b\n';
  const { names, rows } = tableOf(text, { skipRows: 3 });
  assert.deepEqual(names, ["id", "name"]);
  assert.deepEqual(rows, [
    [5, "1", "a"],
    [6, "2", "b"],
  ]);
  for (let at = 0; at <= text.length; at++) {
    const chunks = [Buffer.from(text.slice(0, at)), Buffer.from(text.slice(at))];
    assert.deepEqual(readTable(chunks, { skipRows: 3 }), tableOf(text, { skipRows: 3 }), `cut at ${at}`);
  }
  assert.equal(tableOf("a\nb\n", { skipRows: 5 }).count, -1);
});

test("a header of several rows has one name per column", () => {
  const text = "id,2024,,2025,\n,Q1,Q2,Q1,Q2\nn,eur,,,eur\n1,2,3,4,5\n";
  const { names, header, rows } = tableOf(text, { headerRows: 3 });
  assert.deepEqual(names, ["id / n", "2024 / Q1 / eur", "2024 / Q2", "2025 / Q1", "2025 / Q2 / eur"]);
  assert.equal(header, "id,2024,,2025,\n,Q1,Q2,Q1,Q2\nn,eur,,,eur");
  assert.deepEqual(rows, [[4, "1", "2", "3", "4", "5"]]);
  // A merged cell on the left ends where a cell above begins; equal cells are one.
  assert.deepEqual(tableOf("a,,b,\nx,,,y\n1,2,3,4\n", { headerRows: 2 }).names, ["a / x", "a", "b", "b / y"]);
  assert.deepEqual(tableOf("a,b\na,c\n", { headerRows: 2 }).names, ["a", "b / c"]);
  // The file ends within its header.
  assert.deepEqual(tableOf("a,b\n", { headerRows: 2 }).names, ["a", "b"]);
});

test("without a header the first readable row tells the number of fields", () => {
  const { names, count, rows } = tableOf('7,"x\n1,2\n3,4', { header: false });
  assert.deepEqual([names, count], [undefined, 2]);
  assert.deepEqual(rows, [
    [1, "quote_not_closed"],
    [2, "1", "2"],
    [3, "3", "4"],
  ]);
  assert.deepEqual(tableOf('"x\n', { header: false }).rows, [[1, "quote_not_closed"]]);
  assert.throws(
    () => tableOf('"x\n'.repeat(200), { header: false }),
    (error) => hasCode(error, "FILE_QUOTE_NOT_CLOSED"),
  );
});

test("a header-only file has names and no rows; a quote in it that stays open ends the file", () => {
  assert.deepEqual(tableOf("a,b"), { names: ["a", "b"], count: 2, header: "a,b", rows: [], skipped: 0 });
  assert.throws(
    () => tableOf('a,"b\n1,2\n'),
    (error) => hasCode(error, "FILE_QUOTE_NOT_CLOSED") && /header on line 1 is not closed: correct/.test(error.message),
  );
});

test("a stray quote in a header joins no names, and blank names may be too many", () => {
  assert.deepEqual(tableOf('a,"b,c,"d","e"\n1,2,3,4,5\n').names, ["a", '"b', "c", "d", "e"]);
  assert.deepEqual(tableOf('a,""b",c\n1,2,3\n').names, ["a", '"b', "c"]);
  const { names, rows } = tableOf("a,, ,b\n1,2\n", { dropBlankNames: true });
  assert.deepEqual([names, rows], [["a", "b"], [[2, "1", "2"]]]);
});

test("row names get a column of their own", () => {
  const { names, count, rows } = tableOf('"a" "b"\n"r1" 1 2\n"r2" 3 4\n', { delimiter: " ", rowNames: true });
  assert.deepEqual([names, count], [["row_name", "a", "b"], 3]);
  assert.deepEqual(rows[0], [2, "r1", "1", "2"]);
  assert.deepEqual(tableOf("row_name,x\n1,2,3\n", { rowNames: true }).names, ["row_name_2", "row_name", "x"]);
});

test("a trailing delimiter starts no field, in whichever rows it is", () => {
  const expected = [
    [2, "1", "2"],
    [3, "3", "4"],
    [4, "5", ""],
    [5, "6", "7", "8"],
    [6, "9"],
  ];
  for (const header of ["a,b,", "a,b"]) {
    const { count, rows } = tableOf(`${header}\n1,2,\n3,4\n5,\n6,7,8\n9\n`, { trailingDelimiter: true });
    assert.equal(count, 2);
    assert.deepEqual(rows, expected);
  }
  assert.equal(tableOf("1,2,,\n3,4,,\n", { header: false, trailingDelimiter: true }).count, 2);
  assert.deepEqual(tableOf("a,b\n1,2,\n").rows, [[2, "1", "2", ""]]);
});

test("a leading delimiter starts no field, and lines that are drawn around rows are none", () => {
  const drawn = { delimiter: "|", leadingDelimiter: true, trailingDelimiter: true, trimBlanks: true };
  const line = "+----+-----+";
  const { count, rows, skipped } = tableOf(`| nr | tree |\n${line}\n|  1 | oak |\n|  2 |     |\n${line}\n`, drawn);
  assert.deepEqual(
    [count, rows, skipped],
    [
      2,
      [
        [3, "1", "oak"],
        [4, "2", ""],
      ],
      2,
    ],
  );
  const rules = tableOf("|nr|tree|\n|:--|--:|\n|1|oak|\n|---|---|\n|2|ash|\n|-|fir|\n", drawn);
  assert.deepEqual(
    rules.rows.map(([, ...cells]) => cells),
    [
      ["1", "oak"],
      ["2", "ash"],
      ["-", "fir"],
    ],
  );
  const sheet = { leadingDelimiter: true };
  assert.deepEqual(tableOf(",a,b\n,1,2\n,,3\n4,5,6\n7,8\n", sheet).rows, [
    [2, "1", "2"],
    [3, "", "3"],
    [4, "4", "5", "6"],
    [5, "7", "8"],
  ]);
  assert.deepEqual(tableOf(",1,2\n,,3\n", { ...sheet, header: false }).rows, [
    [1, "1", "2"],
    [2, "", "3"],
  ]);
  assert.deepEqual(tableOf('|a|b|\n|1|"say "hi", you"|\n', drawn).rows, [[2, "1", 'say "hi", you']]);
});

test("repetitions of the header are skipped and counted, also behind a byte order mark", () => {
  const mark = "\ufeff";
  const { rows, skipped } = tableOf(`id,"n"\n1,a\nid,"n"\n2,b\n${mark}id,"n"\r\n3,id\nid,n\nid,x\n`);
  assert.deepEqual(rows, [
    [2, "1", "a"],
    [4, "2", "b"],
    [6, "3", "id"],
    [7, "id", "n"],
    [8, "id", "x"],
  ]);
  assert.equal(skipped, 2);
  const two = tableOf("a,,\nb,c,d\n1,2,3\na,,\nb,c,d\n4,5,6\nb,c,d\n", { headerRows: 2 });
  assert.deepEqual([two.rows.length, two.skipped], [3, 2]);
  assert.equal(tableOf(",a\nx,1\n,a\ny,2\n").skipped, 1);
  // One column: the name may be a value. Escapes: the rows around it go through csv-parse.
  assert.deepEqual(tableOf("n\na\nn\n").rows.length, 2);
  assert.equal(tableOf('id,n\n1,"a""b"\nid,n\n2,"c""d"\n').skipped, 1);
});

test("comment lines are no rows, and are counted", () => {
  const { names, rows, skipped } = tableOf('# made, by "x\nid,n\n# one\n1,#a\n#2,b\n"#3",c\n', { comment: "#" });
  assert.deepEqual(names, ["id", "n"]);
  assert.deepEqual(rows, [
    [4, "1", "#a"],
    [6, "#3", "c"],
  ]);
  assert.equal(skipped, 3);
});

test("a footer is so many rows, whatever they look like", () => {
  const { rows, skipped } = tableOf('a,b\n1,2\n3,4\n5,"6""x"\nTotal\n"made\nby",x,y\n\n', { footer: { rows: 2 } });
  assert.deepEqual(rows, [
    [2, "1", "2"],
    [3, "3", "4"],
    [4, "5", '6"x'],
  ]);
  assert.equal(skipped, 2);
  assert.deepEqual(tableOf("a,b\n1,2\n", { footer: { rows: 3 } }).rows, []);
  assert.deepEqual(tableOf("a,b\n1,2\n3,4\n", { footerRows: 1 }).rows, [[2, "1", "2"]]);
});

test("a footer begins at the row that matches, if the file ends soon after", () => {
  const footer = { pattern: "^(Total|Sum)" };
  const short = tableOf("a,b\n1,2\nTotal,2\n3,4\n", { footer });
  assert.deepEqual([short.rows.length, short.skipped], [1, 2]);
  // 150 rows follow the first that matches, 50 the second.
  const rows = Array.from({ length: 200 }, (_, n) => (n === 50 || n === 150 ? "Total,1" : `${n},1`));
  const long = tableOf(`a,b\n${rows.join("\n")}\n`, { footer });
  assert.deepEqual([long.rows.length, long.skipped], [150, 50]);
  assert.deepEqual(long.rows[50], [52, "Total", "1"]);
  const huge = `"${"x".repeat(9 << 20)}",1\n`;
  assert.equal(tableOf(`a,b\nTotal,2\n${huge}${huge}1,2\n`, { footer }).rows.length, 4);
  assert.throws(
    () => tableOf(`a,b\n${huge}${huge}`, { footer: { rows: 2 } }),
    (error) => hasCode(error, "FILE_ROW_TOO_LONG") && /shorter footer/.test(error.message),
  );
});

test("blank lines of a file of one column are rows, below its header", () => {
  assert.deepEqual(tableOf("\nid\n7\n\n9\n\n").rows, [
    [3, "7"],
    [4, ""],
    [5, "9"],
    [6, ""],
  ]);
  assert.deepEqual(tableOf("a,b\n\n1,2\n\n").rows, [[3, "1", "2"]]);
});

test("a header is recognised again in another case and with blanks around its fields", () => {
  for (const again of ["NR;GRÖSSE;PREIS", " nr ; Größe;preis", "Nr;größe ;PREIS\t"]) {
    const { rows, skipped } = tableOf(`Nr;Größe;Preis\n1;a;2\n${again}\n2;nr;3\n`, { delimiter: ";" });
    assert.deepEqual([rows.map(([line]) => line), skipped], [[2, 4], 1], again);
  }
  assert.equal(tableOf("Имя,Б\nИ,1\nИМЯ,б\n").skipped, 1);
  assert.equal(tableOf("ab,c\na b,c\nab,,c\nab,c,\nab\n").skipped, 0, "other cells");
  assert.equal(tableOf("a,,\nb,c,d\n1,2,3\nA ,,\nB,C , D\n4,5,6\n", { headerRows: 2 }).skipped, 2);
});

test("a row that underlines the header is none, if it is the one below", () => {
  for (const [head, line] of [
    ["nr,tree,n", "--,----,-"],
    ["nr,tree,n", "----------,---,___".replaceAll("_", "-")],
    ["nr,tree,n", "---+------+---"],
    ["nr,tree,n", " == , === ,=="],
    ["nr,tree,n", ":--,:---:,--:"],
    [",tree,", ",---,"],
    ["tree", "----"],
  ] as const) {
    const row = head.replace(/[^,]+/g, "x");
    const { rows, skipped } = tableOf(`${head}\n${line}\n${row}\n${line}\n`);
    // A line of one field is drawn: it is no row anywhere in a table of several columns.
    const isDrawn = head.includes(",") && !line.includes(",");
    assert.deepEqual([rows.length, skipped], isDrawn ? [1, 2] : [2, 1], line);
  }
  for (const line of ["-,-,-", "--,--,--", "---,,---", "--,====,-", "+,+,+", "---,oak,---", "--", "-1,---,---"]) {
    assert.equal(tableOf(`nr,tree,n\n${line}\n1,oak,2\n`).skipped, 0, line);
  }
  assert.equal(tableOf("1,2\n--,--\n", { header: false }).skipped, 0);
});

test("a row without a value is none, like a blank line; it is counted", () => {
  const none = [",,", '"","",""', " ,\t, ", '"",,', ",", ",,,,,", "\u00a0,\u3000,", '""', "  "];
  const rows = Array.from({ length: 300 }, (_, n) => `${n},name ${n},`);
  const { rows: read, skipped } = tableOf(
    ["id,name,note", ...rows.slice(0, 150), ...none, ...rows.slice(150)].join("\n"),
  );
  assert.deepEqual([read.length, read[150]![1]], [300, "150"]);
  assert.equal(skipped, none.length);
});

test("a row with any value is a row, and a footer counts rows without a value", () => {
  const { rows, skipped } = tableOf('a,b\n,0\n\u00a1,\n,""""\n,-\n,,x\n,\n');
  assert.deepEqual([rows.map(([line]) => line), skipped], [[2, 3, 4, 5, 6], 1]);
  const ending = tableOf("a,b\n,\n1,2\n,\nTotal,2\n", { footer: { rows: 2 } });
  assert.deepEqual([ending.rows, ending.skipped], [[[3, "1", "2"]], 3]);
  assert.equal(tableOf("a,\n1,\n,\n2,\n", { trailingDelimiter: true }).rows.length, 3, "one column");
  assert.deepEqual(tableOf(",,\n1,2,3\n", { header: false }).rows, [[2, "1", "2", "3"]]);
});

test("what is read does not depend on where the text is cut", () => {
  const line = fc.constantFrom(
    "a,b",
    "1,2",
    '3,"x',
    '"4""",y',
    "",
    "#c,d",
    "Total,9",
    "5,6,",
    '7,"y"',
    "\ufeffa,b",
    " ,",
    '"",',
  );
  const dialect = fc.record({
    header: fc.boolean(),
    skipRows: fc.constantFrom(0, 2),
    footer: fc.constantFrom({ rows: 0 }, { rows: 2 }, { pattern: "^Total" }),
    comment: fc.constantFrom(null, "#"),
    trailingDelimiter: fc.boolean(),
    leadingDelimiter: fc.boolean(),
    trimBlanks: fc.boolean(),
    rowNames: fc.boolean(),
  });
  const outcome = (chunks: readonly Uint8Array[], options: Partial<Dialect>): Table | string => {
    try {
      return readTable(chunks, options);
    } catch (error) {
      return String(error);
    }
  };
  const lineEnds = fc.constantFrom("\n", "\r\n", "\r");
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 20 }),
      lineEnds,
      dialect,
      fc.array(fc.nat(150), { maxLength: 6 }),
      (lines, lineEnd, options, places) => {
        const bytes = Buffer.from(lines.join(lineEnd));
        const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
        const chunks = [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
        assert.deepEqual(outcome(chunks, options), outcome([bytes], options));
      },
    ),
    { numRuns: 2_000 },
  );
});
