import assert from "node:assert/strict";
import { test } from "node:test";
import type { ColumnDefinition, ColumnType } from "../../../../../lib/columns.ts";
import { csvOptionsSchema, type Dialect, type DialectRequest } from "../../../../../lib/formats/csv/options.ts";
import { detectStructure, type Structure } from "../../../../../lib/formats/csv/structure/structure.ts";

interface Setup {
  requested?: DialectRequest;
  pinned?: Dialect;
  /** Columns of the table, as `name` or `name TYPE`. */
  known?: readonly string[];
  complete?: boolean;
}

function structureOf(text: string, { requested = {}, pinned, known, complete = true }: Setup = {}): Structure {
  return detectStructure({ text, complete, encoding: "utf-8", requested, pinned, known: known?.map(columnOf) });
}

function columnOf(text: string): ColumnDefinition {
  const [name = "", ...type] = text.split(" ");
  return { name, header: name, type: (type.join(" ") || "VARCHAR") as ColumnType };
}

const WHOLE = { complete: true, encoding: "utf-8", requested: {} } as const;

const found = (text: string, pinned?: Dialect): Dialect & { confidence: number } => {
  const { dialect, confidence } = structureOf(text, pinned ? { pinned } : {});
  return { ...dialect, confidence };
};

/** What differs from the usual CSV file. */
function unusual(text: string, setup: Setup = {}): Partial<Dialect> {
  const { encoding: _, ...dialect } = structureOf(text, setup).dialect;
  const usual: Partial<Dialect> = { delimiter: ",", quote: '"', escape: '"', header: true };
  return Object.fromEntries(Object.entries(dialect).filter(([name, value]) => usual[name as keyof Dialect] !== value));
}

const doubts = (text: string, setup: Setup = {}): string[] =>
  structureOf(text, setup).doubts.map(({ reason }) => reason);

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
  const requested = { delimiter: "|", quote: null, header: false };
  const { dialect: told, confidence } = structureOf("a;b\n1;2\n", { requested, pinned });
  assert.deepEqual([told.delimiter, told.quote, told.header, confidence], ["|", null, false, 1]);
});

test("any quote and escape, and texts that are made to be slow", () => {
  for (const quote of "!#$%&()*+-./:<=>?@[\\]^_`{}~") {
    const text = `a,b\n${quote}x,y${quote},${quote}say \\${quote}hi\\${quote}${quote}\n`;
    const { escape } = structureOf(text, { requested: { quote } }).dialect;
    assert.ok(escape === quote || escape === "\\", quote);
  }
  const wide = `${"a,".repeat(120_000)}1.5\n${"x\n".repeat(499)}`;
  const dense = `${"1.5,".repeat(500)}1\n`.repeat(100);
  for (const text of [wide, dense, "\r".repeat(250_000), '""a,'.repeat(60_000), '\\"'.repeat(120_000)]) {
    const before = process.cpuUsage();
    for (const delimiter of [",", undefined] as const) structureOf(text, { requested: { delimiter } });
    const { user, system } = process.cpuUsage(before);
    // Measured: 20 to 200 ms. Time that grows with width times rows takes 15 s.
    assert.ok((user + system) / 1000 < 3_000, `${(user + system) / 1000} ms for ${text.slice(0, 20)}`);
  }
});

test("the first row is a header unless it is plainly data", () => {
  const data = [
    "1.5,a\n2.5,b",
    "2024-01-31,1\n2024-02-01,2",
    "x,true\ny,false",
    "1,2\n3,4",
    "1001,Oslo,3\n1002,Bergen,4",
  ];
  for (const text of data) assert.equal(found(text).header, false, text);
  const headers = [
    "id,name\n1,x",
    "name,2023,2024\nx,1,2",
    "2023,2024\n1.5,2.5",
    "2024-01-31,2024-02-01\n1,2",
    "a\nb",
    "a,b\nc,d",
  ];
  for (const text of headers) assert.equal(found(text).header, true, text);
});

test("detection is deterministic and never fails", () => {
  for (const text of ["", "\n", '"', "'\n", ",;\t|", "a\r\rb", '"a', "\\"]) {
    assert.deepEqual(found(text), found(text));
  }
});

test("titles, notes and comments above the table are left out", () => {
  const table = "day,text,amount\n2026-01-02,Rent,-700.00\n2026-01-05,Wages,2500.00\n2026-01-09,Bread,-3.20\n";
  assert.deepEqual(unusual(`Account,Current 4711\nFrom,01.01.2026\nTo,31.01.2026\n\n${table}`), { skipRows: 4 });
  assert.deepEqual(unusual(`Monthly report\n${table}`), { skipRows: 1 });
  assert.deepEqual(unusual(`Monthly report,,\nas of 2026-02-01,,\n,,\n${table}`), { skipRows: 3 });
  assert.deepEqual(unusual(`# site A, run 7\n# units: m, s\n${table}`), { skipRows: 2 });
  assert.deepEqual(unusual(`\n\n${table}`), {}, "blank lines are no rows");
  assert.deepEqual(unusual(`# run 7\n${table}# end of day\n2026-01-10,Tea,-2.00\n`), { skipRows: 1, comment: "#" });
  assert.deepEqual(unusual("#id,name,n\n1,a,2\n2,b,3\n"), {}, "a header may begin with #");
  assert.deepEqual(unusual("colour,n\n#ff0000,1\n#00ff00,2\n"), {}, "and so may rows");
});

test("delimiters at line ends, and headers without a name for the row names", () => {
  assert.deepEqual(unusual("id,name,lat\n1,Oslo,59.9,\n2,Bergen,60.4,\n"), { trailingDelimiter: true });
  assert.deepEqual(unusual("id,name,lat,\n1,Oslo,59.9\n2,Bergen,60.4\n"), { trailingDelimiter: true });
  assert.deepEqual(unusual("id,name,lat,\n1,Oslo,59.9,\n2,Bergen,60.4,\n"), { trailingDelimiter: true });
  assert.deepEqual(unusual("id,name,note\n1,Oslo,\n2,Bergen,\n"), {}, "an empty column has a name");
  assert.deepEqual(unusual('"height","weight"\n"r1",170,65\n"r2",182,80\n'), { rowNames: true });
  assert.deepEqual(unusual("mpg cyl\nMazda 21.0 6\nDatsun 22.8 4\nHornet 21.4 6\n"), {
    delimiter: " ",
    rowNames: true,
  });
});

test("the text shows other delimiters", () => {
  const rows = [
    ["id", "name", "n"],
    ["1", "a", "2"],
    ["2", "b", "3"],
  ];
  for (const delimiter of ["^", "~", "||", "::", "|~|", "\x01", "\x1f", "¦", "*", ":"]) {
    const text = rows.map((row) => row.join(delimiter)).join("\n");
    assert.deepEqual(unusual(text), { delimiter }, delimiter);
  }
  const places = "id,name,pos (lat;lon),day,n\n1,Oslo,59.9;10.7,2026-01-01,5\n2,Bergen,60.4;5.3,2026-01-02,6\n";
  assert.deepEqual(unusual(places), {}, "a rarer delimiter within cells");
  assert.deepEqual(unusual("id,label a|b,n\n1,x|y,5\n2,u|v,6\n"), {});
  assert.deepEqual(unusual("when\n2026-01-02 10:00\n2026-01-03 11:30\n"), {}, "one column of times");
  assert.deepEqual(unusual("full name\nJohn Smith\nJane Roe\n"), {}, "one column of names");
});

test("a line sep= names the delimiter, however it is written", () => {
  for (const line of ["sep=;", '"sep=;"', "sep=;;", "sep=; ", "SEP=;", '"sep=;";']) {
    assert.deepEqual(unusual(`${line}\r\nid;name;n\r\n1;a;2\r\n`), { delimiter: ";", skipRows: 1 }, line);
  }
  assert.deepEqual(unusual("sep=^\nid^name\n1^a\n"), { delimiter: "^", skipRows: 1 });
  assert.deepEqual(unusual("sep=\t\nid\tname\n1\ta\n"), { delimiter: "\t", skipRows: 1 });
  assert.deepEqual(unusual("sep=;\nid,name\n1,a\n"), { skipRows: 1 }, "a line that the text contradicts");
});

test("blanks between delimiters and quotes", () => {
  assert.deepEqual(unusual('id, name, score\n1, "Doe, Jane", 3.5\n2, "Roe, Rick", 4.25\n'), { trimBlanks: true });
  assert.deepEqual(unusual("id, name\n1, Oslo\n2, Bergen\n"), { trimBlanks: true });
});

test("escapes are those that the text shows, whatever the table's other files have", () => {
  const pinned: Dialect = { delimiter: ",", quote: '"', escape: '"', header: true, encoding: "utf-8" };
  const escaped = 'id,quote\n3,"\\"Walt\\""\n4,"He said \\"no\\", twice"\n5,"plain"\n';
  assert.deepEqual(unusual(escaped), { escape: "\\" });
  assert.deepEqual(unusual(escaped, { pinned, known: ["id INTEGER", "quote"] }), { escape: "\\" });
  const paths = 'id,path,note\n1,"C:\\temp\\",ok\n2,"D:\\x\\",fine\n3,"F:\\z\\",last\n';
  assert.deepEqual(unusual(paths), {});
  const mixed = `${paths}4,"E:\\y","6\\" pipe"\n`;
  assert.deepEqual([unusual(mixed), doubts(mixed)], [{}, ["structure_unsure"]], "both in one file");
  assert.deepEqual(unusual(paths, { pinned: { ...pinned, escape: "\\" } }), {}, "a pinned escape is checked, too");
});

test("a name with a stray quote is doubtful, one that is quoted is not", () => {
  assert.deepEqual(doubts('id,"""; a name"\n1,x\n2,y\n'), []);
  assert.deepEqual(doubts('id,name"\n1,x\n2,y\n'), ["structure_unsure"]);
  assert.deepEqual(doubts("'id,name\n'1','x'\n'2','y'\n'3','z'\n"), ["structure_unsure"]);
  assert.deepEqual(doubts('id,name"\n1,x\n2,y\n', { requested: { quote: null } }), [], "quotes have no meaning");
});

test("a table's own header is found again, also of several rows or with few names", () => {
  const again = (text: string, headers: readonly string[]): object => {
    const known = headers.map((header, at) => ({ name: `c${at}`, header, type: "VARCHAR" as const }));
    const { header, headerRows, skipRows } = detectStructure({ text, ...WHOLE, known }).dialect;
    return { header, headerRows, skipRows };
  };
  const names = ["Region", "Country", "2023 / Sales", "2023 / Cost"];
  const twoRows = "Region,Country,2023,\n,,Sales,Cost\nEU,AT,5,3\nEU,DE,7,4\n";
  assert.deepEqual(again(twoRows, names), { header: true, headerRows: 2, skipRows: undefined });
  const texts = "Region,Country,2023,\n,,Sales,Cost\nEU,AT,many,few\nEU,DE,few,few\n";
  assert.deepEqual(again(texts, names), { header: true, headerRows: 2, skipRows: undefined }, "whatever the rows are");
  const fewNames = `,id\n${" ,id\n".repeat(9)}, id\n`;
  assert.deepEqual(again(fewNames, ["", "id"]), { header: true, headerRows: undefined, skipRows: undefined });
  const blank = ' ,"  ",id\n10,,\n"",""\n10,n/a,\n';
  assert.deepEqual(again(blank, ["", ""]), { header: true, headerRows: undefined, skipRows: undefined }, "no value");
  const title = "Customer\n\nCustomer,Amount\nAnn,many\nBob,few\n";
  assert.deepEqual(again(title, ["Customer", "Amount"]), { header: true, headerRows: undefined, skipRows: 2 });
  assert.equal(unusual(":,#,\n,,\n", { known: [":", "#"] }).header, undefined, "with delimiters at the ends of lines");
  const pinned = { delimiter: ",", quote: '"', escape: '"', header: true, encoding: "utf-8" } as const;
  assert.deepEqual(unusual("note\t\n\t\n", { pinned, known: ["note"] }), {}, "the usual delimiter, if two fit");
  const cut = detectStructure({ text: "a long nam", ...WHOLE, complete: false, known: [columnOf("a_long_name")] });
  assert.deepEqual([cut.dialect.header, cut.doubts], [true, []], "its end is not in the sample");
});

test("a value that spells like a name of the table makes its row no header", () => {
  assert.deepEqual(unusual("0{,id,!\n0,,\n", { known: ["0{ INTEGER"] }), {});
  assert.deepEqual(unusual("[5],x,y\n5,,\n6,,\n", { known: ["[5] INTEGER"] }), {});
});

test("what is known of the table weighs most", () => {
  const known = ["id INTEGER", "name", "note"];
  assert.deepEqual(unusual("id,name,note\n3,Cid\n4,Dee\n5,Eve,z\n6,Fay\n", { known }), {}, "short rows");
  assert.deepEqual(unusual("3,Cid,x\n4,Dee,y\n", { known }), { header: false }, "a part without a header");
  assert.deepEqual(unusual("Report;x,y;z\nid;name;note\n", { known }), { delimiter: ";", skipRows: 1 });
  assert.deepEqual(unusual("NAME,Id\nx,1\n", { known }), {});
  const longer = "id,name,note\nr1,3,Cid,x\nr2,4,Dee,y\n";
  assert.deepEqual(unusual(longer), { rowNames: true });
  assert.deepEqual(unusual(longer, { known }), {}, "rows with a field too many are no row names");
  assert.deepEqual(unusual(longer, { known: ["row_name", ...known] }), { rowNames: true });
  const positions = ["column_1 DATE", "column_2 DECIMAL(18,2)", "column_3"];
  assert.deepEqual(unusual("2026-01-04,13,off\n2026-01-05,12.5,on\n", { known: positions }), { header: false });
});

test("totals and notes below the table are its footer", () => {
  const table = "region,units,price,day\nNorth,3,12.50,2026-01-31\nSouth,4,9.00,2026-01-30\nEast,2,1.00,2026-01-30\n";
  assert.deepEqual(unusual(`${table}Total,9,22.50,\n`), { footerRows: 1 });
  assert.deepEqual(unusual(`${table}\n(3 rows)\n`), { footerRows: 1 });
  assert.deepEqual(unusual(`${table}Source: the ministry\n`), { footerRows: 1 });
  assert.deepEqual(unusual(`${table}West,1\n`), {}, "a row that was cut is no footer");
  assert.deepEqual(unusual(`${table}Source: the ministry\n`, { complete: false }), {}, "the end is not known");
  assert.deepEqual(doubts(`${table}Total,8,20.50,2026-01-30\n`), ["structure_unsure"], "a total that is no sum");
});

test("a row named like a total, or with the sum elsewhere, is in doubt", () => {
  const unsure = ["structure_unsure"];
  assert.deepEqual(doubts("customer;units\nN;10\nS;20\nTotal Energies;30\n"), unsure, "may be a customer");
  assert.deepEqual(doubts("customer;units\nN;10\nS;20\nTotal:;30\n"), []);
  assert.deepEqual(doubts("id;region;units\n1;N;10\n2;S;20\n3;Total;30\n"), unsure);
  assert.deepEqual(doubts("team,points\nA,10\nB,20\nAll,30\n"), unsure);
  assert.deepEqual(doubts("team,points\nA,10\nB,20\nAll,25\n"), [], "no sum");
  assert.deepEqual(doubts("scope,points\nAll,10\nB,20\nAll,30\n"), [], "a value of the column");
});

test("a declared footer tells nothing about the table", () => {
  const text = "id,name\n1,Ann\n2,Bob\n3,Cid\n\norder,amount,day\n7,5.00,2026-01-01\n8,6.00,2026-01-02\n";
  for (const footer of [{ rows: 3 }, { pattern: "^order" }]) {
    assert.deepEqual(
      [unusual(text, { requested: { footer } }), doubts(text, { requested: { footer } })],
      [{ footer }, []],
    );
  }
});

test("rows without a value change nothing, wherever they are", () => {
  const rows = ["7;oak;2,50", "8;ash;3,75", "9;elm;1,20"];
  for (const blank of [";;", " ;  ; ", '"";"";""']) {
    for (const lines of [
      [...rows, blank, blank],
      [rows[0], blank, ...rows.slice(1)],
      [blank, ...rows],
    ]) {
      const text = `nr;tree;price\n${lines.join("\n")}\n`;
      assert.deepEqual([unusual(text), doubts(text)], [{ delimiter: ";" }, []], text);
    }
    const above = `${blank}\n${blank}\nnr;tree;price\n${rows.join("\n")}\n`;
    assert.deepEqual([unusual(above), doubts(above)], [{ delimiter: ";", skipRows: 2 }, []]);
  }
  const padded = `n,word,day\n1,oak,2026-01-01\n2,ash,2026-01-02\n${",,\n".repeat(300)}`;
  assert.deepEqual([unusual(padded), doubts(padded)], [{}, []]);
  assert.ok(structureOf(padded).evidence.some(({ evidence }) => evidence.startsWith("300 lines with delimiters")));
});

test("an underlined row is the header, and the line below it no row", () => {
  const rows = "7;oak;2,50\n8;ash;3,75\n9;elm;1,20\n";
  for (const line of ["--;----;-----", "==;====;===", "-----------------"]) {
    const text = `nr;tree;price\n${line}\n${rows}`;
    assert.deepEqual([unusual(text), doubts(text)], [{ delimiter: ";" }, []], line);
    assert.deepEqual(unusual(`Stock of May\n\n${text}`), { delimiter: ";", skipRows: 2 });
    assert.deepEqual(unusual(text, { known: ["nr INTEGER", "tree", "price DECIMAL(18,2)"] }), { delimiter: ";" });
  }
  const words = "tree\tcolour\n----\t------\noak\tbrown\nash\tgrey\n";
  assert.deepEqual([unusual(words), doubts(words)], [{ delimiter: "\t" }, []]);
  const years = "2023,2024\n----,----\n1.5,2.5\n";
  assert.deepEqual(unusual(years), {}, "years alone say nothing about the line");
  assert.deepEqual(doubts("answer,other\n--,--\n++,--\n+,-\n"), [], "signs may be values");
});

test("a header in another case or with blanks is the same header", () => {
  for (const again of ["ID,Amount,Tree", " id, amount ,tree"]) {
    const text = `id,amount,tree\n1,2.50,oak\n2,3.50,ash\n${again}\n3,4.25,elm\n4,1.50,fir\n`;
    assert.deepEqual([unusual(text), doubts(text)], [{}, []], again);
  }
});

test("last rows of words below numbers, dates or codes, and sums, are a footer, in doubt if nothing proves it", () => {
  const trees = "nr,tree,height\n7,oak,12\n8,ash,9\n9,elm,14\n";
  const days = "day;text;sum\n01.02.2026;rent;-700,00\n02.02.2026;wage;1900,50\n";
  const codes = "plot,tree,n\nP-100,oak,3\nP-101,ash,4\nP-102,elm,9\n";
  const unsure: [string, number][] = [
    [`${trees}-- end of list --,,\n`, 1],
    [`${trees}measured in June,,\n`, 1],
    [`${trees}Mean,,11.67\n`, 1],
    [`${trees}tallest,elm,14\n`, 1],
    [`${trees}\nMeasured by,L. Berg,\nChecked by,A. Moe,\n`, 2],
    [`${trees},,\nseen by,L. Berg,\n`, 1],
    [`${days}\nNeuer Stand;;1200,50\n`, 1],
    [`Konto 17\n\n${days}Ende;;\n`, 1],
    [`${codes}counted twice,,\n`, 1],
    [`${codes},,16\n`, 1],
    ["day,n\n2026-01-01,4\n2026-01-02,8\nMaximum,8\n", 1],
  ];
  for (const [text, footerRows] of unsure) {
    const { dialect, doubts: found } = structureOf(text);
    assert.deepEqual([dialect.footerRows, found.map(({ reason }) => reason)], [footerRows, ["structure_unsure"]], text);
    assert.match(found[0]!.evidence, /^line \d+ /);
  }
  const sure = [`${trees}3 records,,\n`, "plot,n,kg\nA,5,2.5\nB,7,3.5\nC,1,1.5\n,13,7.5\n"];
  for (const text of sure) assert.deepEqual([unusual(text), doubts(text)], [{ footerRows: 1 }, []], text);
});

test("last rows with other values, or fewer, are rows", () => {
  const trees = "nr,tree,height\n7,oak,12\n8,ash,9\n9,elm,14\n";
  const last = [
    "10,,",
    "10a,fir,8",
    "x,fir,8",
    ",fir,8",
    "n/a,fir,8",
    "10,fir,unknown",
    "unknown,fir,8",
    "nr,tree,height",
  ];
  for (const row of last) assert.deepEqual([unusual(`${trees}${row}\n`), doubts(`${trees}${row}\n`)], [{}, []], row);
  for (const text of [
    "tree,colour\noak,brown\nash,grey\n\nfir,green\n",
    "tree,colour,note\noak,brown,old\nash,grey,\nfir,,\n",
    "tree,n\noak,5\nash,6\nfir,\n",
    "tree,n\noak,5\nash,6\n,7\n",
    "nr,n\n1,5\nx,6\n",
    "nr,tree,day,note\n7,oak,2026-01-01,\n8,ash,2026-01-02,\n,,,old\n",
    "nr,tree,note\n7,oak,\n8,ash,\n,elm,\n",
  ]) {
    assert.deepEqual([unusual(text), doubts(text)], [{}, []], text);
  }
});

test("a first row that may be a header or a row is a doubt, never lost in silence", () => {
  const unsure = [
    "1,2\n",
    "5\n",
    "1,moss\n",
    "2019,2020\n",
    "2001,2002\n2003,2004\n2005,2006\n",
    "unknown,5\n1,6\n2,7\n",
    "x,1,2\n7,3,4\n8,5,6\n",
    "12,a\n2026-01-01,b\n2026-01-02,c\n",
    "A-1,B-2\nA-2,B-3\n",
  ];
  for (const text of unsure) assert.deepEqual(doubts(text), ["structure_unsure"], JSON.stringify(text));
  const sure = [
    "1,2\n3,4\n",
    "1\n2\n",
    "1,moss\n2,fern\n",
    ",2\n3,4\n",
    "id,amount\n",
    "region,2019,2020\n",
    "region,2019,2020\nN,1000,2000\nS,1100,2100\n",
    "id,name\nA-1,moss\n",
    "name,city\nanna,paris\n",
  ];
  for (const text of sure) assert.deepEqual(doubts(text), [], JSON.stringify(text));
});

test("headers of several rows, and repeated ones", () => {
  const units = "time,height,speed\ns,m,m/s\n0,1.5,2.0\n1,1.6,2.1\n2,1.7,2.2\n3,1.8,2.3\n";
  assert.deepEqual(unusual(units), { headerRows: 2 });
  assert.deepEqual(unusual("id,amount\n1,unknown\n2,5\n3,6\n4,7\n"), {}, "one odd value makes no header");
  assert.deepEqual(unusual("id,day,name\n1,2026-01-01,a\nid,day,name\n2,2026-01-02,b\n"), {});
});

test("a header that is repeated at once, or in another writing, is doubted", () => {
  const rows = "1,a,2026-01-01\n2,b,2026-01-02\n3,c,2026-01-03\n";
  const repeated = `id,name,day\nid,name,day\n${rows}`;
  assert.deepEqual(doubts(repeated), ["structure_unsure"]);
  assert.deepEqual(doubts(repeated, { known: ["id INTEGER", "name", "day DATE"] }), [], "the table's own header");
  assert.deepEqual(doubts(repeated, { requested: { header: true } }), [], "declared");
  assert.deepEqual(doubts(`id,name,day\n${rows}id,name,day\n${rows}`), [], "joined files");
  assert.deepEqual(doubts(`id,name,day\n${rows}"id","name","day"\n${rows}`), ["several_tables"]);
});

test("a header with a delimiter too many has blank names above no field", () => {
  const text = "id,,name,day\n1,a,2026-01-01\n2,b,2026-01-02\n";
  assert.deepEqual(unusual(text), { dropBlankNames: true });
  assert.deepEqual(doubts(text), ["structure_unsure"]);
  assert.deepEqual(doubts("id,,name\n1,x,a\n2,y,b\n"), [], "a column without a name");
});

test("a last row that is written otherwise is no footer, and a lost delimiter in a header makes no row names", () => {
  const table = "id,name,price\n1,Ada Moe,2.50\n2,Bo Lund,3.50\n3,Cleo Park,4.25\n";
  for (const row of ["4;Dag Holm;5.25", "4 Dag Holm 5.25", "4|Dag Holm|5.25"]) {
    assert.deepEqual(unusual(`${table}${row}\n`), {}, row);
  }
  const texts = "land,haupt\nNorge,Oslo\nItalia,Roma\nFrance,Paris\n";
  assert.deepEqual(doubts(`${texts}Danmark Kobenhavn\n`), ["structure_unsure"]);
  assert.deepEqual(doubts(`${texts}Source: the ministry\n`), []);
  assert.deepEqual(doubts("idname,price\n1,Ada,2.50\n2,Bo,3.50\n3,Cleo,4.25\n"), ["structure_unsure"]);
  assert.deepEqual(doubts('"name""price"\n"Ada","2.50"\n"Bo","3.50"\n'), ["structure_unsure"]);
  assert.deepEqual(doubts('"height","weight"\n"r1",170,65\n"r2",182,80\n'), []);
});

test("quotes and backslashes that mean now this, now that are doubted", () => {
  const escaped = 'id,text\n1,"say \\"hi\\", you"\n2,"x"\n';
  assert.deepEqual(doubts(escaped), []);
  assert.deepEqual(doubts(`${escaped}3,"8\\'9, or"\n`), ["structure_unsure"]);
  const single = "id,text\n1,'a, b'\n2,'c, d'\n3,'e, f'\n";
  assert.deepEqual(doubts(single), []);
  assert.deepEqual(doubts(`${single}4,'won't, will'\n`), ["structure_unsure"]);
  assert.deepEqual(doubts("1,a\\,b,x\n2,c,y\n3,d\\,e,z\n"), ["structure_unsure"], "before a delimiter");
  assert.deepEqual(doubts("id,path,n\n1,C:\\x\\,5\n2,D:\\y,6\n"), [], "in a path");
});

test("several tables in one file are doubted", () => {
  const first = "id,name,n\n1,a,5\n2,b,6\n3,c,7\n";
  assert.deepEqual(doubts(first), []);
  assert.deepEqual(doubts(`${first}\nday,amount\n2026-01-01,5.5\n2026-01-02,6.5\n`), ["several_tables"]);
  assert.deepEqual(doubts(`${first}\nReturns\nid,name,n\n1,a,5\n`), ["several_tables"], "a title of its own");
  assert.deepEqual(doubts(`${first}id,name,n\n1,a,5\n`), [], "joined files");
  assert.deepEqual(doubts(`${first}code,day,x\nA-1,2026-01-01,q\nA-2,2026-01-02,r\n`), ["several_tables"]);
});

test("what is declared settles the doubts that it answers, and only those", () => {
  const first = "id,name,n\n1,a,5\n2,b,6\n3,c,7\n";
  const two = `${first}code,day,x\nA-1,2026-01-01,q\nA-2,2026-01-02,r\n`;
  const above = `order,net\n1,5.00\n2,6.00\n\n${first}`;
  const records = "H,20260101,x\nD,1,5\nD,2,6\nD,3,7\nT,3,18\n";
  const index = ",a,b\nid,,\nx1,1,2\nx2,3,4\nx3,5,6\n";
  const notes = "Sheet\nvalues\n1\n2\n3\n4\n";
  const remark = "id,n\n1,5\n2,6 # late\n3,7\n4,8\n";
  const units = "Id,Mass,Size\n,kg,m\n1,5,6\n2,7,8\n3,9,10\n";
  const foreign = "id,n,day\n1,5,2026-01-01\n2,6,2026-01-02\nnone,of these,count\n3,7,2026-01-03\n";
  const ragged = "id,a,b\n1,2\n3\n4,5\n6,7\n8,9,10\n";
  const place = { skipRows: 0, footer: { rows: 0 } };
  const all = { ...place, header: 1 };
  for (const [text, settles, others] of [
    [two, [place, all], [{ skipRows: 0 }, { footer: { rows: 0 } }, { header: 1 }]],
    [above, [{ skipRows: 4 }], [{ header: 1 }, { footer: { rows: 0 } }, { delimiter: "," }]],
    [records, [{ ...place, header: "none" }], [{ header: "none" }]],
    [index, [all], [{ delimiter: "," }, place]],
    [notes, [{ skipRows: 0 }], [{ footer: { rows: 0 } }, { header: 1 }]],
    [remark, [{ comment: null }], [{ delimiter: "," }, place]],
    [units, [{ header: 1 }, { header: 2 }], [{ header: "auto" }, place]],
    [foreign, [place], [{ header: 1 }, { delimiter: "," }, { comment: "#" }]],
    ["name\nada\nbo\ncleo\ndag\neva\n# the end of june\nfinn\n", [{ comment: null }, { comment: "#" }], [place]],
    [ragged, [{ header: 1, delimiter: "," }], [{ header: 1 }, { delimiter: "," }, place]],
    ['"a,b"\n"1,2"\n"3,4"\n', [{ delimiter: ";" }], [{ header: "auto" }, { quote: '"' }, place]],
  ] as const) {
    assert.notDeepEqual(doubts(text), [], JSON.stringify(text));
    for (const requested of settles.map(parsed))
      assert.deepEqual(doubts(text, { requested }), [], shownOf(text, requested));
    for (const requested of others.map(parsed))
      assert.notDeepEqual(doubts(text, { requested }), [], shownOf(text, requested));
  }
});

const parsed = (given: object): DialectRequest => csvOptionsSchema.parse(given);
const shownOf = (text: string, requested: DialectRequest): string => `${text} ${JSON.stringify(requested)}`;

test("a table above the one that is read is doubted, titles and named values above it are not", () => {
  const people = "customer,city,zip\nAnn,Rome,00118\nBob,Pisa,56121\nCy,Bari,70121\n";
  for (const above of [
    "order,net\n1,5.00\n2,6.00\n\n",
    "[Orders]\norder,net\n1,5.00\n2,6.00\n[Customers]\n",
    "station,lat\noslo,59.9\n\n",
    "item,qty\nbolt,5\nnut,7\n\n",
    "Item,Qty\nBolt,5\nNut,7\nScrew,9\n\n",
    "order,net,\n1,5.00,\n2,6.00,\n,,\n",
    "order;net\n1;5.00\n2;6.00\n",
    "customer;city;zip\nDee;Oslo;00150\n",
  ]) {
    assert.deepEqual(doubts(above + people), ["several_tables"], above);
  }
  for (const above of [
    "Customers\n\n",
    "Report,,\n,,\n",
    "Bank,Sparkasse\nAccount,12345\nSince,2024-01-31\n\n",
    "Name:,Sensor\nSerial:,12\nRate:,15\n\n",
    "# a,b\n# 1,2\n",
  ]) {
    assert.ok(!doubts(above + people).includes("several_tables"), above);
  }
});
